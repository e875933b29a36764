"""A process that is stuck is ended, and another one takes over its work: money still arrives."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psycopg
import pytest

from onramp_app.config import PROJECT_DIR, get_settings
from onramp_app.db import direct, engine
from onramp_app.db.migrate import migrate
from onramp_app.fleet import watch
from onramp_app.fleet.lease import Lease
from onramp_app.local import postgres
from onramp_app.provider_orders import reader
from onramp_app.providers.connection import get_provider
from onramp_app.running import worker
from onramp_app.top_ups.moves import run_clock
from tests.crediting.test_scenarios import delivered_of
from tests.crediting.world import World
from tests.simulator.process import Process
from tests.wall import Wall

WATCHED = ("-m", "onramp_app", "worker")
UNWATCHED = ("-m", "tests.fleet.unwatched_worker")
SETTLED = "SELECT count(*) FROM top_ups WHERE status = 'settled'"
APPLIED = "SELECT count(*) FROM provider_orders WHERE applied_version > 0"
READER = "SELECT holder FROM leases WHERE name = 'reader' AND until > clock_timestamp()"


def opened(world: World, number: int) -> list[int]:
    """Open `number` orders for a few people, with all webhooks lost."""
    world.simulator.scenario("lost_webhook", times=None)
    users = [world.user() for _ in range(3)]
    return [world.open_order(world.top_up(users[one % 3])) for one in range(number)]


def pay(world: World, orders: list[int]) -> None:
    for order in orders:
        world.simulator.move(order, 4)


async def is_at_work(world: World, number: int) -> None:
    async with asyncio.timeout(30):
        while world.one(APPLIED) < number:  # noqa: ASYNC110 - a database has nothing to await
            await asyncio.sleep(0.05)


async def settled_after(world: World, number: int, *, most: float) -> float:
    """Return how many seconds it takes until all are settled; infinity if more than `most`."""
    began = time.monotonic()
    while world.one(SETTLED) < number and time.monotonic() - began < most:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    return time.monotonic() - began if world.one(SETTLED) == number else float("inf")


async def unwatched(name: str, work: Callable[[], Awaitable[None]], *, within_seconds: float) -> None:
    """Run a loop without watching it; replaces `watched` in control tests."""
    await work()


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give every loop one second instead of fifteen, with the driver's own waits as the only others."""
    monkeypatch.setattr(direct.Connection, "wait", psycopg.AsyncConnection.wait)
    monkeypatch.setattr(worker, "APPLY_WITHIN_SECONDS", 1.0)
    monkeypatch.setattr(reader, "READ_WITHIN_SECONDS", 1.0)
    monkeypatch.setattr(reader, "LEASE_WITHIN_SECONDS", 1.0)
    monkeypatch.setattr(reader, "RENEW_WITHIN_SECONDS", 0.5)
    monkeypatch.setattr(watch, "_CANCEL_EVERY_SECONDS", 0.2)
    monkeypatch.setattr(watch, "FIRST_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(engine, "IDLE_IN_TRANSACTION", "500ms")


@asynccontextmanager
async def behind(wall: Wall, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Run the background work in this process, with its connections going through the wall."""
    past_the_wall = os.environ["DATABASE_URL"]
    await engine.dispose()
    monkeypatch.setenv("DATABASE_URL", wall.url)
    get_settings.cache_clear()
    async with worker.background_work():
        yield
    await engine.dispose()
    monkeypatch.setenv("DATABASE_URL", past_the_wall)
    get_settings.cache_clear()


@pytest.mark.usefixtures("in_a_hurry")
@pytest.mark.parametrize(
    "is_watched",
    [pytest.param(True, id="watched"), pytest.param(False, id="control", marks=pytest.mark.full)],
)
async def test_payments_settle_although_every_connection_was_swallowed(
    world: World, monkeypatch: pytest.MonkeyPatch, *, is_watched: bool
) -> None:
    orders = opened(world, 12)
    if not is_watched:
        monkeypatch.setattr(watch, "watched", unwatched)
    with Wall(world.database).standing() as wall:
        async with behind(wall, monkeypatch):
            await is_at_work(world, len(orders))
            wall.swallow()
            await asyncio.to_thread(pay, world, orders)
            if is_watched:
                assert await settled_after(world, len(orders), most=20) < 20
            else:
                assert await settled_after(world, len(orders), most=3) > 3
                assert world.one(SETTLED) == 0


@pytest.mark.full
async def test_two_readers_at_once_harm_nothing(world: World) -> None:
    """As when a suspended reader resumes after another took over, before it notices."""
    orders = opened(world, 20)
    second = reader.Reader(get_provider(), run_clock=run_clock)
    second._lease = Lease("another", seconds=60)
    async with worker.background_work():
        reading = asyncio.create_task(second.run())
        for status in (1, 2, 4):
            for order in orders:
                await asyncio.to_thread(world.simulator.move, order, status)
        assert await settled_after(world, len(orders), most=20) < 20
        await watch.end(reading)
    assert world.one("SELECT count(*) FROM leases") == 2, "both have read"
    assert world.one("SELECT count(*) FROM ledger_transfers") == len(orders)
    booked = sum(int(row["available_minor"]) for row in world.rows("SELECT * FROM user_balances"))
    assert booked == sum(delivered_of(world, order) for order in orders)


@contextmanager
def working(database: str, command: tuple[str, ...] = WATCHED) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a worker process on a database."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=PROJECT_DIR,
        env={**os.environ, "APP_ENV": "test", "DATABASE_URL": database},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.full
@pytest.mark.parametrize("trial", range(5))
async def test_240_payments_settle_within_30_s_although_every_connection_was_swallowed(
    world: World, trial: int, record_property: Callable[[str, object], None]
) -> None:
    orders = opened(world, 240)
    with Wall(world.database).standing() as wall, working(wall.url):
        # Midway through its work, at a different moment in each trial.
        await is_at_work(world, 1)
        await asyncio.sleep(trial / 4)
        wall.swallow()
        began = time.monotonic()
        await asyncio.to_thread(pay, world, orders)
        await settled_after(world, 240, most=60)
        took = time.monotonic() - began
    record_property("seconds", round(took, 1))
    assert took < 30


@pytest.mark.full
async def test_without_the_watch_240_payments_wait_for_good(world: World) -> None:
    orders = opened(world, 240)
    with Wall(world.database).standing() as wall, working(wall.url, UNWATCHED):
        await is_at_work(world, 240)
        wall.swallow()
        await asyncio.to_thread(pay, world, orders)
        await asyncio.sleep(90)
    assert world.one(SETTLED) == 0


@pytest.mark.full
@pytest.mark.parametrize("trial", range(5))
async def test_a_standby_settles_240_payments_within_30_s_after_the_reader_was_stopped(
    world: World, trial: int, record_property: Callable[[str, object], None]
) -> None:
    orders = opened(world, 240)
    with working(world.database) as first:
        await is_at_work(world, 1)
        with working(world.database) as second:
            await asyncio.sleep(3 + trial / 4)
            await asyncio.to_thread(pay, world, orders[:120])
            # Usually this is in the middle of a transaction.
            await settled_after(world, 1, most=20)
            first.send_signal(signal.SIGSTOP)
            began, was = time.monotonic(), world.one(READER)
            await asyncio.to_thread(pay, world, orders[120:])
            await settled_after(world, 240, most=60)
            took = time.monotonic() - began
            assert world.one(READER) != was
            # It resumes where it was suspended, and finds that another process is the reader.
            first.send_signal(signal.SIGCONT)
            await asyncio.sleep(3)
            assert world.one(READER) != was
            assert second.poll() is None
    record_property("seconds", round(took, 1))
    assert took < 30
    assert world.one("SELECT count(*) FROM ledger_transfers") == 240


@pytest.mark.full
async def test_a_reader_that_kept_its_lease_while_stopped_would_let_payments_wait(world: World) -> None:
    orders = opened(world, 24)
    with working(world.database) as first:
        await is_at_work(world, 24)
        first.send_signal(signal.SIGSTOP)
        # The control: a lease held as a lock would be, for as long as its connection seems alive.
        world.run("UPDATE leases SET until = now() + interval '1 hour'")
        with working(world.database):
            await asyncio.to_thread(pay, world, orders)
            await asyncio.sleep(40)
            assert world.one(SETTLED) == 0
        first.send_signal(signal.SIGCONT)


@pytest.mark.full
async def test_the_reader_is_back_within_5_s_of_a_database_that_was_restarted(
    money_simulator: Process,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    monkeypatch.setenv("ONRAMP_API_URL", money_simulator.base)
    monkeypatch.setenv("ONRAMP_POLL_SECONDS", "1")
    monkeypatch.setenv("SECRET_KEY", "k" * 40)
    money_simulator.begin()
    took = []
    server = postgres.start(tmp_path)
    try:
        migrate(server.url)
        with Wall(server.url).standing() as wall, working(wall.url):
            for away_seconds in (1, 20, 60):
                world = World(server.url, money_simulator)
                before = world.one(SETTLED)
                orders = opened(world, 5)
                await is_at_work(world, before + 5)
                world.owner.close()
                await asyncio.to_thread(server.stop)
                pay(world, orders)
                await asyncio.sleep(away_seconds)
                server = await asyncio.to_thread(postgres.start, tmp_path)
                wall.lead_to(server.url)
                began = time.monotonic()
                with psycopg.connect(server.url, autocommit=True) as owner:
                    while owner.execute(SETTLED).fetchone()[0] < before + 5:
                        assert time.monotonic() - began < 30
                        await asyncio.sleep(0.05)
                took.append(round(time.monotonic() - began, 1))
    finally:
        server.stop()
    record_property("seconds", took)
    assert max(took) < 5
