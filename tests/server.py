"""The application as it is really served, without pages: one process, on a port of its own."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.simulator.process import free_port

PROJECT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Server:
    """A running application. `log` holds all that it has written."""

    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/_event/?EIO=4&transport=websocket&token=tab"


@contextlib.contextmanager
def serving(database: str, log: Path, **values: str) -> Iterator[Server]:
    """Serve the application on `database` with further environment variables."""
    server = Server(free_port(), log)
    environment = {
        **os.environ,
        "APP_ENV": "test",
        "DATABASE_URL": database,
        "SECRET_KEY": "k" * 48,
        "LOG_FORMAT": "json",
        "REFLEX_ENV_MODE": "prod",
        "__REFLEX_SKIP_COMPILE": "true",
        **values,
    }
    command = [Path(sys.executable).parent / "granian", "--interface", "asgi", "--factory"]
    with log.open("w") as output:
        running = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(server.port), "onramp_app.onramp_app:app"],
            cwd=PROJECT,
            env=environment,
            stdout=output,
            stderr=output,
        )
        try:
            deadline = time.monotonic() + 60
            while not _is_ready(server):
                assert running.poll() is None, log.read_text()[-4000:]
                assert time.monotonic() < deadline, log.read_text()[-4000:]
                time.sleep(0.1)
            yield server
        finally:
            running.terminate()
            running.wait(20)


def _is_ready(server: Server) -> bool:
    try:
        return httpx.get(f"{server.url}/api/health/ready", timeout=2).is_success
    except httpx.TransportError:
        return False
