"""A lease belongs to one process for as long as it renews the lease, by the database's clock."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from sqlalchemy import text

from onramp_app.db.direct import Connection, Use, connect
from onramp_app.db.engine import transaction
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.fleet.lease import Lease, LeaseLost


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    assert database
    async with await connect(Use.READER) as connection:
        yield connection


def lapse(database: str) -> None:
    """Expire every lease."""
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("UPDATE leases SET until = now() - interval '1 second'")


async def test_one_holds_it_and_may_renew_it(connection: Connection) -> None:
    first, second = Lease("test", seconds=60), Lease("test", seconds=60)
    assert await first.take(connection)
    assert not await second.take(connection)
    assert await first.take(connection)
    first.check()
    with pytest.raises(LeaseLost):
        second.check()


async def test_what_was_not_renewed_goes_to_the_next_and_its_holder_notices(
    database: str, connection: Connection
) -> None:
    time = [0.0]
    first, second = Lease("test", seconds=60, clock=lambda: time[0]), Lease("test", seconds=60)
    assert await first.take(connection)
    time[0] = 60
    lapse(database)
    # The holder notices without asking the database, as a process that was suspended has to.
    with pytest.raises(LeaseLost):
        first.check()
    assert await second.take(connection)
    assert not await first.take(connection)
    lapse(database)
    assert await first.take(connection)


async def test_who_leaves_it_is_followed_at_once(connection: Connection) -> None:
    first, second = Lease("test", seconds=60), Lease("test", seconds=60)
    assert await first.take(connection)
    waiting = asyncio.create_task(second.held())
    await first.leave(connection)
    assert not first.is_held
    assert await second.take(connection)
    await asyncio.wait_for(waiting, 1)
    await first.leave(connection)  # The lease is no longer the first one's, so leaving changes nothing.
    assert await second.take(connection)
    assert not await first.take(connection)


async def test_holders_of_one_name_share_it_and_others_are_refused(connection: Connection) -> None:
    alone = Lease("test", seconds=60)
    together = [Lease("test", seconds=60, holder="those with Redis") for _ in range(2)]
    assert [await one.take(connection) for one in together] == [True, True]
    assert not await alone.take(connection)


async def test_of_many_who_take_it_at_once_one_has_it(database: str) -> None:
    leases = [Lease("test", seconds=60) for _ in range(8)]
    connections = [await connect(Use.READER) for _ in leases]
    for _ in range(10):
        taken = await asyncio.gather(
            *(lease.take(one) for lease, one in zip(leases, connections, strict=True))
        )
        assert sum(taken) == 1
        lapse(database)
    for one in connections:
        await one.close()


@pytest.mark.parametrize("at_once", [1, 300], ids=["one statement", "a pipeline"])
async def test_locks_of_a_process_that_stands_still_in_a_transaction_are_given_back(
    connection: Connection, at_once: int
) -> None:
    """Many rows at once go through a pipeline, after which PostgreSQL did not apply its idle timeout."""
    names = [f"test {number}" for number in range(at_once)]
    await connection.execute("INSERT INTO leases SELECT unnest(%s::text[]), 'x', now()", (names,))
    rename = text("UPDATE leases SET holder = 'x' WHERE name = :name")

    async def stand_still() -> None:
        async with transaction() as db:
            stopped = await db.connection()
            await stopped.execute(text("SET LOCAL idle_in_transaction_session_timeout = '200ms'"))
            await stopped.execute(rename, [{"name": name} for name in names])
            await asyncio.sleep(1)
            await stopped.execute(text("SELECT 1"))

    standing_still = asyncio.create_task(stand_still())
    await asyncio.sleep(0.5)
    async with asyncio.timeout(3):
        await connection.execute("UPDATE leases SET holder = 'y' WHERE name = %s", (names[0],))
    with pytest.raises(DatabaseUnavailable):
        await standing_still
