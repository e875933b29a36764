"""Fake page builds, made without Node, that the application accepts at start as a build of its own code."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from onramp_app.config import Settings, load_settings
from onramp_app.local.pages import CLIENT, Build, Made, made_of

PAGE = "<!doctype html><title>Wallet</title><script>document.title += '.'</script>"


def settings_of(**values: str) -> Settings:
    """Return the settings that result from these environment variables."""
    given: dict[str, Any] = {name.lower(): value for name, value in values.items()}
    return load_settings(**given)


def shipped(project: Path, **values: str) -> Build:
    """Write pages into `project` that pass for a build of its code with these settings."""
    return written(project / ".pages", made_of(settings_of(**values), project), {"404.html": PAGE})


def written(folder: Path, made: Made, files: dict[str, str]) -> Build:
    """Write a build of these files (name → content); the files in `assets/` count as the hashed ones."""
    place = folder / made.name
    place.mkdir(parents=True)
    for name, content in files.items():
        path = place / CLIENT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    build = Build(place, made, tuple(name for name in files if name.startswith("assets/")))
    (place / "backend").mkdir()
    (place / "backend" / "stateful_pages.json").write_text("[]")
    (place / "reflex.json").write_text(f'{{"version": "{version("reflex")}"}}')
    build.finish()
    return build
