"""Readiness says whether this instance can serve; status says how each part of the system is, and why."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from onramp_app.config import get_settings
from onramp_app.db import direct, engine
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.fleet.echo import echo_test
from onramp_app.running.health import readiness, status
from onramp_app.running.parts import CheckedPart
from tests import rows
from tests.redis_server import RedisServer
from tests.wall import Wall

WELL = (True, "")


async def parts(look: Callable[[], Awaitable[list[CheckedPart]]]) -> dict[str, tuple[bool, str]]:
    return {check.name: (check.is_well, check.detail) for check in await look()}


def held(database: str, *, until: str, worked: str | None) -> None:
    """Write the reader's lease, with times as intervals from now."""
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO leases VALUES ('reader', 'somebody', now() + %s::interval, now() + %s::interval)"
            " ON CONFLICT (name) DO UPDATE SET until = excluded.until, worked_at = excluded.worked_at",
            (until, worked),
        )


@pytest.mark.usefixtures("database")
async def test_an_instance_is_ready_without_a_reader_and_its_announcements(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(echo_test, "is_well", False)
    assert await parts(readiness) == {"database": WELL, "schema": WELL, "connections": WELL}
    found = await parts(status)
    assert found["reader"] == (False, "No process reads the provider.")
    assert not found["listening"][0]


@pytest.mark.parametrize(
    ("until", "worked", "reason"),
    [
        ("4 s", "-2 s", ""),
        ("4 s", "-75 s", "The provider was last read 75 s ago."),
        ("4 s", None, "The reader has begun and not read the provider yet."),
        ("-1 s", "-2 s", "No process reads the provider."),
    ],
)
async def test_a_reader_is_judged_by_what_it_read(
    database: str, until: str, worked: str | None, reason: str
) -> None:
    held(database, until=until, worked=worked)
    assert (await parts(status))["reader"] == (not reason, reason)


async def test_an_event_that_nobody_handles_is_a_backlog(database: str) -> None:
    assert (await parts(status))["backlog"] == WELL
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO webhook_events (environment, header, body, received_at, secret, is_old, differs)"
            " VALUES ('simulator', 'x', '', now() - interval '61 seconds', 'current', false, false)"
        )
    is_well, reason = (await parts(status))["backlog"]
    assert not is_well
    assert "61 s old" in reason


async def test_webhooks_that_could_be_sent_are_ours_and_endpoints_that_take_nothing_are_not(
    database: str,
) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        user_id = rows.user(owner)
        rows.keyless_program(owner, "shop", knows=user_id)
        ago = clock.now() - timedelta(minutes=7)
        unwell: list[dict[str, Any]] = [
            {"failing_since": ago},
            {"disabled_at": ago, "disabled_because": "failing"},
        ]
        for state in unwell:
            rows.outgoing_delivery(owner, rows.webhook_endpoint(owner, "shop", **state), user_id, due_at=ago)
        is_well, reason = (await parts(status))["outgoing_webhooks"]
        assert (is_well, reason) == (
            True,
            "Endpoints of programs that take nothing at present: 1."
            " Endpoints that were disabled because they took nothing: 1.",
        )
        rows.outgoing_delivery(owner, rows.webhook_endpoint(owner, "shop"), user_id, due_at=ago)
    is_well, reason = (await parts(status))["outgoing_webhooks"]
    assert not is_well
    assert reason.startswith("3 webhooks to programs wait, the oldest due for 7 minutes. ")


@pytest.mark.parametrize(
    ("stands_at", "is_well"),
    [("0008", False), ("a later release's", True)],
    ids=["older", "newer"],
)
async def test_a_release_understands_the_schema_of_the_next_one_and_not_of_the_last(
    database: str, stands_at: str, *, is_well: bool
) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        was = owner.execute("SELECT version_num FROM alembic_version").fetchone()
        owner.execute("UPDATE alembic_version SET version_num = %s", (stands_at,))
        try:
            assert (await parts(readiness))["schema"][0] == is_well
            assert ("reader" in await parts(status)) == is_well
        finally:
            owner.execute("UPDATE alembic_version SET version_num = %s", was)


async def _use() -> None:
    async with transaction() as db:
        await (await db.connection()).execute(text("SELECT pg_sleep(0.1)"))


async def _hold() -> None:
    async with transaction():
        await asyncio.sleep(60)


@asynccontextmanager
async def swallowed(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Swallow every connection of the pool."""
    with Wall(database).standing() as wall:
        monkeypatch.setenv("DATABASE_URL", wall.url)
        get_settings.cache_clear()
        await asyncio.gather(*(_use() for _ in range(engine.pool_size())))
        wall.swallow()
        yield
        await engine.dispose()


@asynccontextmanager
async def exhausted(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Occupy every connection of the pool."""
    holding = [asyncio.create_task(_hold()) for _ in range(engine.pool_size())]
    await asyncio.sleep(0.2)
    yield
    for task in holding:
        task.cancel()
    await asyncio.gather(*holding, return_exceptions=True)


@asynccontextmanager
async def away(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Point the settings to an address where nothing listens."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody:x@127.0.0.1:1/nothing")
    monkeypatch.setattr(direct, "_refused_at", float("-inf"))  # A refusal is remembered for ten seconds.
    get_settings.cache_clear()
    yield
    await engine.dispose()


@pytest.mark.parametrize("trouble", [swallowed, exhausted, away])
async def test_there_is_an_answer_within_two_seconds_whatever_is_away(
    database: str, monkeypatch: pytest.MonkeyPatch, trouble: Callable[..., AbstractAsyncContextManager[None]]
) -> None:
    async with trouble(database, monkeypatch):
        began = time.monotonic()
        found = await asyncio.gather(parts(readiness), parts(status))
        assert time.monotonic() - began < 2
    for each in found:
        assert not each["database"][0]
        assert "database" in each["database"][1]


@pytest.mark.usefixtures("database")
async def test_the_status_says_that_redis_is_away_and_no_instance_is_taken_out_for_it(
    monkeypatch: pytest.MonkeyPatch, redis_server: RedisServer
) -> None:
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    get_settings.cache_clear()
    assert (await parts(status))["redis"] == WELL
    redis_server.freeze()
    began = time.monotonic()
    found = await parts(status)
    assert time.monotonic() - began < 2
    assert found["database"] == WELL
    assert found["redis"][1].startswith("REDIS_URL: the server at 127.0.0.1:")
    assert all(is_well for is_well, _ in (await parts(readiness)).values())
    redis_server.thaw()
    assert (await parts(status))["redis"] == WELL
