"""A webhook that was answered with 200 is never lost, whatever is killed, and is credited within 10 s."""

import asyncio
import itertools
import random
import secrets
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psycopg
import pytest

from tests.chaos.fleet import Child, Fleet, running_fleet
from tests.chaos.sender import Sender
from tests.crediting.world import World
from tests.databases import in_settings

CREDITED_WITHIN_SECONDS = 10
# Slower than two processors could, so that what was killed starts meanwhile.
WEBHOOKS_A_SECOND = 120
WEBHOOKS_OF_A_ROUND = 1_000
CREDITED = (
    "SELECT o.order_id::bigint FROM ledger_transfers t JOIN provider_orders o ON o.id = t.provider_order_id"
    " WHERE t.kind = 'receive'"
)
# What is not on disk stays in memory for so long, where nobody waits for the disk.
UNHURRIED = {"wal_writer_delay": "10s"}


@dataclass
class Payments:
    """Orders that are paid one after the other, and when each was first seen in the books."""

    world: World
    orders: list[int] = field(default_factory=list)
    credited: dict[int, float] = field(default_factory=dict)
    ending: threading.Event = field(default_factory=threading.Event)

    def pay(self, number: int, seconds: float) -> None:
        """Deliver so many orders, spread over the time. No webhook comes but those that the test sends."""
        begun = time.monotonic()
        for one in range(number):
            if self.ending.wait(max(0.0, begun + one * seconds / number - time.monotonic())):
                return
            order = self.world.open_order(self.world.top_up(self.world.user()))
            self.world.simulator.move(order, 4)
            self.orders.append(order)

    def watch(self) -> None:
        """Note when an order is in the books."""
        with psycopg.connect(self.world.database, autocommit=True) as owner:
            while not self.ending.wait(0.1):
                for (order,) in owner.execute(CREDITED).fetchall():
                    self.credited.setdefault(order, time.monotonic())

    def delays(self, sender: Sender) -> list[float]:
        """Return how long after its first acknowledged webhook each announced order was in the books."""
        told: dict[int, float] = {}
        for at, order in sender.acknowledged.values():
            told[int(order)] = min(at, told.get(int(order), at))
        return [max(0.0, self.credited[order] - at) for order, at in told.items()]


@asynccontextmanager
async def paid(world: World, number: int, *, seconds: float) -> AsyncIterator[Payments]:
    """Have orders paid and watched for as long as the context lasts; it begins with the first one."""
    payments = Payments(world)
    doing = [
        threading.Thread(target=payments.pay, args=(number, seconds)),
        threading.Thread(target=payments.watch),
    ]
    for one in doing:
        one.start()
    try:
        async with asyncio.timeout(30):
            while not payments.orders:  # noqa: ASYNC110 - a thread tells nobody
                await asyncio.sleep(0.1)
        yield payments
    finally:
        payments.ending.set()
        for one in doing:
            one.join()


async def _kill(fleet: Fleet, chance: random.Random, *, kills: int, done: asyncio.Event) -> int:
    """Kill an instance and a worker at a time, in any of their moments, until told; at least so often."""
    killed = 0
    while killed < kills or not done.is_set():
        pair: list[Child] = [chance.choice(fleet.instances), chance.choice(fleet.workers)]
        for child in pair:
            child.kill()
            child.start()
            killed += 1
        for child in pair:
            await asyncio.to_thread(child.wait_until_ready)
        await asyncio.sleep(chance.uniform(0, 1))
    return killed


@pytest.mark.full
@pytest.mark.parametrize(
    ("kills", "webhooks", "orders"), [(6, 1_500, 20), (300, 100_000, 1_000)], ids=["few", "all"]
)
async def test_no_acknowledged_webhook_is_lost_to_killed_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kills: int, webhooks: int, orders: int
) -> None:
    seed = secrets.randbits(32)
    with running_fleet(tmp_path, monkeypatch) as fleet:
        world = World(fleet.database.url, fleet.provider)
        world.simulator.scenario("lost_webhook", times=None)
        async with paid(world, orders, seconds=webhooks / WEBHOOKS_A_SECOND) as payments:
            sender = Sender([one.url for one in fleet.instances], lambda: payments.orders[-1])
            sent = asyncio.Event()
            killing = asyncio.create_task(_kill(fleet, random.Random(seed), kills=kills, done=sent))
            await sender.send(range(webhooks), a_second=WEBHOOKS_A_SECOND)
            sent.set()
            killed = await killing
            await world.until(lambda: len(payments.credited) == orders, seconds=30)
        assert sender.lost(fleet.database.url) == set(), f"seed {seed}"
        assert world.one("SELECT count(*) FROM ledger_transfers WHERE kind = 'receive'") == orders
        async with in_settings(fleet.database.url, monkeypatch):
            assert await world.findings() == set()
        world.owner.close()
    delays = payments.delays(sender)
    print(  # noqa: T201 - the figures
        f"seed {seed}: {killed} kills, {len(sender.acknowledged)} acknowledged, answers"
        f" {dict(sender.answers)}, {len(delays)} of {orders} orders announced; credited after a median of"
        f" {median(delays):.1f} s and {max(delays):.1f} s at most"
    )
    assert len(sender.acknowledged) == webhooks
    assert len(delays) > orders / 2, "webhooks came for most"
    assert max(delays) <= CREDITED_WITHIN_SECONDS, f"seed {seed}"


@pytest.mark.full
@pytest.mark.parametrize("rounds", [10])
async def test_no_acknowledged_webhook_is_lost_to_a_killed_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    with running_fleet(tmp_path, monkeypatch, settings=UNHURRIED) as fleet:
        for number in range(rounds):
            assert await _lost_to_a_crash(fleet, first=number * WEBHOOKS_OF_A_ROUND) == set()


@pytest.mark.full
async def test_the_control_without_waiting_for_the_disk_some_are_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = "tests.chaos.hasty_inbox_instance:app"
    with running_fleet(tmp_path, monkeypatch, app=app, settings=UNHURRIED) as fleet:
        for worker in fleet.workers:
            worker.kill()  # What they commit would take the inbox along to the disk.
        assert await _lost_to_a_crash(fleet, first=0) != set()


async def _lost_to_a_crash(fleet: Fleet, *, first: int) -> set[int]:
    """Kill the database in the middle of webhooks. Return those that were acknowledged and are gone."""
    sender = Sender([one.url for one in fleet.instances], itertools.count(first).__next__)
    sending = asyncio.create_task(
        sender.send(range(first, first + WEBHOOKS_OF_A_ROUND), a_second=200, most_tries=60)
    )
    await asyncio.sleep(WEBHOOKS_OF_A_ROUND / 200 / 2)
    await asyncio.to_thread(fleet.database.crash)
    before = len(sender.acknowledged)
    await asyncio.to_thread(fleet.database.start)
    await sending
    assert 0 < before < len(sender.acknowledged) == WEBHOOKS_OF_A_ROUND
    return sender.lost(fleet.database.url)
