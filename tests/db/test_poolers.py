"""Behind a real PgBouncer in transaction mode, session features use a direct connection, all else works."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from onramp_app.config import ConfigurationError, get_settings
from onramp_app.db import engine, poolers
from onramp_app.provider_orders import inbox
from onramp_app.running import connection_checks, lifecycle
from onramp_app.running.parts import UnwellError
from tests.db.pooler import pooler
from tests.people import PASSWORD
from tests.served import whole_api
from tests.signed_webhooks import PATH, event_of, headers_of


@pytest.fixture
def pooled(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Settings that reach the database through a pooler, without a direct URL yet."""
    with pooler(database, tmp_path) as url:
        monkeypatch.setenv("DATABASE_URL", url)
        get_settings.cache_clear()
        yield url


@pytest.fixture
def past_pooler(database: str, pooled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same settings, with the direct URL."""
    assert pooled != database
    monkeypatch.setenv("DATABASE_DIRECT_URL", database)
    get_settings.cache_clear()


@pytest.mark.parametrize(("size", "round_robin"), [(1, 0), (1, 1), (4, 0), (4, 1)])
async def test_a_pooler_that_shares_connections_is_recognised(
    database: str, tmp_path: Path, size: int, round_robin: int
) -> None:
    with pooler(database, tmp_path, size=size, round_robin=round_robin) as url:
        assert await poolers.is_shared(url)


async def test_a_busy_pooler_is_recognised(database: str, tmp_path: Path) -> None:
    with pooler(database, tmp_path, size=4) as url:

        async def others() -> None:
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
                while True:
                    await connection.execute("SELECT pg_sleep(0.001)")

        busy = [asyncio.create_task(others()) for _ in range(6)]
        await asyncio.sleep(0.05)
        assert all([await poolers.is_shared(url) for _ in range(10)])
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)


async def test_sessions_are_not_taken_for_a_pooler(database: str, tmp_path: Path) -> None:
    """The control: the server itself, and a pooler in session mode."""
    assert not await poolers.is_shared(database)
    with pooler(database, tmp_path, mode="session") as url:
        assert not await poolers.is_shared(url)


@pytest.mark.usefixtures("pooled")
async def test_without_a_way_past_the_pooler_the_start_is_refused_in_a_sentence() -> None:
    with pytest.raises(ConfigurationError, match=r"^DATABASE_URL leads to a pooler .* DATABASE_DIRECT_URL"):
        async with lifecycle.web_instance(get_settings()):
            pytest.fail("it runs where its locks are nobody's")


async def test_a_way_past_the_pooler_that_leads_to_it_is_refused(
    pooled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_DIRECT_URL", pooled)
    get_settings.cache_clear()
    with pytest.raises(ConfigurationError, match=r"^DATABASE_DIRECT_URL leads to a pooler"):
        async with lifecycle.worker(get_settings()):
            pytest.fail("it runs where its locks are nobody's")


async def test_check_tells_of_a_pooler_and_of_the_way_past_it(
    database: str, pooled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UnwellError, match="DATABASE_DIRECT_URL"):
        await connection_checks.sessions(get_settings())
    monkeypatch.setenv("DATABASE_DIRECT_URL", database)
    get_settings.cache_clear()
    assert "DATABASE_DIRECT_URL" in await connection_checks.sessions(get_settings())
    assert "takes up to 5" in await connection_checks.connections(get_settings())


@pytest.mark.usefixtures("past_pooler")
async def test_behind_a_pooler_accounts_and_webhooks_work() -> None:
    async with lifecycle.web_instance(get_settings()):
        transport = httpx.ASGITransport(app=whole_api())
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
            person = {"email": "ada@example.com", "password": PASSWORD}
            opened = (await client.post("/api/auth/register", json=person)).json()
            headers = {"Authorization": f"Bearer {opened['access_token']}"}
            # Often enough that a statement would be prepared, and many at a time.
            calls = [client.get("/api/balances", headers=headers) for _ in range(60)]
            events = [client.post(PATH, headers=headers_of(event_of(n)), content=b"{}") for n in range(20)]
            answers = await asyncio.gather(*calls, *events)
        assert Counter(answer.status_code for answer in answers) == {200: 80}
        await inbox.close()


async def _roles(number: int) -> set[object]:
    async def role() -> object:
        async with engine.transaction() as db:
            connection = await db.connection()
            await connection.execute(text("SELECT pg_sleep(0.002)"))
            return await connection.scalar(text("SELECT current_user"))

    return set(await asyncio.gather(*(role() for _ in range(number))))


@pytest.mark.usefixtures("past_pooler")
async def test_behind_a_pooler_every_transaction_is_the_applications_and_leaves_nothing(pooled: str) -> None:
    assert await _roles(100) == {"onramp_app"}
    with psycopg.connect(pooled, autocommit=True) as owner:
        for _ in range(6):
            row = owner.execute("SELECT current_user, current_setting('lock_timeout')", prepare=False)
            assert row.fetchone() == (owner.info.user, "0")


@pytest.mark.usefixtures("pooled")
async def test_control_prepared_statements_are_lost_behind_a_pooler() -> None:
    """Why statements are not prepared if there is a direct URL: without that setting they fail."""

    async def add(number: int) -> object:
        async with engine.transaction() as db:
            query = text("SELECT CAST(:number AS int) + 1")
            return await (await db.connection()).scalar(query, {"number": number})

    results: list[object] = []
    for _ in range(10):
        results += await asyncio.gather(*(add(n) for n in range(4)), return_exceptions=True)
    assert any(isinstance(result, DBAPIError) for result in results)


async def test_control_a_role_that_is_set_once_is_lost_behind_a_pooler(pooled: str) -> None:
    """Why the role is set per transaction: set for a connection, it leaks to the next client."""
    with psycopg.connect(pooled, autocommit=True) as first, psycopg.connect(pooled, autocommit=True) as other:
        first.execute("SET ROLE onramp_app", prepare=False)
        with other.transaction():
            found = other.execute("SELECT current_user", prepare=False).fetchone()
            assert found == ("onramp_app",), "somebody else works as our role"
            assert first.execute("SELECT current_user").fetchone() == (first.info.user,), (
                "and we as the owner"
            )
        other.execute("RESET ROLE")
