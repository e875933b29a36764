"""The lock file that production installs from: it has the requirements' versions and each file's hash."""

import re
from pathlib import Path

_PIN = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==(\S+)( ;)?")


def _pins(path: Path, *, everywhere: bool = False) -> dict[str, str]:
    """Return name → version; with `everywhere`, without the pins that only some platforms need."""
    found = (_PIN.match(line) for line in path.read_text().splitlines())
    return {
        re.sub(r"[-_.]+", "-", pin[1]).lower(): pin[2] for pin in found if pin and not (everywhere and pin[3])
    }


def test_the_lock_holds_every_requirement_at_its_version(project_dir):
    lock = _pins(project_dir / "requirements.lock")
    required = _pins(project_dir / "requirements.txt")
    known = required | _pins(project_dir / "constraints.txt")

    assert required
    assert {name: lock.get(name) for name in required} == required
    lock = _pins(project_dir / "requirements.lock", everywhere=True)
    assert {name: version for name, version in lock.items() if known.get(name) != version} == {}


def test_every_entry_of_the_lock_has_hashes_and_names_no_index(project_dir):
    text = (project_dir / "requirements.lock").read_text()
    entries = re.split(r"\n(?=[A-Za-z])", text)

    assert len(entries) == len(_pins(project_dir / "requirements.lock"))
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert not re.search(r"://|--(extra-)?index-url|--find-links", text)
