"""Bodies that arrive slowly or in tiny pieces: how long the server waits, and how much work they cost."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from starlette.types import ASGIApp, Message

from onramp_app.api.frame import bodies
from onramp_app.api.frame.bodies import FREE_PIECES, MAX_BODY_BYTES, read_body
from onramp_app.domain.errors import PayloadTooLarge
from onramp_app.provider_orders import inbox
from tests.served import whole_api
from tests.signed_webhooks import PATH

PLACES = (PATH, "/api/auth/login", "/api/auth/session")


class Sender:
    """Sends pieces while there are any; counts how many were requested."""

    def __init__(self, pieces: Iterator[bytes], *, pause: float = 0.0) -> None:
        self._pieces = pieces
        self._pause = pause
        self.asked = 0

    async def receive(self) -> Message:
        self.asked += 1
        await asyncio.sleep(self._pause)
        piece = next(self._pieces, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}


def _crumbs(count: int) -> Iterator[bytes]:
    return iter([b"{"] * count)


async def _status(app: ASGIApp, path: str, sender: Sender) -> int:
    """Send a body to the application; return the status of its answer."""
    answered: list[Message] = []

    async def send(message: Message) -> None:
        answered.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "client": ("203.0.113.9", 4711),
    }
    await app(scope, sender.receive, send)
    return int(answered[0]["status"])


@pytest.fixture
def api(database: str) -> ASGIApp:
    assert database
    return whole_api()


@pytest.mark.parametrize("path", PLACES)
async def test_a_body_that_never_ends_is_waited_for_so_long(
    api: ASGIApp, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.1)
    async with asyncio.timeout(5):
        assert await _status(api, path, Sender(_crumbs(10**6), pause=0.03)) == 408
        assert await _status(api, path, Sender(_crumbs(1), pause=3_600)) == 408


async def test_a_slow_webhook_is_a_refusal_that_is_kept(
    api: ASGIApp, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.05)
    await _status(api, PATH, Sender(_crumbs(1), pause=3_600))
    await inbox.close()
    with psycopg.connect(database) as connection:
        kept = connection.execute("SELECT reason, address FROM webhook_refusals").fetchall()
    assert kept == [("body_too_slow", "203.0.113.9")]


@pytest.mark.parametrize("path", PLACES)
async def test_a_body_in_crumbs_is_refused_after_a_few(api: ASGIApp, path: str) -> None:
    sender = Sender(_crumbs(MAX_BODY_BYTES))
    assert await _status(api, path, sender) == 413
    assert sender.asked <= FREE_PIECES + 1


async def test_without_the_count_each_crumb_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control for the test above."""
    monkeypatch.setattr(bodies, "FREE_PIECES", MAX_BODY_BYTES)
    monkeypatch.setattr(bodies, "GATHER_SECONDS", 0)
    sender = Sender(_crumbs(10_000))
    assert await read_body(sender.receive, received=bytearray())
    assert sender.asked == 10_001


@pytest.mark.parametrize("size", [536, 1_460, 8_192, MAX_BODY_BYTES])
async def test_the_longest_body_comes_through_every_network(size: int) -> None:
    whole = bytes(range(256)) * (MAX_BODY_BYTES // 256)
    received = bytearray()
    pieces = iter([whole[at : at + size] for at in range(0, len(whole), size)])
    assert await read_body(Sender(pieces).receive, received=received)
    assert received == whole


async def test_what_is_too_long_is_read_no_further() -> None:
    sender = Sender(iter([b"x" * 8_192] * 100))
    with pytest.raises(PayloadTooLarge):
        await read_body(sender.receive, received=bytearray())
    assert sender.asked == 9
