"""Child processes that end with this one, and file locks that only this process holds.

Everything here is safe across `fork`: the web server's workers are forks, and a copy of a pipe or lock in a
worker would keep a server alive, or a folder locked, after the application has ended.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from onramp_app.config import ConfigurationError
from onramp_app.local import keeper

_MINE: set[int] = set()  # file descriptors that a forked child must close


def _forget_in_fork() -> None:
    for descriptor in _MINE:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _MINE.clear()


os.register_at_fork(after_in_child=_forget_in_fork)


class StartFailed(ConfigurationError):
    """The application cannot start here and now; the text is one sentence that says why."""


class Kept:
    """A process that ends when this one ends, or at `stop`."""

    def __init__(self, order: Mapping[str, Any], *, log: IO[bytes] | None, env: Mapping[str, str]) -> None:
        self._owner = os.getpid()
        lock = order.get("lock")
        self._process = subprocess.Popen(  # noqa: S603 -- our own file and our own order  # nosec B603
            [sys.executable, "-I", "-S", keeper.__file__, json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=log or subprocess.DEVNULL,
            stderr=log or subprocess.DEVNULL,
            cwd=order.get("cwd", "/"),
            env=dict(env),
            pass_fds=() if lock is None else (lock,),
            # Ctrl-C reaches the whole foreground group; the database must outlive the application.
            start_new_session=True,
        )
        assert self._process.stdin is not None  # noqa: S101 -- asked for as a pipe above
        self.lifeline = self._process.stdin.fileno()
        _MINE.add(self.lifeline)

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended without being stopped."""
        return self._process.poll() is not None

    def wait(self) -> int:
        """Wait until the process has ended; return its exit status."""
        status = self._process.wait()
        self.stop()
        return status

    def stop(self) -> None:
        """End the process and wait for it. Does nothing in a fork, whose parent owns it."""
        if self._owner != os.getpid() or self._process.stdin is None:
            return
        _MINE.discard(self.lifeline)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()


def keep(  # noqa: PLR0913 -- a process has this many properties
    command: list[str],
    *,
    stop_signal: signal.Signals,
    log: IO[bytes],
    env: Mapping[str, str],
    account: tuple[int, int] | None = None,
    lock: "FolderLock | None" = None,
    opened: Sequence[Path] = (),
    removed: Path | None = None,
) -> Kept:
    """Start `command`; it gets `stop_signal` when this process ends, however it ends.

    Args:
        command: program and arguments, with absolute paths (it runs in `/`).
        stop_signal: the signal that shuts it down cleanly.
        log: where its output goes.
        env: its whole environment.
        account: user and group id to run as; only root may give one.
        lock: a lock that the server keeps holding until it has ended.
        opened: paths in `command` that the account may be unable to reach; it gets descriptors (Linux).
        removed: a folder to delete when the process has ended.
    """
    order = {
        "command": command,
        "stop_signal": int(stop_signal),
        "account": account,
        "lock": lock.descriptor if lock else None,
        "opened": [str(path) for path in opened],
        "removed": str(removed) if removed else None,
    }
    return Kept(order, log=log, env=env)


def sweep_at_end(marker: str) -> None:
    """End the processes that carry `marker` in their environment when this process ends or is told to."""
    kept = Kept({"marker": marker, "application": os.getpid()}, log=None, env={})
    os.set_blocking(kept.lifeline, False)
    # The interpreter writes to it at each handled signal, even if another handler is installed later.
    signal.set_wakeup_fd(kept.lifeline, warn_on_full_buffer=False)

    application = os.getpid()

    def part_from_parent() -> None:
        signal.set_wakeup_fd(-1)
        if os.getppid() == application:  # a web server's worker, which would otherwise keep holding the port
            keeper.die_with_parent(signal.SIGKILL)

    os.register_at_fork(after_in_child=part_from_parent)
    global _sweeper  # noqa: PLW0603 -- closing the pipe would end everything
    _sweeper = kept


_sweeper: Kept | None = None


def end_process_within(seconds: float) -> None:
    """End this process with status 1 after `seconds`, if it has not ended before.

    A thread that waits for the network keeps Python from exiting, and nothing can cancel it.
    """
    guard = threading.Timer(seconds, os._exit, [1])
    guard.daemon = True
    guard.start()


class FolderLock:
    """An exclusive lock on a file (flock(2)), held until all processes that share it released it or ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        _MINE.add(self.descriptor)

    def try_acquire(self) -> bool:
        """Take the lock if it is free and write this process's id to the file; return whether it was free."""
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, str(os.getpid()).encode(), 0)
        return True

    @property
    def holder(self) -> str:
        """The id of the process that took the lock last."""
        return os.pread(self.descriptor, 20, 0).decode()

    def release(self) -> None:
        """Close the file. The lock itself is free once a server that shares it has ended too."""
        _MINE.discard(self.descriptor)
        os.close(self.descriptor)
