"""Instances of the application as they are really served, and their pages' sockets without a browser."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from reflex.state import State
from simple_websocket import Client, ConnectionClosed

from tests.simulator.process import free_port

# Of the protocols Engine.IO and Socket.IO.
OPEN = "0"
CONNECT = "40/_event,"
EVENT = "42/_event,"
PING = '42/_event,["ping"]'


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/api/health/live", timeout=2).is_success
    except httpx.TransportError:
        return False


@contextmanager
def served(
    database: str, project_dir: Path, *, app: str = "onramp_app.onramp_app:app", **values: str
) -> Iterator[int]:
    """Run an instance without pages; give its port. `values` go to its environment."""
    port = free_port()
    environment = {
        **os.environ,
        "APP_ENV": "test",
        "DATABASE_URL": database,
        "REFLEX_ENV_MODE": "prod",
        "__REFLEX_SKIP_COMPILE": "true",
        **values,
    }
    command = [Path(sys.executable).parent / "granian", "--interface", "asgi", "--factory"]
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port), app],
        cwd=project_dir,
        env=environment,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not _is_ready(port):
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait(20)


def socket_address(port: int, token: str = "tab") -> str:
    return f"ws://127.0.0.1:{port}/_event/?EIO=4&transport=websocket&token={token}"


class SocketTab:
    """One tab's socket: hydrates as a page does, and reads what the server sends."""

    def __init__(self, port: int, token: str, *, cookie: str, path: str = "/profile") -> None:
        self._path = path
        self._socket = Client.connect(socket_address(port, token), headers={"Cookie": cookie})
        assert self._socket.receive(timeout=5).startswith(OPEN)
        boot = {"event": self._event(f"{State.get_full_name()}.hydrate_and_load", {})}
        self._socket.send(CONNECT + json.dumps(boot))

    def _event(self, name: str, payload: dict[str, Any]) -> dict[str, Any]:
        route = {"pathname": self._path, "asPath": self._path, "query": {}}
        return {"name": name, "payload": payload, "router_data": route}

    def send(self, name: str, **payload: Any) -> None:
        self._socket.send(EVENT + json.dumps(["event", self._event(name, payload)]))

    def read(self, timeout: float) -> str | None:
        """Return the next update as it came, None when there is none within the time."""
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            message = self._socket.receive(timeout=left)
            if message is None:
                return None
            if message == "2":
                self._socket.send("3")
            elif message.startswith(EVENT):
                return str(message)
        return None

    def read_until(self, words: str, timeout: float = 5) -> list[str]:
        """Read until an update holds the words; return all that was read."""
        deadline, seen = time.monotonic() + timeout, []
        while True:
            message = self.read(deadline - time.monotonic())
            assert message is not None, f"no {words} among {[text[:200] for text in seen]}"
            seen.append(message)
            if words in message:
                return seen

    def close(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            self._socket.close()
