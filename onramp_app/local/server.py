"""Limits of the web server under the application, set before it starts: time-outs and connections.

Reflex passes none of these settings to Granian. Granian 2.8.7 without them (measured) holds a silent
connection for ever where HTTP/2 is enabled too, and trickled headers for 30 seconds; and it stops accepting
connections once it holds 1,024 or runs out of file descriptors.
"""

import contextlib
import os
import resource
import signal
import time
from typing import Any

from granian import server
from granian.constants import HTTPModes
from granian.http import HTTP1Settings

HEADER_SECONDS = 10
MAX_FILES = 65_536
MAX_CONNECTIONS = 16_384
# Supervisors commonly wait ten seconds after SIGTERM, and then send SIGKILL.
KILL_SECONDS = 9
REQUEST_SECONDS = 6.5  # from the signal on, for open requests; the rest is for leases and connections
CLOSING_SECONDS = 0.5  # from the signal on, to notify open sockets; connections are still accepted meanwhile
END_SOON = signal.SIGUSR1
RESERVED_FILES = 256  # for the database, Redis, the provider, and the process's own files


def raise_open_files() -> int:
    """Raise the limit on open files as high as allowed (up to `MAX_FILES`), for children too; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # macOS enforces a lower limit
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return open_files()


def open_files() -> int:
    """Return how many files this process may open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_FILES if soft == resource.RLIM_INFINITY else soft


def max_connections() -> int:
    """Return how many connections may be open at a time, leaving `RESERVED_FILES` for everything else."""
    return max(64, min(open_files() - RESERVED_FILES, MAX_CONNECTIONS))


class _Limited(server.Server):  # type: ignore[misc, valid-type]  # which class depends on the platform
    """Granian as Reflex starts it, with limits.

    HTTP/1 only, which is what proxies speak to their upstreams: only with HTTP/1 does a connection have a
    deadline from its first moment. An idle connection has the same deadline.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(
            *args,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(header_read_timeout=HEADER_SECONDS * 1000),
            backpressure=max_connections(),
            **{"workers_kill_timeout": KILL_SECONDS, **settings},
        )

    def startup(self, *args: Any) -> None:
        # Workers inherit this: one without a handler yet would die of the signal, even in mid-migration.
        signal.signal(END_SOON, signal.SIG_IGN)
        super().startup(*args)

    def _stop_workers(self) -> None:
        # Sent first, because the server itself notifies neither its sockets nor the application.
        for worker in self.wrks:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.inner.pid, END_SOON)
        time.sleep(CLOSING_SECONDS)
        super()._stop_workers()


def limit_the_server() -> None:
    """Make Reflex start the server with these limits; call this before Reflex starts it."""
    raise_open_files()
    server.Server = _Limited
