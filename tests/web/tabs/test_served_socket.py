"""The pages' socket as really served: who may open it, and how long a message may be."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.served import served

# Packet prefixes of Engine.IO and Socket.IO.
OPEN = "0"
CONNECT = "40/_event,"
PING = '42/_event,["ping"]'
PLACE = "/_event/?EIO=4&transport=websocket&token=tab"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served") / "server.log"


@pytest.fixture(scope="module")
def server(database_of_the_file: str, log: Path) -> Iterator[str]:
    """The URL of a running application, which is also its pages' origin; it logs at level debug."""
    with served(database_of_the_file, log=log, LOG_LEVEL="debug") as url:
        yield url


@pytest.fixture
def generous_server(database: str) -> Iterator[str]:
    with served(database, REFLEX_SOCKET_MAX_HTTP_BUFFER_SIZE="1000000") as url:
        yield url


def opened(server: str, **headers: str) -> contextlib.AbstractContextManager[ClientConnection]:
    """Open the pages' socket without a browser. Raises `InvalidStatus` if it is refused."""
    address = server.replace("http", "ws", 1) + PLACE
    return connect(address, additional_headers=headers, compression=None, ping_interval=None, proxy=None)


@contextlib.contextmanager
def _connected(server: str, **headers: str) -> Iterator[ClientConnection]:
    with opened(server, **headers) as client:
        assert str(client.recv(timeout=20)).startswith(OPEN)
        client.send(CONNECT)
        assert str(client.recv(timeout=20)).startswith(CONNECT)
        yield client


def _survives(server: str, message: str) -> bool:
    try:
        with _connected(server) as client:
            client.send(message)
            client.send(PING)
            return bool(client.recv(timeout=20))
    except ConnectionClosed:
        return False


def test_a_message_of_a_hundred_kilobytes_is_refused(server: str) -> None:
    assert _survives(server, _of_length(60_000))
    assert not _survives(server, _of_length(100_000))


@pytest.mark.full
def test_without_the_limit_it_would_be_read(generous_server: str) -> None:
    """The control for the test above."""
    assert _survives(generous_server, _of_length(100_000))


def _of_length(length: int) -> str:
    return f'42/_event,["unknown", "{"x" * length}"]'


def test_only_our_pages_and_what_is_no_browser_may_open_the_socket(server: str) -> None:
    """Another site's page cannot hide its Origin; a program can send any Origin, but has no cookie."""
    for headers in ({"Origin": server}, {}):
        with _connected(server, **headers) as client:
            client.send(PING)
            assert client.recv(timeout=20)
    foreign = ("https://evil.example", "null", f"{server}.evil.example", server.replace("http", "https", 1))
    for origin in foreign:
        with pytest.raises(InvalidStatus), _connected(server, Origin=origin):
            pass


def test_the_socket_has_no_way_around_its_origin(server: str) -> None:
    """Polling, which another site could use with plain requests, is off, and no answer permits reading it."""
    for method in ("GET", "POST", "OPTIONS"):
        for origin in (server, "https://evil.example", "null"):
            answer = httpx.request(
                method,
                f"{server}/_event/?EIO=4&transport=polling&token=tab",
                headers={"Origin": origin},
                content="40" if method == "POST" else None,
            )
            assert answer.status_code == 400, (method, origin)
            assert set(answer.headers.get_list("access-control-allow-origin")) <= {server}
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_what_the_server_writes_holds_no_cookie_and_nothing_typed(server: str, log: Path) -> None:
    """An event without a handler, which anybody can send; Reflex by itself would log all of it."""
    secrets = ("canary-cookie", "canary-password", "canary-header")
    event = {"name": "no.such.event", "payload": {"password": secrets[1]}, "router_data": {"pathname": "/"}}
    with _connected(server, Origin=server, Cookie=f"session={secrets[0]}", **{"X-Odd": secrets[2]}) as client:
        client.send(f"42/_event,{json.dumps(['event', event])}")
        client.send(PING)
        while "pong" not in str(client.recv(timeout=20)):
            pass
    with _connected(server) as client:  # what came before is written by now
        client.send(PING)
        client.recv(timeout=20)
    written = log.read_text()
    assert "a message of a page was refused" in written
    assert [secret for secret in secrets if secret in written] == []
