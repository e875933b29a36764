"""A webhook that was answered with 200 is never lost, whatever is killed, and is credited within 10 s."""

import asyncio
import itertools
import random
import secrets
from pathlib import Path

import pytest

from tests.chaos.fleet import Child, Fleet, running_fleet
from tests.chaos.payments import in_words, paid
from tests.chaos.sender import Sender
from tests.crediting.world import World
from tests.databases import in_settings

CREDITED_WITHIN_SECONDS = 10
# Slower than two processors could go, so that killed processes have time to restart.
WEBHOOKS_A_SECOND = 120
WEBHOOKS_OF_A_ROUND = 1_000
# How long a commit stays only in memory if nobody waits for the disk.
UNHURRIED = {"wal_writer_delay": "10s"}


async def _kill(fleet: Fleet, chance: random.Random, *, kills: int, done: asyncio.Event) -> int:
    """Kill an instance and a worker at random moments until `done` is set; at least `kills` processes.

    Returns the number of kills.
    """
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
        async with paid(world, orders, a_second=orders * WEBHOOKS_A_SECOND / webhooks) as payments:
            sender = Sender([one.url for one in fleet.instances], lambda: payments.newest)
            sent = asyncio.Event()
            killing = asyncio.create_task(_kill(fleet, random.Random(seed), kills=kills, done=sent))
            await sender.send(range(webhooks), a_second=WEBHOOKS_A_SECOND)
            sent.set()
            killed = await killing
        assert sender.lost(fleet.database.url) == set(), f"seed {seed}"
        assert world.one("SELECT count(*) FROM ledger_transfers WHERE kind = 'receive'") == orders
        async with in_settings(fleet.database.url, monkeypatch):
            assert await world.findings() == set()
        world.owner.close()
    delays = sorted(max(0.0, payments.ended[order][1] - at) for order, at in sender.acknowledged_at().items())
    print(  # noqa: T201 - the figures
        f"seed {seed}: {killed} kills, {len(sender.acknowledged)} acknowledged, answers"
        f" {dict(sender.answers)}; from the first webhook of an order to its credit {in_words(delays)}"
    )
    assert len(sender.acknowledged) == webhooks
    assert len(delays) > orders / 2, "webhooks came for most"
    assert delays[-1] <= CREDITED_WITHIN_SECONDS, f"seed {seed}"


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
            worker.kill()  # Their durable commits would flush the inbox's to disk as well.
        assert await _lost_to_a_crash(fleet, first=0) != set()


async def _lost_to_a_crash(fleet: Fleet, *, first: int) -> set[int]:
    """Crash the database while webhooks arrive. Returns those that were acknowledged and are gone."""
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
