"""Finds and runs `pg_dump` and `pg_restore`.

Both come with the embedded PostgreSQL; the system's are used where their version fits better. The password is
passed in the environment, never in the arguments, which everybody on the machine can read.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from onramp_app.backup.errors import BackupRefused
from onramp_app.domain.progress import report
from onramp_app.local.environment import program_environment
from onramp_app.local.postgres import embedded_programs
from onramp_app.local.processes import keep

_SYSTEM = Path("/usr/lib/postgresql")  # where Debian installs each version in its own folder
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_LOOK_EVERY_SECONDS = 0.1
# `pg_restore` always sets a parameter that servers older than this version do not know.
_TIMEOUT_PARAMETER_SINCE = 17
_UNKNOWN_PARAMETER = "SET transaction_timeout = 0;"
# The variables that libpq reads besides the address: how to verify the server, and the login.
_LIBPQ = re.compile(r"HOME|PGSSL\w+|PGPASSFILE|PGPASSWORD|PGKRBSRVNAME")


@dataclass(frozen=True, slots=True)
class Program:
    """One installed program, with the major version of its PostgreSQL."""

    path: Path
    major: int


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended: its exit status, and all of its output."""

    status: int
    output: str


def find(name: str, folder: Path | None) -> list[Program]:
    """Return all programs of that name that can be run here, or only the one in `folder`.

    Raises:
        BackupRefused: there is no such program.
    """
    folders: list[Path] = [folder] if folder is not None else list(_folders(name))
    found = [
        Program(path, major)
        for path in dict.fromkeys(one.absolute() / name for one in folders)
        if (major := _major(path)) is not None
    ]
    if not found:
        where = f"in {folder}" if folder is not None else "here"
        raise BackupRefused(
            f"There is no {name} {where} that runs: install the client programs of PostgreSQL, or name their"
            " folder by --programs."
        )
    return found


def _folders(name: str) -> Iterable[Path]:
    if (embedded := embedded_programs()) is not None:
        yield embedded
    if on_path := shutil.which(name):
        yield Path(on_path).parent
    yield from sorted(_SYSTEM.glob("*/bin"))


def _major(path: Path) -> int | None:
    try:
        done = subprocess.run(  # noqa: S603 -- the operator's own program  # nosec B603
            [path, "--version"],
            env=_environment(None),
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(done.stdout)
    return int(found[1]) if done.returncode == 0 and found else None


def dumper(found: Sequence[Program], server: int) -> Program:
    """Return the program to dump a server of this major version: of the same version, or the next later one.

    Raises:
        BackupRefused: all programs are older than the server, which `pg_dump` does not support.
    """
    usable = [one for one in found if one.major >= server]
    if not usable:
        newest = max(one.major for one in found)
        raise BackupRefused(
            f"The server is PostgreSQL {server}, and the newest pg_dump here is of version {newest}: install"
            f" the client programs of PostgreSQL {server} or later, or name their folder by --programs."
        )
    return min(usable, key=lambda one: one.major)


def restorer(found: Sequence[Program], *, dumped_by: int, server: int) -> Program:
    """Return the program that can read a dump of version `dumped_by` and best fits the server's version.

    Raises:
        BackupRefused: all programs are older than the one that wrote the file.
    """
    usable = [one for one in found if one.major >= dumped_by]
    if not usable:
        newest = max(one.major for one in found)
        raise BackupRefused(
            f"The backup was written by pg_dump {dumped_by}, and the newest pg_restore here is of version"
            f" {newest}: install the client programs of PostgreSQL {dumped_by} or later, or name their folder"
            " by --programs."
        )
    return min(usable, key=lambda one: abs(one.major - server))


def address_without_password(url: str) -> tuple[str, str | None]:
    """Return a database's address as an argument without secrets, and the password or None.

    Raises:
        BackupRefused: the address holds a secret that could only be passed as an argument.
    """
    parts = {name: str(value) for name, value in conninfo_to_dict(url).items() if value is not None}
    password = parts.pop("password", None)
    if "sslpassword" in parts:
        raise BackupRefused(
            "The database's address holds sslpassword, which would show in the list of processes: use a key"
            " without a passphrase for backups."
        )
    parts["application_name"] = "onramp_app backup"
    return make_conninfo("", **parts), password


def _environment(password: str | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if _LIBPQ.fullmatch(name)}
    own: Mapping[str, str] = {} if password is None else {"PGPASSWORD": password}
    return {**program_environment(), **kept, **own, "LC_ALL": "C"}


async def run(program: Program, options: Sequence[str], *, password: str | None, told: "Told") -> Ended:
    """Run a program to its end; it is stopped when this process or this task ends before.

    Args:
        program: the program to run.
        options: its arguments, with absolute paths and without secrets.
        password: the database's password; None if the environment has it.
        told: makes the progress report meanwhile.
    """
    with tempfile.TemporaryFile() as log:
        kept = keep(
            [str(program.path), *options], stop_signal=signal.SIGINT, log=log, env=_environment(password)
        )
        try:
            while not kept.has_ended:
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
                report(told.so_far(log.fileno()))
            status = await asyncio.to_thread(kept.wait)
        finally:
            await asyncio.shield(asyncio.to_thread(kept.stop))
        log.seek(0)
        return Ended(status, log.read().decode(errors="replace"))


class Told:
    """The progress report while a program runs: a fixed text."""

    def __init__(self, what: str) -> None:
        self._what = what

    def so_far(self, _: int) -> str:
        """Return the progress; the argument is the descriptor of the file with the program's output."""
        return self._what


class Growing(Told):
    """Reports the size of a file that grows."""

    def __init__(self, what: str, path: Path) -> None:
        super().__init__(what)
        self._path = path

    def so_far(self, _: int) -> str:
        """Return the text with the file's size in megabytes."""
        return f"{self._what}, {self._path.stat().st_size / 1_000_000:,.1f} MB written"


class Counting(Told):
    """Reports how many of `total` items `pg_restore --verbose` has finished."""

    def __init__(self, what: str, total: int) -> None:
        super().__init__(what)
        self._total = total
        self._read, self._done = 0, 0

    def so_far(self, log: int) -> str:
        """Return the text with the number of finished items; reads only new output."""
        said = os.pread(log, 1 << 20, self._read)
        whole = said[: said.rfind(b"\n") + 1]
        self._read += len(whole)
        self._done += whole.count(b"finished item")
        return f"{self._what}, {self._done} of {self._total} parts"


def last_words(ended: Ended) -> str:
    """Return the line of a program's output that says why it failed."""
    lines = [line for line in ended.output.splitlines() if line.strip()]
    return next(
        (line for line in lines if "error:" in line), lines[-1] if lines else "it said nothing"
    ).strip()


def complaints(ended: Ended, *, server: int) -> list[str]:
    """Return the errors of `pg_restore`, except for the parameter that an older server does not know."""
    errors = [line for line in ended.output.splitlines() if "pg_restore: error:" in line]
    commands = [line for line in ended.output.splitlines() if line.startswith("Command was: ")]
    is_harmless = server < _TIMEOUT_PARAMETER_SINCE and all(_UNKNOWN_PARAMETER in line for line in commands)
    if is_harmless and ended.status == 1 and 0 < len(errors) == len(commands):
        return []
    return errors or ([] if ended.status == 0 else [last_words(ended)])
