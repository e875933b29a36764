"""Every outage becomes the same error with Retry-After, however the statement was executed."""

import asyncio

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from onramp_app.db import engine
from onramp_app.db.direct import Connection, HeldConnection, Use
from onramp_app.db.migrate import migrate
from onramp_app.db.outages import OUTAGES
from onramp_app.domain.errors import DatabaseUnavailable

# At least one code from each line of the table, more where a line is a class.
CODES = [
    *("08000", "08003", "08006", "08P01", "25006", "25P03", "25P04", "28000", "28P01", "3D000"),
    *("40001", "40003", "40P01", "53000", "53100", "53200", "53300", "53400", "55006", "55P03"),
    *("57014", "57P01", "57P02", "57P03", "57P04", "57P05", "58000", "58030", "72000"),
]
FAULTS = ["22012", "23505", "25001", "40002", "42501", "42601", "42P01", "54001", "P0001", "XX000"]
_RAISE = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{}'; END $$"


def test_each_line_of_the_table_has_an_example() -> None:
    assert {key for key in OUTAGES if not any(code.startswith(key) for code in CODES)} == set()


@pytest.fixture
async def line():
    line = HeldConnection(Use.INBOX)
    yield line
    await line.close()


async def _in_transaction(code: str) -> None:
    async with engine.transaction() as db:
        await (await db.connection()).execute(text(_RAISE.format(code).replace(":", "\\:")))


async def _on_line(line: HeldConnection, code: str) -> None:
    async def work(connection: Connection) -> None:
        await connection.execute(_RAISE.format(code).encode())

    await line.run(work)


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("code", CODES)
async def test_what_means_not_now_is_told_with_a_time_to_come_back(code: str, line: HeldConnection) -> None:
    for doing in (_in_transaction(code), _on_line(line, code)):
        with pytest.raises(DatabaseUnavailable) as raised:
            await doing
        assert raised.value.retry_after_seconds
        assert code not in raised.value.detail


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("code", FAULTS)
async def test_a_fault_stays_a_fault(code: str, line: HeldConnection) -> None:
    with pytest.raises(DBAPIError) as raised:
        await _in_transaction(code)
    assert raised.value.orig.sqlstate == code
    with pytest.raises(psycopg.Error) as raised:
        await _on_line(line, code)
    assert raised.value.sqlstate == code


async def test_a_migration_that_cannot_be_made_now_says_so(empty_database: str) -> None:
    with psycopg.connect(empty_database, autocommit=True) as owner:
        name = owner.info.dbname
        owner.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
    with pytest.raises(DatabaseUnavailable, match="takes no changes"):
        await asyncio.to_thread(migrate, empty_database)
