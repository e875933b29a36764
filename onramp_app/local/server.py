"""Limits of the web server below the application, set before it starts: time-outs and connections.

Reflex hands Granian none of its settings. Granian 2.8.7 without them (measured) holds a connection that says
nothing for ever, where it speaks HTTP/2 too, and trickled headers for 30 seconds; and it accepts nobody any
more once 1,024 connections are held or no file is left.
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
# Those who end processes commonly wait ten seconds, and then do it the hard way.
KILL_SECONDS = 9
REQUEST_SECONDS = 6.5  # from the signal on, for what is open; what is left is for leases and connections
CLOSING_SECONDS = 0.5  # from the signal on, for the sockets to be told; meanwhile connections are accepted
END_SOON = signal.SIGUSR1
RESERVED_FILES = 256  # for the database, Redis, the provider, and what the process itself has open


def raise_open_files() -> int:
    """Raise the limit on open files to the highest allowed, also for children; return the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # macOS has a smaller limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return open_files()


def open_files() -> int:
    """Return how many files this process may open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_FILES if soft == resource.RLIM_INFINITY else soft


def max_connections() -> int:
    """Return how many connections are accepted at a time; the files for everything else stay free."""
    return max(64, min(open_files() - RESERVED_FILES, MAX_CONNECTIONS))


class _Limited(server.Server):  # type: ignore[misc, valid-type]  # which class depends on the platform
    """Granian as Reflex starts it, with limits.

    HTTP/1 only, as proxies speak to what lies behind them: only there a connection has a deadline from its
    first moment. It is the deadline of an idle connection, too.
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
        # Inherited: a worker that has not begun to listen would die of it, in the middle of a migration too.
        signal.signal(END_SOON, signal.SIG_IGN)
        super().startup(*args)

    def _stop_workers(self) -> None:
        # Said first, because the server itself tells neither its sockets nor the application.
        for worker in self.wrks:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.inner.pid, END_SOON)
        time.sleep(CLOSING_SECONDS)
        super()._stop_workers()


def limit_the_server() -> None:
    """Have Reflex start the server with these limits; call it before Reflex does."""
    raise_open_files()
    server.Server = _Limited
