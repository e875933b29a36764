"""Full size only: builds are reproducible, wherever and whenever they are made. Needs Node."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PRODUCTION = {"APP_ENV": "production", "SUPPORT_EMAIL": "help@mycompany.io"}


def _copy(project: Path, folder: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", ".*", "docs", "tests")
    return Path(shutil.copytree(project, folder, ignore=ignored))


def _built(project: Path, **values: str) -> Path:
    # Without the developer's `.env` and settings, but with the location of npm's cache.
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    build = [sys.executable, "-m", "onramp_app", "build"]
    subprocess.run(build, cwd=project, env={**kept, **PRODUCTION, **values}, check=True, timeout=300)
    return project / ".pages"


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _differences(one: Path, other: Path) -> list[str]:
    """Return the files that are missing from one folder or differ between the two."""
    left, right = _files(one), _files(other)
    return sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))


@pytest.mark.full
def test_two_builds_are_the_same_byte_for_byte(tmp_path: Path, project_dir: Path) -> None:
    first = _built(_copy(project_dir, tmp_path / "one"), PUBLIC_URL="https://wallet.mycompany.io")
    other_place = _copy(project_dir, tmp_path / "elsewhere" / "two")
    second = _built(
        other_place, PUBLIC_URL="https://purse.mycompany.io", REFLEX_BACKEND_PORT="4567", TZ="Asia/Kolkata"
    )
    assert len(list(first.rglob("*.js"))) > 10
    assert _differences(first, second) == []
    # A build leaves the checkout unchanged: npm would write each package's source into the lock file.
    assert _differences(first.parent / "reflex.lock", project_dir / "reflex.lock") == []


@pytest.mark.full
def test_control_reflex_alone_names_files_by_the_time_and_the_port(tmp_path: Path, project_dir: Path) -> None:
    folders = []
    for name in ("one", "two"):
        project = _copy(project_dir, tmp_path / name)
        config = project / "rxconfig.py"
        plain = config.read_text().replace("pages.without_time_and_port(state_js)", "state_js")
        assert plain != config.read_text()
        config.write_text(plain)
        folders.append(_built(project))
    assert any(name.endswith(".js") for name in _differences(*folders))
