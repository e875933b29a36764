"""Consecutive starts in development: Reflex compiles what has changed, and nothing else."""

import subprocess
from pathlib import Path

import pytest

from onramp_app.config import PROJECT_DIR
from tests.benchmarks.second_start import Application


@pytest.fixture
def application(tmp_path: Path) -> Application:
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=PROJECT_DIR, check=True, capture_output=True)
    subprocess.run(["tar", "-x", "-C", tmp_path], input=archive.stdout, check=True)
    return Application("ours", tmp_path, "/", "/api/health/ready")


def _compiles(application: Application) -> bool:
    application.start()
    return "Compiling" in (application.folder / "log").read_text()


def _shown(folder: Path, text: str) -> bool:
    compiled = (path for part in ("app", "utils") for path in (folder / ".web" / part).rglob("*.jsx"))
    return any(text in path.read_text() for path in compiled)


@pytest.mark.full
def test_only_what_has_changed_is_compiled_again(application: Application) -> None:
    assert _compiles(application)
    assert not _compiles(application)
    page = application.folder / "onramp_app" / "web" / "activity" / "page.py"
    page.write_text(page.read_text().replace('rx.el.h1(_("Activity")', 'rx.el.h1("Changed words"'))
    assert not _shown(application.folder, "Changed words")
    assert _compiles(application)
    assert _shown(application.folder, "Changed words")
    assert not _compiles(application)
