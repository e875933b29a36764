"""Which commit the running code was built from, where that can be determined."""

import os
import shutil
import subprocess
from pathlib import Path

from onramp_app.config import PROJECT_DIR, Settings
from onramp_app.local.pages import PAGES_DIR, build_of, made_of

_SAID_BY_THE_BUILDER = "SOURCE_COMMIT"


def commit_here(project: Path = PROJECT_DIR) -> str:
    """Return the commit that is checked out, with `+changed` where tracked files differ from it.

    `SOURCE_COMMIT` takes precedence, because an image is built without the repository. Empty where unknown.
    """
    if given := os.environ.get(_SAID_BY_THE_BUILDER, "").strip():
        return given[:64]
    # A project folder inside some other repository is not a checkout of this one.
    if not (project / ".git").exists() or (git := shutil.which("git")) is None:
        return ""
    head = _said(git, project, "rev-parse", "HEAD")
    is_changed = bool(head and _said(git, project, "status", "--porcelain", "--untracked-files=no"))
    return f"{head}+changed" if is_changed else head


def running_commit(settings: Settings, *, pages: Path = PAGES_DIR, project: Path = PROJECT_DIR) -> str:
    """Return the commit of the running code: the one recorded with its built pages, or `commit_here`."""
    build = build_of(made_of(settings, project), pages)
    return (build.commit if build else "") or commit_here(project)


def _said(git: str, project: Path, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - a command of ours  # nosec B603
        # The user who builds need not own the checkout, and git refuses to read one of another owner.
        [git, "-c", f"safe.directory={project}", *arguments],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    return done.stdout.strip() if done.returncode == 0 else ""
