"""How much one network may use of the pages' socket, on a real server and behind a proxy."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack

import pytest
from reflex_base.constants import RouteVar
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from onramp_app.api.frame.sockets import HANDSHAKES_A_MINUTE, MAX_OPEN, MESSAGES_A_MINUTE
from onramp_app.config import get_settings
from onramp_app.onramp_app import app
from onramp_app.throttle.callers import address_of
from onramp_app.web.tabs import left as left_tabs
from onramp_app.web.tabs.left import drop_oldest_states
from tests.attack.scene import new_address
from tests.attack.wire import Wire
from tests.served import served
from tests.web.tabs.test_served_socket import CONNECT, PING, opened


@pytest.fixture(scope="module")
def behind_a_proxy(database_of_the_file: str) -> Iterator[str]:
    """The URL of an instance that trusts one proxy; each test connects from a network of its own."""
    with served(database_of_the_file, TRUSTED_PROXY_HOPS="1") as url:
        yield url


def _opened(address: str, network: str) -> AbstractContextManager[ClientConnection]:
    return opened(address, **{"X-Forwarded-For": f"198.51.100.250, {network}"})


def _status(address: str, network: str) -> int:
    """Return the status of opening a socket, which is closed right away if it is accepted."""
    try:
        with _opened(address, network):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


def test_a_network_has_so_many_sockets_and_another_one_its_own(behind_a_proxy: str) -> None:
    with ExitStack() as open_sockets:
        for _ in range(MAX_OPEN):
            open_sockets.enter_context(_opened(behind_a_proxy, "203.0.113.9"))
        assert _status(behind_a_proxy, "203.0.113.9") == 429
        assert _status(behind_a_proxy, "203.0.113.10") == 101


def test_a_network_shakes_hands_so_often_within_a_minute(behind_a_proxy: str) -> None:
    def refused() -> int:
        statuses = [_status(behind_a_proxy, "203.0.113.11") for _ in range(HANDSHAKES_A_MINUTE + 20)]
        return statuses.count(429)

    first = refused()
    assert first <= 20
    assert first or refused()  # A minute may end in between, with each half within the limit.


async def test_a_socket_that_sends_too_much_is_closed(asgi) -> None:
    wire = await Wire(asgi, address=new_address()).connect()
    for _ in range(MESSAGES_A_MINUTE - 10):
        wire.say(PONG)
    await wire.settle(seconds=30)
    assert wire.is_open, "the control: as much as a minute allows is taken"
    for _ in range(MESSAGES_A_MINUTE + 20):  # A minute may end in between.
        wire.say(PONG)
    await wire.settle(seconds=30)
    assert not wire.is_open


@pytest.mark.full
def test_a_socket_that_floods_is_closed(behind_a_proxy: str) -> None:
    with _opened(behind_a_proxy, "203.0.113.12") as one:
        one.recv(timeout=20)
        one.send(CONNECT)
        one.recv(timeout=20)
        with pytest.raises(ConnectionClosed) as closed:
            _flood(one)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


PONG = "3"  # of Engine.IO 4; it gets no reply


def _flood(one: ClientConnection) -> None:
    """Send more messages than a minute allows."""
    if (second := time.monotonic() % 60) > 30:  # It would end in between; the server has the same clock.
        time.sleep(60 - second)
    for _ in range(MESSAGES_A_MINUTE // 100 - 2):
        for _ in range(99):
            one.send(PONG)
        _ask(one)
    # Data left unread when the server closes would lose the close reason, so each ping is answered first.
    for _ in range(300):
        _ask(one)


def _ask(one: ClientConnection) -> None:
    one.send(PING)
    one.recv(timeout=20)


@pytest.mark.parametrize("peer", ["10.0.0.1", "127.0.0.1", "203.0.113.9"])
@pytest.mark.parametrize(
    "lines", [("192.0.2.66, 203.0.113.8:51234",), ("192.0.2.66", "[2001:db8::1]:4711"), ()]
)
async def test_pages_and_api_agree_whose_address_it_is(
    asgi, monkeypatch: pytest.MonkeyPatch, peer: str, lines: tuple[str, ...]
) -> None:
    monkeypatch.setenv("TRUSTED_PROXY_HOPS", "1")
    get_settings.cache_clear()
    headers = [(b"x-forwarded-for", line.encode()) for line in lines]
    scope = {"type": "websocket", "client": (peer, 4711), "headers": headers}
    data = app.event_namespace._build_static_router_data("a socket", {"asgi.scope": scope})
    assert data[RouteVar.CLIENT_IP] == address_of(scope)
    assert (address_of(scope) == peer) == (peer == "203.0.113.9" or not lines)


async def test_a_socket_has_one_tab(asgi) -> None:
    before = set(app.event_namespace.token_to_sid)
    wire = await Wire(asgi, address=new_address()).connect()
    for _ in range(50):
        wire.say(CONNECT)
        wire.emit("connect", {"QUERY_STRING": "token=another", "asgi.scope": {}})
    await wire.settle()
    assert set(app.event_namespace.token_to_sid) == before | {wire.token}
    await wire.close()
    assert set(app.event_namespace.token_to_sid) == before


async def test_states_of_tabs_that_left_do_not_pile_up(asgi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_tabs, "MAX_KEPT", 10)
    stays = await Wire(asgi, address=new_address()).connect()
    for _ in range(30):
        left = await Wire(asgi, address=new_address()).connect()
        await left.close()
    states = app.state_manager.states
    assert len(states) > 30, "the control: Reflex keeps them all"
    drop_oldest_states(app, app.event_namespace.token_to_sid)
    assert len(states) == 10 + len(app.event_namespace.token_to_sid)
    assert any(stays.token in str(key) for key in states), "who is connected stays"
    assert any(left.token in str(key) for key in states), "the latest are kept"
    await stays.close()
