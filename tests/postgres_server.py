"""A PostgreSQL of one test's own, that can stop in the middle."""

from pathlib import Path

import pytest

from onramp_app.local import postgres
from onramp_app.local.postgres import LocalPostgres
from tests.simulator.process import free_port


class PostgresServer:
    """A real server on a loopback port, the same one after each start."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        port = free_port()
        patch.setattr(postgres, "_free_port", lambda: port)
        self._folder = folder
        self._running: LocalPostgres | None = None
        self.url = ""

    def start(self) -> None:
        self._running = postgres.start(self._folder, settings={"fsync": "off"})
        self.url = self._running.url

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None
