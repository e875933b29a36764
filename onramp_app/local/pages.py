"""The builds of the pages: what each was made of, and whether it matches this code and these settings.

Browsers cache a file for ever under its name, and two instances behind a proxy serve one site. So a build
depends on the code and on the settings that the pages show, and not on the date, the folder, the machine or
the port. Each build has its own folder, named after what it was made of: a running instance keeps its pages
while those of the next release are built beside them.

In development Reflex compiles the pages into one folder, and a note there records what they were made of.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from onramp_app.config import PROJECT_DIR, Settings

PAGES_DIR = PROJECT_DIR / ".pages"
CLIENT = Path("build", "client")  # where Reflex looks for files to serve
_RECORD = "made-of.json"
_NOTE, _BEGUN_WITH = "compiled-of", "ONRAMP_PAGES_BEGUN_WITH"
_SOURCES = ("onramp_app/**/*.py", "onramp_app/locale/**/*", "assets/**/*", "reflex.lock/*", "rxconfig.py")
_NO_SOURCES = ("onramp_app/simulator/", "assets/external/")


@dataclass(frozen=True)
class Made:
    """What pages are made of: the inputs that decide whether a build can be reused.

    Attributes:
        code: a digest of the code, the assets and the locked packages.
        settings: the settings that the pages show, by the name of the variable that sets each.
    """

    code: str
    settings: Mapping[str, str]

    @property
    def name(self) -> str:
        """The name of the folder for pages built from these inputs."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    def differs_in(self, other: "Made") -> str:
        """Return in words how the inputs of `other` differ."""
        if self.code != other.code:
            return "of other code"
        names = [name for name, value in self.settings.items() if value != other.settings.get(name)]
        return f"with another {' and '.join(names)}"


def made_of(settings: Settings, project: Path = PROJECT_DIR) -> Made:
    """Return what pages built now would be made of."""
    digest = hashlib.sha256(f"reflex {version('reflex')}\n".encode())
    for name, path in sorted(_sources(project)):
        digest.update(f"{name} {hashlib.sha256(_content(path)).hexdigest()}\n".encode())
    return Made(digest.hexdigest(), shown_settings(settings))


def _sources(project: Path) -> Iterator[tuple[str, Path]]:
    for pattern in _SOURCES:
        for path in project.glob(pattern):
            name = path.relative_to(project).as_posix()
            if path.is_file() and not name.startswith(_NO_SOURCES) and "__pycache__" not in name:
                yield name, path


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if path.name != "package-lock.json":
        return content
    # A build makes npm record where it downloaded each package from, which says nothing about its content.
    lock = json.loads(content)
    for package in lock.get("packages", {}).values():
        package.pop("resolved", None)
    return json.dumps(lock, sort_keys=True).encode()


def shown_settings(settings: Settings) -> dict[str, str]:
    """Return the settings that are compiled into the pages; all others are read when a page is served."""
    return {
        "APP_ENV": "real money" if settings.is_production else "simulated money",
        "PUBLIC_URL": "this machine" if settings.is_on_this_machine else "a host",
        "APP_NAME": settings.app_name,
        "PROVIDER_NAME": settings.provider_name,
        "ASSETS": " ".join(sorted(settings.assets)),
        "SUPPORT_EMAIL": settings.support_email or "",
        "TERMS_URL": str(settings.terms_url or ""),
        "PRIVACY_URL": str(settings.privacy_url or ""),
    }


@dataclass(frozen=True)
class Build:
    """A complete build.

    Attributes:
        place: its folder, which Reflex uses as its work folder.
        made: what its pages are made of.
        files: its files with a digest in their names, without those carried over from the previous build.
        commit: the commit that it was built from; empty where that was unknown.
    """

    place: Path
    made: Made
    files: tuple[str, ...]
    commit: str = ""

    def finish(self) -> None:
        """Write the record of what the pages are made of. A folder without a record is not a build."""
        record = {"made": asdict(self.made), "files": self.files, "commit": self.commit}
        (self.place / _RECORD).write_text(json.dumps(record, indent=1, sort_keys=True))

    def moved_to(self, folder: Path) -> "Build":
        """Move the build into the folder of builds, in one step; return it with its new place."""
        place = folder / self.made.name
        shutil.rmtree(place, ignore_errors=True)  # it has no record, so it is not a build
        return replace(self, place=self.place.rename(place))


def builds(folder: Path = PAGES_DIR) -> list[Build]:
    """Return the builds in `folder`, the newest first."""
    places = folder.iterdir() if folder.is_dir() else ()
    found = [build for place in places if (build := _read(place)) is not None]
    return sorted(found, key=lambda build: (build.place / _RECORD).stat().st_mtime_ns, reverse=True)


def build_of(made: Made, folder: Path = PAGES_DIR) -> Build | None:
    """Return the build made of exactly these inputs, or None where there is none yet."""
    return _read(folder / made.name)


def why_missing(made: Made, folder: Path = PAGES_DIR) -> str:
    """Return a sentence on why no build matches these inputs: there is none, or how the newest differs."""
    there = builds(folder)
    if not there:
        return f"There are no built pages in {folder}."
    return f"The pages in {folder} were built {made.differs_in(there[0].made)}."


def _read(place: Path) -> Build | None:
    try:
        record = json.loads((place / _RECORD).read_text())
        return Build(place, Made(**record["made"]), tuple(record["files"]), record.get("commit", ""))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def reuse_compiled(web: Path, made: Made) -> None:
    """Make Reflex skip compiling at this start if the pages in its folder `web` match these inputs.

    Reflex tells its own workers to skip by the file `nocompile`, which the first process that would compile
    removes. A start that ended at once may have left that file behind, and the next start would show outdated
    pages; so it is removed first.
    """
    os.environ[_BEGUN_WITH] = made.name
    no_compile, note = web / "nocompile", web / _NOTE
    no_compile.unlink(missing_ok=True)
    if (web / "node_modules").is_dir() and note.is_file() and note.read_text() == made.name:
        no_compile.touch()


def note_compiled(web: Path, made: Callable[[], Made]) -> None:
    """Record what the pages in `web` are made of, unless the code has changed since the start.

    A change made while Reflex compiles is in the code that runs afterwards, but not in the pages. `made`
    reads all sources, so it is called only where `reuse_compiled` was called before.
    """
    begun_with = os.environ.get(_BEGUN_WITH)
    if begun_with and made().name == begun_with:
        (web / _NOTE).write_text(begun_with)


def forget_compiled(web: Path) -> None:
    """Delete the note of what the pages in `web` are made of, because they are about to change."""
    (web / _NOTE).unlink(missing_ok=True)


# In Reflex 0.10.1, the file that `state.js` imports for the version also holds the time of the run, and a
# page on plain HTTP opens its socket at the port of the build.
_STATE_JS = (
    ('import reflexEnvironment from "$/reflex.json";', 'const reflexEnvironment = { version: "VERSION" };'),
    (
        "    const frontend_hostname = window.location.hostname;\n",
        "    const frontend_hostname = window.location.hostname;\n"
        '    if (env.ORIGIN === "of the page") endpoint.port = window.location.port;\n',
    ),
    ('      endpoint.port = "";', '      if (env.ORIGIN !== "of the page") endpoint.port = "";'),
)


def without_time_and_port(state_js: str) -> str:
    """Return Reflex's `state.js` without the time and the port, which differ from build to build.

    Raises:
        AssertionError: this Reflex has a different `state.js`.
    """
    return changed(state_js, [(old, new.replace("VERSION", version("reflex"))) for old, new in _STATE_JS])


def changed(state_js: str, changes: Iterable[tuple[str, str]]) -> str:
    """Return Reflex's `state.js` with each old text replaced by its new one, where that is not done yet.

    Raises:
        AssertionError: this Reflex has a different `state.js`.
    """
    for old, new in changes:
        if new not in state_js:
            if state_js.count(old) != 1:
                raise AssertionError(f"Reflex's state.js no longer holds {old!r} once.")
            state_js = state_js.replace(old, new)
    return state_js


def serve(build: Build, *, reflex_build: ModuleType, reflex_dir: Path) -> None:
    """Make Reflex, in this process and its workers, serve an existing build instead of making one.

    Args:
        build: the pages.
        reflex_build: the module `reflex.utils.build`, with which Reflex builds at each start in production.
            It has no setting for serving existing pages: `--backend-only` neither builds nor serves any.
        reflex_dir: where Reflex keeps files in the home folder. Where it is missing, the build's own folder
            takes its place; otherwise Reflex would download packages, as at a first start.
    """
    os.environ["REFLEX_WEB_WORKDIR"] = str(build.place)
    os.environ["__REFLEX_SKIP_COMPILE"] = "true"
    if not reflex_dir.is_dir():
        os.environ["REFLEX_DIR"] = str(build.place)
    reflex_build.setup_frontend_prod = lambda root: None  # type: ignore[attr-defined]
