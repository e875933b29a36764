"""Which commit this code is of, as far as anything here says so."""

import os
import shutil
import subprocess
from pathlib import Path

from onramp_app.config import PROJECT_DIR, Settings
from onramp_app.local.pages import PAGES_DIR, build_of, made_of

_SAID_BY_THE_BUILDER = "SOURCE_COMMIT"


def commit_here(project: Path = PROJECT_DIR) -> str:
    """Return the commit that is checked out, with `+changed` where tracked files differ from it.

    `SOURCE_COMMIT` counts for more: an image is built without the repository. Empty where nothing says it.
    """
    if given := os.environ.get(_SAID_BY_THE_BUILDER, "").strip():
        return given[:64]
    # A folder inside another repository is no checkout of ours.
    if not (project / ".git").exists() or (git := shutil.which("git")) is None:
        return ""
    head = _said(git, project, "rev-parse", "HEAD")
    is_changed = bool(head and _said(git, project, "status", "--porcelain", "--untracked-files=no"))
    return f"{head}+changed" if is_changed else head


def running_commit(settings: Settings, *, pages: Path = PAGES_DIR, project: Path = PROJECT_DIR) -> str:
    """Return the commit of the code that runs: what the build of its pages wrote down, or `commit_here`."""
    build = build_of(made_of(settings, project), pages)
    return (build.commit if build else "") or commit_here(project)


def _said(git: str, project: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - a command of ours  # nosec B603
        # Who builds need not be who owns the checkout, and git tells nobody else about it.
        [git, "-c", f"safe.directory={project}", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    return done.stdout.strip() if done.returncode == 0 else ""
