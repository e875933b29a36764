"""A transaction whose client is cut off in the middle of a statement does not keep its locks."""

import asyncio

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from onramp_app.config import get_settings
from onramp_app.db import engine
from onramp_app.domain.errors import DatabaseUnavailable
from tests.wall import Wall

LOCK = 4711
VALUES = 4000
# PostgreSQL has all of the statement's text, and waits for the rest of its values.
SENT = 100_000


async def test_a_half_sent_statement_keeps_its_locks_for_as_long_as_a_statement_may_take(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = text(f"SELECT count(*) FROM (VALUES {', '.join(f'(:v{one})' for one in range(VALUES))}) AS v")
    with Wall(database).standing() as wall, psycopg.connect(database, autocommit=True) as owner:
        if owner.info.server_version < 170000:
            pytest.skip("transaction_timeout is there since PostgreSQL 17")
        monkeypatch.setenv("DATABASE_URL", wall.url)
        get_settings.cache_clear()
        engine.work_as(engine.Purpose(share=1, wait_seconds=5, statement_seconds=3))

        async def half_sent() -> None:
            async with engine.transaction() as db:
                connection = await db.connection()
                await connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
                wall.swallow_after(SENT)
                await connection.execute(many, {f"v{one}": "y" * 60 for one in range(VALUES)})

        sending = asyncio.create_task(half_sent())
        await asyncio.sleep(1.5)
        assert owner.execute(f"SELECT pg_try_advisory_lock({LOCK})").fetchone() == (False,), "the control"
        await asyncio.sleep(2.5)
        assert owner.execute(f"SELECT pg_try_advisory_lock({LOCK})").fetchone() == (True,)
        with pytest.raises((DBAPIError, DatabaseUnavailable)):
            await sending
        await engine.dispose()
