"""Cut connections are replaced without any failed request; each transaction has its role and settings."""

import asyncio
import secrets
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from sqlalchemy import text

from onramp_app.config import (
    MIN_DATABASE_CONNECTIONS,
    ConfigurationError,
    get_settings,
    load_settings,
)
from onramp_app.db import engine
from onramp_app.db.direct import Use
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.provider_orders import inbox
from onramp_app.provider_orders.inbox import get_inbox
from tests.served import whole_api
from tests.signed_webhooks import PATH, event_of, headers_of


def _cut(database: str, name: str) -> int:
    """Terminate the connections with an application name. Returns how many there were."""
    with psycopg.connect(database, autocommit=True) as owner:
        query = (
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = %s AND datname = current_database()"
        )
        return len(owner.execute(query, (name,)).fetchall())


async def test_the_first_webhook_after_a_cut_connection_is_stored(database: str) -> None:
    transport = httpx.ASGITransport(app=whole_api())
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        await get_inbox().open()
        for number in (1, 2):
            assert _cut(database, "onramp_app inbox") == 1
            answer = await client.post(PATH, headers=headers_of(event_of(number)), content=b"{}")
            assert answer.status_code == 200
    await inbox.close()


async def _one() -> object:
    async with engine.transaction() as db:
        return await (await db.connection()).scalar(text("SELECT 1"))


async def test_the_first_requests_after_a_cut_are_answered(database: str) -> None:
    await asyncio.gather(*(_one() for _ in range(engine.pool_size())))
    assert _cut(database, "onramp_app") > 1
    assert await asyncio.gather(*(_one() for _ in range(20))) == [1] * 20


async def test_a_process_has_no_more_connections_than_it_may(database: str) -> None:
    most = 0
    with psycopg.connect(database, autocommit=True) as owner:

        async def look() -> None:
            nonlocal most
            async with engine.transaction() as db:
                await (await db.connection()).scalar(text("SELECT pg_sleep(0.01)"))
                query = (
                    "SELECT count(*) FROM pg_stat_activity"
                    " WHERE application_name = 'onramp_app' AND datname = current_database()"
                )
                most = max(most, owner.execute(query).fetchone()[0])

        await asyncio.gather(*(look() for _ in range(30)))
    assert most == engine.pool_size() == get_settings().database_connections - len(Use)


def test_too_few_connections_are_refused_in_a_sentence(tmp_path: Path) -> None:
    """The minimum covers the held connections, plus one each for requests, top-ups and background work."""
    assert len(Use) + 3 == MIN_DATABASE_CONNECTIONS
    sentence = r"^DATABASE_CONNECTIONS cannot be used: a process needs 8 connections at least"
    with pytest.raises(ConfigurationError, match=sentence):
        load_settings(tmp_path, database_connections=MIN_DATABASE_CONNECTIONS - 1)
    assert load_settings(tmp_path, database_connections=MIN_DATABASE_CONNECTIONS)


@pytest.mark.parametrize("purpose", [engine.REQUEST, engine.TOP_UP, engine.BACKGROUND, engine.PROOF])
@pytest.mark.usefixtures("database")
async def test_each_transaction_is_the_applications_and_waits_for_nothing_without_end(
    purpose: engine.Purpose,
) -> None:
    async with engine.transaction(purpose) as db:
        settings = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout", "TimeZone")
        query = f"SELECT current_user, {', '.join(f'current_setting({one!r})' for one in settings)}"
        user, lock, statement, idle, zone = (await (await db.connection()).execute(text(query))).one()
    assert (user, zone) == ("onramp_app", "UTC")
    assert "0" not in (lock, statement, idle)


async def test_without_its_role_no_transaction_begins(
    empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger, parts = f"stranger_{secrets.token_hex(4)}", urlsplit(empty_database)
    address = parts._replace(netloc=f"{stranger}:{parts.password}@{parts.hostname}:{parts.port}").geturl()
    monkeypatch.setenv("DATABASE_URL", address)
    get_settings.cache_clear()
    with psycopg.connect(empty_database, autocommit=True) as superuser:
        superuser.execute(f"CREATE ROLE {stranger} LOGIN PASSWORD '{parts.password}'".encode())
        with pytest.raises(DatabaseUnavailable, match="may not work as onramp_app"):
            await _one()
        await engine.dispose()
        superuser.execute(f"DROP ROLE {stranger}".encode())
