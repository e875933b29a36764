"""The database goes down again and again while webhooks arrive: some are sent again, and none is lost."""

import asyncio
import itertools
import random
import secrets
import time
from pathlib import Path

import pytest

from tests.chaos.fleet import running_fleet
from tests.chaos.sender import Sender
from tests.crediting.world import World
from tests.databases import in_settings

EVENTS = 1_000
WITHIN_SECONDS = 5


@pytest.mark.full
@pytest.mark.parametrize("outages", [20])
async def test_what_is_acknowledged_in_an_outage_is_stored_and_the_rest_is_told_when_to_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outages: int
) -> None:
    seed, slowest = secrets.randbits(32), 0.0
    chance, orders = random.Random(seed), itertools.cycle(range(1, 6))
    with running_fleet(tmp_path, monkeypatch) as fleet:
        sender = Sender([one.url for one in fleet.instances], lambda: next(orders))
        for number in range(outages):
            world = World(fleet.database.url, fleet.provider)
            world.simulator.scenario("lost_webhook", times=None)
            paid = world.open_order(world.top_up(world.user()))
            world.owner.close()
            events = range(number * EVENTS, (number + 1) * EVENTS)
            sending = asyncio.create_task(sender.send(events, a_second=200))
            await asyncio.sleep(chance.uniform(0.5, 2))
            await asyncio.to_thread(chance.choice((fleet.database.stop, fleet.database.crash)))
            fleet.provider.move(paid, 4)
            await asyncio.sleep(chance.uniform(0.5, 4))
            await asyncio.to_thread(fleet.database.start)
            back = time.time()
            await sending
            first = min(at for at, _ in sender.acknowledged.values() if at > back)
            slowest = max(slowest, first - back)
        world = World(fleet.database.url, fleet.provider)
        await world.until(
            lambda: world.one("SELECT count(*) FROM top_ups WHERE status = 'settled'") == outages, seconds=30
        )
        assert sender.lost(fleet.database.url) == set(), f"seed {seed}"
        async with in_settings(fleet.database.url, monkeypatch):
            assert await world.findings() == set()
        world.owner.close()
    print(  # noqa: T201 - the figures
        f"seed {seed}: {outages} outages, {len(sender.acknowledged)} acknowledged, answers"
        f" {dict(sender.answers)}; acknowledged again {slowest:.1f} s after the return at most"
    )
    assert len(sender.acknowledged) == outages * EVENTS
    assert set(sender.answers) == {200, 503}
    assert sender.without_retry_after == 0
    assert slowest <= WITHIN_SECONDS, f"seed {seed}"


@pytest.mark.full
async def test_the_control_what_is_acknowledged_without_being_stored_is_found_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = "tests.chaos.polite_inbox_instance:app"
    with running_fleet(tmp_path, monkeypatch, app=app) as fleet:
        sender = Sender([one.url for one in fleet.instances], lambda: 1)
        sending = asyncio.create_task(sender.send(range(EVENTS), a_second=200))
        await asyncio.sleep(1)
        await asyncio.to_thread(fleet.database.stop)
        await asyncio.sleep(2)
        await asyncio.to_thread(fleet.database.start)
        await sending
        assert len(sender.acknowledged) == EVENTS
        assert sender.lost(fleet.database.url) != set()
