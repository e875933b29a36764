"""The socket of the pages as it is really served: how long a message may be."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from simple_websocket import Client, ConnectionClosed

from tests.served import served

# Of the protocols Engine.IO and Socket.IO.
OPEN = "0"
CONNECT = "40/_event,"
PING = '42/_event,["ping"]'
PLACE = "/_event/?EIO=4&transport=websocket&token=tab"


@pytest.fixture
def address(database: str, project_dir: Path) -> Iterator[str]:
    with served(database, project_dir) as url:
        yield url.replace("http", "ws", 1) + PLACE


@pytest.fixture
def generous_address(database: str, project_dir: Path) -> Iterator[str]:
    with served(database, project_dir, REFLEX_SOCKET_MAX_HTTP_BUFFER_SIZE="1000000") as url:
        yield url.replace("http", "ws", 1) + PLACE


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
