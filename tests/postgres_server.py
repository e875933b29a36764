"""A PostgreSQL of one test's own, that can stop in the middle."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from onramp_app.local import postgres
from onramp_app.local.postgres import LocalPostgres
from tests.simulator.process import free_port


class PostgresServer:
    """A real server on a loopback port, the same one after each start; slower where it is to be durable."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, *, durable: bool = False) -> None:
        port = free_port()
        patch.setattr(postgres, "_free_port", lambda: port)
        self._folder = folder
        self._settings = {} if durable else {"fsync": "off"}
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
