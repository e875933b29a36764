"""The socket of the pages as it is really served: how long a message may be."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from simple_websocket import Client, ConnectionClosed

# Of the protocols Engine.IO and Socket.IO.
OPEN = "0"
CONNECT = "40/_event,"
PING = '42/_event,["ping"]'


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/api/health/ready", timeout=2).is_success
    except httpx.TransportError:
        return False


def _served(database: str, project_dir: Path, **values: str) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "APP_ENV": "test",
        "DATABASE_URL": database,
        "SECRET_KEY": "k" * 48,
        "REFLEX_ENV_MODE": "prod",
        "__REFLEX_SKIP_COMPILE": "true",
        **values,
    }
    command = [Path(sys.executable).parent / "granian", "--interface", "asgi", "--factory"]
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port), "onramp_app.onramp_app:app"],
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
        yield f"ws://127.0.0.1:{port}/_event/?EIO=4&transport=websocket&token=tab"
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture
def address(database: str, project_dir: Path) -> Iterator[str]:
    yield from _served(database, project_dir)


@pytest.fixture
def generous_address(database: str, project_dir: Path) -> Iterator[str]:
    yield from _served(database, project_dir, REFLEX_SOCKET_MAX_HTTP_BUFFER_SIZE="1000000")


def _survives(address: str, message: str) -> bool:
    client = Client.connect(address)
    try:
        assert client.receive(timeout=5).startswith(OPEN)
        client.send(CONNECT)
        assert client.receive(timeout=5).startswith(CONNECT)
        client.send(message)
        client.send(PING)
        return client.receive(timeout=5) is not None
    except ConnectionClosed:
        return False
    finally:
        with contextlib.suppress(ConnectionClosed):
            client.close()


def test_a_message_of_a_hundred_kilobytes_is_refused(address: str) -> None:
    assert _survives(address, _of_length(60_000))
    assert not _survives(address, _of_length(100_000))


@pytest.mark.full
def test_without_the_limit_it_would_be_read(generous_address: str) -> None:
    """The control of the test above."""
    assert _survives(generous_address, _of_length(100_000))


def _of_length(length: int) -> str:
    return f'42/_event,["unknown", "{"x" * length}"]'
