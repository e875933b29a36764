"""Builds the pages in a clean work folder, without secrets, beside the builds that already exist."""

import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from onramp_app.config import PROJECT_DIR, ConfigurationError, Settings, load_settings
from onramp_app.local.environment import check_folder, check_home
from onramp_app.local.pages import CLIENT, PAGES_DIR, Build, build_of, builds, made_of
from onramp_app.local.processes import FolderLock, StartFailed
from onramp_app.local.release import commit_here

KEPT_BUILDS = 2  # the running build and the next one
# Files named by a digest of their content. A page of the previous release requests them while it stays open.
_HASHED = re.compile(r"assets/.+-[A-Za-z0-9_-]{8}\.[a-z0-9]+(\.br|\.gz)?")
# Kept, so that the packages need not be installed again. The rest of the work folder may come from other
# code.
_PACKAGES = {"node_modules", "package.json", "package-lock.json", "reflex.install_frontend_packages.cached"}
_LOCK = "onramp_app.lock"
_READ_BY_THE_SERVER = ("backend/stateful_pages.json", "backend/bundled_libraries.json")
# Production requires these and no page shows them, so an incomplete configuration builds with placeholders.
_MADE_UP = {
    "PUBLIC_URL": "https://pages.wallet.net",
    "DATABASE_URL": "postgresql://pages@127.0.0.1/pages",
    "ONRAMP_APP_ID": "1000",
    "SMTP_URL": "smtp://pages.wallet.net",
    "MAIL_FROM": "pages@wallet.net",
}
_MADE_UP_SECRETS = ("SECRET_KEY", "ONRAMP_API_KEY", "ONRAMP_API_SECRET")


def build_pages(folder: Path = PAGES_DIR, *, previous: Path | None = None) -> tuple[Build, bool]:
    """Build the pages, unless a build of this code and these settings exists.

    Args:
        folder: where the builds are kept, each in its own folder.
        previous: the folder with the builds of the previous release, where it is another one: its newest
            pages may still be open, so their files are still served.

    Returns:
        The build, and whether it was made by this call.

    Raises:
        StartFailed: a folder is not writable, another process is building, or Reflex or Node failed (their
            output went to standard error).
        ConfigurationError: a setting that the pages show is missing or unusable.
    """
    settings, environment = settings_for_pages()
    made = made_of(settings)
    older = [one for one in builds(previous or folder) if one.made != made]
    build = build_of(made, folder)
    is_new = build is None
    if build is None:
        check_home()
        check_folder(PROJECT_DIR)
        _make(folder)
        with _alone(), tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as temporary:
            new = Path(temporary) / made.name
            _export(environment)
            _collect(new)
            build = Build(new, made, tuple(sorted(_hashed_in(new))), commit_here())
            keep_files(older, build)
            build.finish()
            build = build.moved_to(folder)
    else:
        keep_files(older, build)
    remove_outdated(folder)
    return build, is_new


def keep_files(older: list[Build], build: Build) -> None:
    """Copy the hashed files of the newest older build into a build, except those it had itself kept."""
    for before in older[:1]:
        for name in before.files:
            source, target = before.place / CLIENT / name, build.place / CLIENT / name
            if source.exists() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)


def remove_outdated(folder: Path) -> None:
    """Remove all but the newest `KEPT_BUILDS` builds."""
    for outdated in builds(folder)[KEPT_BUILDS:]:
        shutil.rmtree(outdated.place)


def settings_for_pages() -> tuple[Settings, dict[str, str]]:
    """Return the settings to build with, and the placeholder variables to set in addition to the environment.

    A production build needs only the settings that the pages show (`APP_ENV`, `APP_NAME`, `ASSETS`,
    `SUPPORT_EMAIL`, `PROVIDER_NAME`, `TERMS_URL`, `PRIVACY_URL`), and no secret.

    Raises:
        ConfigurationError: one of these settings is missing or unusable.
    """
    try:
        return load_settings(), {}
    except ConfigurationError:
        made_up = _MADE_UP | {name: secrets.token_hex(32) for name in _MADE_UP_SECRETS}
        addresses = {name: [{"address": f"0x{secrets.token_hex(20)}"}] for name in _offered_networks()}
        made_up["TREASURY_ADDRESSES"] = os.environ.get("TREASURY_ADDRESSES") or json.dumps(addresses)
        given: dict[str, Any] = {name.lower(): value for name, value in made_up.items()}
        return load_settings(**given), made_up


def _offered_networks() -> set[str]:
    """Return every network that may be offered: the default ones, and those named in ASSETS."""
    networks = set(Settings.model_fields["treasury_addresses"].default)
    with contextlib.suppress(ValueError, AttributeError, TypeError):  # loading the settings reports the error
        offered = json.loads(os.environ.get("ASSETS") or "{}")
        networks |= {name for names in offered.values() for name in names}
    return networks


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartFailed(f"The folder {folder} cannot be used ({error.strerror}).") from None
    if not os.access(folder, os.W_OK):
        raise StartFailed(f"The folder {folder} cannot be written to.")


@contextmanager
def _alone() -> Iterator[None]:
    """Lock the work folder, so that only this process builds in it."""
    _make(_work_folder())
    lock = FolderLock(_work_folder() / _LOCK)
    try:
        if not lock.try_acquire():
            raise StartFailed(f"The pages are being built by process {lock.holder}.")
        yield
    finally:
        lock.release()


def _path() -> str:
    # Node may be installed in this Python environment without the environment being activated.
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def can_build() -> bool:
    """Return whether Node is installed."""
    return shutil.which("node", path=_path()) is not None


def _work_folder() -> Path:
    return PROJECT_DIR / (os.environ.get("REFLEX_WEB_WORKDIR") or ".web")


def _export(environment: dict[str, str]) -> None:
    """Run Reflex's export in an emptied work folder, so that the build comes from nothing but the code."""
    work = _work_folder()
    for rest in work.iterdir():
        if rest.name not in {*_PACKAGES, _LOCK}:
            shutil.rmtree(rest) if rest.is_dir() and not rest.is_symlink() else rest.unlink()
    done = subprocess.run(  # nosec B603 -- a command of ours
        [sys.executable, "-m", "reflex", "export", "--frontend-only", "--no-zip"],
        cwd=PROJECT_DIR,
        env={**os.environ, **environment, "PATH": _path()},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),  # standard output is reserved for our command's own result
        check=False,
    )
    if done.returncode:
        raise StartFailed("The pages could not be built; what stands above says why.")


def _collect(new: Path) -> None:
    """Copy the served files and those that Reflex reads while serving; nothing that holds the build time."""
    shutil.copytree(_work_folder() / CLIENT, new / CLIENT)
    for name in _READ_BY_THE_SERVER:
        (new / name).parent.mkdir(exist_ok=True)
        shutil.copy(_work_folder() / name, new / name)
    (new / "reflex.json").write_text(f'{{"version": "{version("reflex")}"}}')


def _hashed_in(place: Path) -> Iterator[str]:
    client = place / CLIENT
    names = (path.relative_to(client).as_posix() for path in client.rglob("*"))
    return (name for name in names if _HASHED.fullmatch(name))
