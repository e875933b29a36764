"""The installed app's manifest has the operator's name, and icons of the sizes that it declares."""

import json
import struct
from pathlib import Path

from onramp_app.local.manifest import manifest
from tests.built_pages import settings_of

_PNG = b"\x89PNG\r\n\x1a\n"


def _size_of(picture: Path) -> str:
    content = picture.read_bytes()
    assert content.startswith(_PNG)
    return "{}x{}".format(*struct.unpack(">II", content[16:24]))  # PNG specification, 11.2.1: IHDR is first


def test_the_app_is_installed_under_the_operators_name() -> None:
    said = json.loads(manifest(settings_of(APP_NAME="Hafen „Süd“")))
    assert (said["name"], said["short_name"]) == ("Hafen „Süd“", "Hafen „Süd“")
    assert (said["start_url"], said["display"]) == ("/home", "standalone")


def test_each_icon_is_there_and_as_large_as_it_says(project_dir: Path) -> None:
    icons = json.loads(manifest(settings_of()))["icons"]
    pictures = [icon for icon in icons if icon["type"] == "image/png"]
    assert {(icon["purpose"], icon["sizes"]) for icon in pictures} == {
        (purpose, size) for purpose in ("any", "maskable") for size in ("192x192", "512x512")
    }
    for icon in pictures:
        assert _size_of(project_dir / "assets" / icon["src"].lstrip("/")) == icon["sizes"]
    assert _size_of(project_dir / "assets" / "icons" / "touch-180.png") == "180x180"
