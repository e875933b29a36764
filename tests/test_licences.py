"""The list of licences holds every pinned package at its pinned version, and none without a licence."""

import re

import pytest

from tests import licences

_ROW = re.compile(r"^\| (\S+) \| (\S+) \| (.+) \|$", re.MULTILINE)


def _listed() -> dict[tuple[str, str], str]:
    rows = _ROW.findall(licences.LIST.read_text())
    return {(name, version): licence for name, version, licence in rows if name != "package"}


def _pinned() -> set[tuple[str, str]]:
    files = ("requirements.txt", "requirements-dev.txt", "constraints.txt")
    python = {pin for file in files for pin in licences.pinned(file).values()}
    return python | {(package.name, package.version) for package in licences.npm_packages()}


def test_the_list_is_that_of_the_pinned_versions() -> None:
    missing, superfluous = _pinned() - set(_listed()), set(_listed()) - _pinned()
    assert (missing, superfluous) == (set(), set()), "run: python tests/licences.py"


def test_every_package_has_a_licence() -> None:
    assert [row for row, licence in _listed().items() if "not " in licence] == []


@pytest.mark.parametrize(
    "name", ["reflex", "pytest", "react", "@emotion/react", "constraints-only: starlette"]
)
def test_the_list_holds_what_is_known_to_be_there(name: str) -> None:
    """The control: direct and transitive packages of Python and npm are found at all."""
    assert name.rpartition(" ")[2] in {listed for listed, _ in _listed()}
