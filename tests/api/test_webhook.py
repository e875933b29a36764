"""The webhook route stores an event once before the 200, a refused one never, and no input causes a 5xx."""

import asyncio
import json
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from onramp_app.config import get_settings
from onramp_app.db.migrate import migrate
from onramp_app.local import postgres
from onramp_app.provider_orders import inbox
from onramp_app.provider_orders.inbox import STORE_SECONDS
from onramp_app.running import lifecycle
from tests.served import whole_api
from tests.signed_webhooks import PATH, event_of, headers_of, signed


@pytest.fixture
def rows(database: str) -> Any:
    def read(statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(database) as connection:
            return connection.execute(statement.encode()).fetchall()

    return read


async def test_a_signed_webhook_is_stored_as_the_bytes_that_came(
    client: httpx.AsyncClient, rows: Any
) -> None:
    event = event_of(4711)
    headers, body = headers_of(event), json.dumps(event).encode()
    answer = await client.post(PATH, headers=headers, content=body)
    assert (answer.status_code, answer.json()) == (200, {"stored": True})
    assert len(answer.headers["x-request-id"]) == 32  # the trace, which the row in the inbox names too
    stored = rows("SELECT header, body, flow, order_id, is_old, differs, secret FROM webhook_events")
    assert stored == [(headers["x-onramp-payload"].encode(), body, "buy", "4711", False, False, "current")]


async def test_what_a_webhook_says_is_stored_beside_its_bytes(client: httpx.AsyncClient, rows: Any) -> None:
    said = {"createdAt": "2026-03-01T06:25:17Z", "merchantRecognitionId": "r1", "fiatType": 2}
    headers = signed({"timestamp": 1772349917000, "body": event_of(1, **said)})
    assert (await client.post(PATH, headers=headers, content=b"{}")).status_code == 200
    person = {"referenceId": "p", "eventType": "kyc", "status": "IN_REVIEW"}
    headers = signed({"timestamp": 1772349917000})
    assert (await client.post(PATH, headers=headers, content=json.dumps(person))).status_code == 200
    signed_at, ordered_at = (datetime(2026, 3, 1, hour, 25, 17, tzinfo=UTC) for hour in (7, 6))
    stored = rows(
        "SELECT kind, status_text, signed_at, is_content_signed, fiat_type, ordered_at, recognition_id"
        " FROM webhook_events ORDER BY id"
    )
    assert stored == [
        ("onramp", "4", signed_at, True, 2, ordered_at, "r1"),
        ("kyc", "IN_REVIEW", signed_at, False, None, None, None),
    ]


async def test_a_webhook_sent_fifty_times_at_once_is_one_event(client: httpx.AsyncClient, rows: Any) -> None:
    event = event_of(1)
    headers, body = headers_of(event), json.dumps(event)
    answers = await asyncio.gather(*(client.post(PATH, headers=headers, content=body) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert rows("SELECT count(*) FROM webhook_events") == [(1,)]


async def test_arrivals_at_once_share_few_commits(client: httpx.AsyncClient, rows: Any) -> None:
    calls = [client.post(PATH, headers=headers_of(event_of(n)), content=b"{}") for n in range(100)]
    assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200}
    assert rows("SELECT count(*) FROM webhook_events") == [(100,)]
    assert rows("SELECT count(DISTINCT xmin::text) < 20 FROM webhook_events") == [(True,)]


@pytest.mark.parametrize("change", ["payload", "signature", "secret", "missing", "twice"])
async def test_a_header_that_proves_nothing_is_401_and_no_event(
    client: httpx.AsyncClient, rows: Any, change: str
) -> None:
    headers: Any = headers_of(event_of(1), secret="wrong" if change == "secret" else "simulator-secret")
    match change:
        case "payload":
            headers["x-onramp-payload"] = signed({"timestamp": 1, "body": event_of(2)})["x-onramp-payload"]
        case "signature":
            headers["x-onramp-signature"] = "0" * 128
        case "missing":
            del headers["x-onramp-signature"]
        case "twice":
            headers = [*headers.items(), *headers.items()]
    answer = await client.post(PATH, headers=headers, content=b"{}")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["content-type"] == "application/problem+json"
    await inbox.close()
    assert rows("SELECT count(*) FROM webhook_events") == [(0,)]
    assert rows("SELECT count(*) FROM webhook_refusals") == [(1,)]


async def test_a_refusal_names_the_true_address_of_the_caller(
    client: httpx.AsyncClient, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUSTED_PROXY_HOPS", "1")
    get_settings.cache_clear()
    await client.post(PATH, content=b"{}", headers={"X-Forwarded-For": "192.0.2.66, 203.0.113.8:51234"})
    await inbox.close()
    assert rows("SELECT address FROM webhook_refusals") == [("203.0.113.8",)]


async def test_refusals_beyond_the_room_for_them_are_dropped(client: httpx.AsyncClient, rows: Any) -> None:
    calls = [client.post(PATH, content=b"x" * 5000) for _ in range(300)]
    assert {answer.status_code for answer in await asyncio.gather(*calls)} == {401}
    await inbox.close()
    kept = rows("SELECT count(*), max(octet_length(body)), max(body_bytes) FROM webhook_refusals")
    assert kept == [(inbox.MAX_REFUSALS_WAITING, 1024, 5000)]


async def test_a_body_over_64_kib_is_413_and_one_of_64_kib_is_taken(client: httpx.AsyncClient) -> None:
    headers = headers_of(event_of(1))
    assert (await client.post(PATH, headers=headers, content=b"x" * 65537)).status_code == 413
    assert (await client.post(PATH, headers=headers, content=b"x" * 65536)).status_code == 200


async def test_at_most_twenty_bodies_are_kept_for_one_header(client: httpx.AsyncClient, rows: Any) -> None:
    headers = headers_of(event_of(1))
    calls = [client.post(PATH, headers=headers, content=f'{{"orderId": {n}}}') for n in range(60)]
    answers = await asyncio.gather(*calls)
    assert Counter(answer.status_code for answer in answers) == {200: 20, 409: 40}
    assert {answer.json()["code"] for answer in answers if answer.is_error} == {"too_many_bodies"}
    assert rows("SELECT count(*), count(DISTINCT order_id) FROM webhook_events") == [(20, 1)]
    for number, answer in enumerate(answers):
        again = await client.post(PATH, headers=headers, content=f'{{"orderId": {number}}}')
        assert again.status_code == answer.status_code, "what was stored stays acknowledged"
    assert (await client.post(PATH, headers=headers_of(event_of(2)), content=b"{}")).status_code == 200
    assert rows("SELECT count(*) FROM webhook_events WHERE order_id = '2'") == [(1,)]


@pytest.mark.parametrize(
    "content",
    [None, 7, "x", [], {"body": "\x00"}, {"body": {"orderId": "\x00\ud800"}}, {"body": {"orderId": 10**70}}],
)
async def test_a_signed_header_of_any_content_is_stored(
    client: httpx.AsyncClient, rows: Any, content: object
) -> None:
    answer = await client.post(PATH, headers=signed(content), content=b"\x00\xff not JSON")
    assert answer.status_code == 200
    assert rows("SELECT count(*) FROM webhook_events") == [(1,)]


async def test_both_secrets_are_accepted_while_rotating(
    client: httpx.AsyncClient, rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONRAMP_API_SECRET", "the-next-secret")
    monkeypatch.setenv("ONRAMP_API_SECRET_PREVIOUS", "simulator-secret")
    get_settings.cache_clear()
    await inbox.close()
    for secret in ("simulator-secret", "the-next-secret"):
        answer = await client.post(PATH, headers=headers_of(event_of(secret), secret=secret), content=b"{}")
        assert answer.status_code == 200
    assert rows("SELECT secret FROM webhook_events ORDER BY id") == [("previous",), ("current",)]


async def test_one_arrival_that_the_database_refuses_does_not_harm_its_group(
    client: httpx.AsyncClient, database: str, rows: Any
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE webhook_events ADD CHECK (order_id <> '13')")
    calls = [client.post(PATH, headers=headers_of(event_of(n)), content=b"{}") for n in range(30)]
    statuses = [answer.status_code for answer in await asyncio.gather(*calls)]
    assert [n for n, status in enumerate(statuses) if status == 503] == [13]
    assert rows("SELECT count(*) FROM webhook_events") == [(29,)]


async def test_without_a_database_it_is_503_and_it_recovers_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = postgres.start(tmp_path)
    migrate(server.url)
    monkeypatch.setenv("APP_ENV", "test")
    monkeypatch.setenv("DATABASE_URL", server.url)
    get_settings.cache_clear()
    acknowledged: set[int] = set()
    transport = httpx.ASGITransport(app=whole_api())
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:

        async def send(number: int) -> int:
            answer = await client.post(PATH, headers=headers_of(event_of(number)), content=b"{}")
            if answer.status_code == 200:
                acknowledged.add(number)
            else:
                assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
                assert int(answer.headers["retry-after"]) > 0
            return answer.status_code

        assert await send(1) == 200
        storm = [asyncio.create_task(send(number)) for number in range(2, 200)]
        await asyncio.to_thread(server.stop)
        await asyncio.gather(*storm)
        assert await send(1000) == 503
        server = await asyncio.to_thread(postgres.start, tmp_path)
        monkeypatch.setenv("DATABASE_URL", server.url)
        get_settings.cache_clear()
        for _ in range(50):
            if await send(2000) == 200:
                break
            await asyncio.sleep(0.1)
        assert 2000 in acknowledged, "it recovers within 5 s"
        await lifecycle.disconnect()
    with psycopg.connect(server.url) as connection:
        stored = {int(row[0]) for row in connection.execute("SELECT order_id FROM webhook_events")}
    server.stop()
    get_settings.cache_clear()
    assert acknowledged <= stored


async def test_a_webhook_that_waits_behind_others_is_answered_in_time(
    client: httpx.AsyncClient, database: str
) -> None:
    async def seconds(number: int) -> float:
        began = time.monotonic()
        answer = await client.post(PATH, headers=headers_of(event_of(number)), content=b"{}")
        assert answer.status_code == 503
        return time.monotonic() - began

    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE webhook_events IN ACCESS EXCLUSIVE MODE")
        first = asyncio.create_task(seconds(1))
        await asyncio.sleep(1)
        # The first holds the only connection until it times out; the second must not wait as long again.
        assert await seconds(2) < STORE_SECONDS + 1
        await first
