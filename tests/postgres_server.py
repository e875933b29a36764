"""A PostgreSQL server for a single test, which can be stopped or crashed midway."""

import contextlib
import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from onramp_app.local import postgres
from onramp_app.local.postgres import LocalPostgres
from tests.ports import free_port


class PostgresServer:
    """A real server that keeps its loopback port across restarts; with `durable` it fsyncs, and is slower."""

    def __init__(
        self,
        folder: Path,
        patch: pytest.MonkeyPatch,
        *,
        durable: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        port = free_port()
        patch.setattr(postgres, "_free_port", lambda: port)
        self._folder = folder
        self._settings = ({} if durable else {"fsync": "off"}) | dict(settings or {})
        self._running: LocalPostgres | None = None
        self.url = self.superuser_url = ""

    def start(self) -> None:
        self._running = postgres.start(self._folder, settings=self._settings)
        self.url = self._running.url
        superuser = urlsplit(self._running.superuser_url)
        self.superuser_url = superuser._replace(path=urlsplit(self.url).path).geturl()

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None

    def crash(self) -> None:
        """Kill every process of the server at once: whatever is only in memory is lost."""
        if self._running is not None:
            server = int((self._folder / "postgres" / "cluster" / "postmaster.pid").read_text().split()[0])
            with contextlib.suppress(ProcessLookupError):
                os.kill(server, signal.SIGSTOP)  # Otherwise it would restart the processes that die.
                for process in (*_children(server), server):
                    os.kill(process, signal.SIGKILL)
        self.stop()


def _children(parent: int) -> Iterator[int]:
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The state and the parent's id come after the name, which may hold any characters.
            if int(status.read_text().rpartition(")")[2].split()[1]) == parent:
                yield int(status.parent.name)
