"""Builds the pages: in a clean work folder, without secrets, and beside the builds that are there."""

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

KEPT_BUILDS = 2  # the one that runs, and the next
# Names that are a digest of the content. A page of the release before asks for them while it stays open.
_HASHED = re.compile(r"assets/.+-[A-Za-z0-9_-]{8}\.[a-z0-9]+(\.br|\.gz)?")
# What spares the installation of the packages. All else in the work folder may be of other code.
_PACKAGES = {"node_modules", "package.json", "package-lock.json", "reflex.install_frontend_packages.cached"}
_LOCK = "onramp_app.lock"
_READ_BY_THE_SERVER = ("backend/stateful_pages.json", "backend/bundled_libraries.json")
# Production insists on these, and no page shows them: made up where the settings are not complete.
_MADE_UP = {
    "PUBLIC_URL": "https://pages.wallet.net",
    "DATABASE_URL": "postgresql://pages@127.0.0.1/pages",
    "ONRAMP_APP_ID": "1000",
    "SMTP_URL": "smtp://pages.wallet.net",
    "MAIL_FROM": "pages@wallet.net",
}
_MADE_UP_SECRETS = ("SECRET_KEY", "ONRAMP_API_KEY", "ONRAMP_API_SECRET")


def build_pages(folder: Path = PAGES_DIR, *, previous: Path | None = None) -> tuple[Build, bool]:
    """Build the pages, unless they are built.

    Args:
        folder: where builds lie, each in a folder of its own.
        previous: the folder of the builds of the release before, where that is another: its newest pages may
            still be open, so their files stay served.

    Returns:
        The build, and whether it was made now.

    Raises:
        StartFailed: a folder cannot be written to, somebody else builds, or Reflex or Node refuse (what they
            say went to standard error).
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
    """Add to a build the hashed files of the newest of the older ones, but none that this one had kept."""
    for before in older[:1]:
        for name in before.files:
            source, target = before.place / CLIENT / name, build.place / CLIENT / name
            if source.exists() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)


def remove_outdated(folder: Path) -> None:
    """Remove all builds but the newest ones."""
    for outdated in builds(folder)[KEPT_BUILDS:]:
        shutil.rmtree(outdated.place)


def settings_for_pages() -> tuple[Settings, dict[str, str]]:
    """Return settings to build with, and the variables that they need beside those that are set.

    A build in production needs what the pages show (`APP_ENV`, `APP_NAME`, `ASSETS`, `SUPPORT_EMAIL`,
    `PROVIDER_NAME`, `TERMS_URL`, `PRIVACY_URL`) and no secret.

    Raises:
        ConfigurationError: one of those is missing or unusable.
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
    """Return all networks that may be offered: those of the default, and those that ASSETS names."""
    networks = set(Settings.model_fields["treasury_addresses"].default)
    with contextlib.suppress(ValueError, AttributeError, TypeError):  # the settings say what is wrong with it
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
    """Have the work folder alone."""
    _make(_work_folder())
    lock = FolderLock(_work_folder() / _LOCK)
    try:
        if not lock.try_acquire():
            raise StartFailed(f"The pages are being built by process {lock.holder}.")
        yield
    finally:
        lock.release()


def _path() -> str:
    # The environment that Node was installed into need not be an active one.
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def can_build() -> bool:
    """Return whether Node is here."""
    return shutil.which("node", path=_path()) is not None


def _work_folder() -> Path:
    return PROJECT_DIR / (os.environ.get("REFLEX_WEB_WORKDIR") or ".web")


def _export(environment: dict[str, str]) -> None:
    """Have Reflex and Node build, from nothing but the code."""
    work = _work_folder()
    for rest in work.iterdir():
        if rest.name not in {*_PACKAGES, _LOCK}:
            shutil.rmtree(rest) if rest.is_dir() and not rest.is_symlink() else rest.unlink()
    done = subprocess.run(  # nosec B603 -- a command of ours
        [sys.executable, "-m", "reflex", "export", "--frontend-only", "--no-zip"],
        cwd=PROJECT_DIR,
        env={**os.environ, **environment, "PATH": _path()},
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),  # the output of a command is its answer
        check=False,
    )
    if done.returncode:
        raise StartFailed("The pages could not be built; what stands above says why.")


def _collect(new: Path) -> None:
    """Copy what is served, and what Reflex reads when it serves, and nothing that says when it was made."""
    shutil.copytree(_work_folder() / CLIENT, new / CLIENT)
    for name in _READ_BY_THE_SERVER:
        (new / name).parent.mkdir(exist_ok=True)
        shutil.copy(_work_folder() / name, new / name)
    (new / "reflex.json").write_text(f'{{"version": "{version("reflex")}"}}')


def _hashed_in(place: Path) -> Iterator[str]:
    client = place / CLIENT
    names = (path.relative_to(client).as_posix() for path in client.rglob("*"))
    return (name for name in names if _HASHED.fullmatch(name))
