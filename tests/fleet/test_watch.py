"""A loop that makes no progress is canceled, whatever it waits for, and restarted."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest
from sqlalchemy import text

from onramp_app.config import get_settings
from onramp_app.db.direct import Use, connect
from onramp_app.db.engine import dispose, transaction
from onramp_app.fleet.watch import LoopStandsStill, keep_running, made_progress, rest, watched
from tests.wall import Wall

WITHIN_SECONDS = 0.2
# On a busy machine opening a connection alone may take longer than that.
WITHIN_SECONDS_OF_DATABASE = 1.0


async def test_a_loop_that_stands_still_is_ended() -> None:
    ended = asyncio.Event()

    async def stand_still() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(LoopStandsStill):
        await watched("test", stand_still, within_seconds=WITHIN_SECONDS)
    assert ended.is_set()


async def test_a_loop_that_gets_on_rests_or_takes_its_time_is_left_alone() -> None:
    async def get_on() -> None:
        for _ in range(4):
            await asyncio.sleep(WITHIN_SECONDS / 2)
            made_progress()
        await rest(2 * WITHIN_SECONDS)
        made_progress(next_within_seconds=4 * WITHIN_SECONDS)
        await asyncio.sleep(2 * WITHIN_SECONDS)

    await watched("test", get_on, within_seconds=WITHIN_SECONDS)


async def test_what_a_loop_raises_is_raised() -> None:
    async def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        await watched("test", fail, within_seconds=WITHIN_SECONDS)


async def test_a_process_that_stood_still_as_a_whole_does_not_blame_its_loops() -> None:
    async def wait() -> None:
        await asyncio.sleep(0)
        time.sleep(2 * WITHIN_SECONDS)  # noqa: ASYNC251 - like a suspended process
        await asyncio.sleep(WITHIN_SECONDS / 4)

    await watched("test", wait, within_seconds=WITHIN_SECONDS)


async def test_a_loop_that_fails_or_stands_still_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onramp_app.fleet.watch.FIRST_WAIT_SECONDS", 0.01)
    begun = 0
    is_third = asyncio.Event()

    async def work() -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            raise ValueError
        if begun == 3:
            is_third.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(keep_running("test", work, within_seconds=WITHIN_SECONDS))
    await asyncio.wait_for(is_third.wait(), 5)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


# Released once per round that a loop completes.
Rounds = asyncio.Semaphore


@pytest.fixture
async def wall(database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wall]:
    """A proxy to the database that can swallow connections; the settings point to it."""
    monkeypatch.setattr("onramp_app.fleet.watch._CANCEL_EVERY_SECONDS", 0.2)
    with Wall(database).standing() as wall:
        monkeypatch.setenv("DATABASE_URL", wall.url)
        get_settings.cache_clear()
        yield wall
        await dispose()


async def _direct(rounds: Rounds) -> None:
    async with await connect(Use.READER) as connection:
        while True:
            await connection.execute("SELECT 1")
            made_progress()
            rounds.release()
            await asyncio.sleep(0.02)


async def _pooled(rounds: Rounds) -> None:
    while True:
        async with transaction() as db:
            await (await db.connection()).execute(text("SELECT 1"))
        made_progress()
        rounds.release()
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("work", [_direct, _pooled])
async def test_a_loop_on_a_swallowed_connection_is_really_ended(
    wall: Wall, work: Callable[[Rounds], Awaitable[None]]
) -> None:
    rounds = Rounds(0)
    watching = asyncio.create_task(
        watched("test", partial(work, rounds), within_seconds=WITHIN_SECONDS_OF_DATABASE)
    )
    for _ in range(10):
        await asyncio.wait_for(rounds.acquire(), 5)
    assert not watching.done()
    wall.swallow()
    with pytest.raises(LoopStandsStill):
        # Without the fix, psycopg alone waits ten seconds after it was canceled once.
        await asyncio.wait_for(watching, 5)


async def test_after_a_loop_stood_still_the_pool_opens_its_connections_anew(
    wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onramp_app.fleet.watch.FIRST_WAIT_SECONDS", 0.01)
    rounds = 0

    async def work() -> None:
        nonlocal rounds
        while True:
            async with transaction() as db:
                await (await db.connection()).execute(text("SELECT 1"))
            rounds += 1
            made_progress()
            await asyncio.sleep(0.02)

    async def idle() -> None:
        async with transaction():
            await asyncio.sleep(0.1)

    await asyncio.gather(*(idle() for _ in range(4)))
    wall.swallow()
    running = asyncio.create_task(keep_running("test", work, within_seconds=WITHIN_SECONDS))
    # Four dead connections are in the pool. Discarded one by one they would take four times as long.
    async with asyncio.timeout(5):
        while rounds == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
