"""Clocks are changed while money moves: no payment waits for a clock, and none is lost."""

import asyncio
import random
import secrets
import time
from pathlib import Path

import httpx
import pytest

from tests.chaos.fleet import METRICS_TOKEN, Child, running_fleet
from tests.chaos.payments import in_words, paid
from tests.crediting.world import World
from tests.databases import in_settings

WITHIN_SECONDS = 15
HOURS_AWAY = 5


def _seconds_ahead(child: Child) -> float:
    """Return how many seconds ahead the clock of a process is, by its own metrics."""
    headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
    text = httpx.get(f"{child.url}/metrics", headers=headers).text
    found = [line.split()[1] for line in text.splitlines() if line.startswith("reader_last_read_timestamp_")]
    return float(found[0]) - time.time() if found and float(found[0]) else 0.0


@pytest.mark.full
async def test_payments_are_credited_within_seconds_although_clocks_are_set_all_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = secrets.randbits(32)
    chance, furthest = random.Random(seed), 0.0
    with running_fleet(tmp_path, monkeypatch) as fleet:
        if not fleet.workers[0].has_own_clock:
            pytest.skip("no libfaketime (apt-get install faketime)")
        world = World(fleet.database.url, fleet.provider)
        # Half of the orders are found only by polling, as their webhooks are lost.
        for _ in range(8):
            world.simulator.scenario("lost_webhook", times=50)
        async with paid(world, 800, a_second=8) as payments:
            for _ in range(30):
                child = chance.choice(fleet.children)
                child.step_clock(chance.uniform(-3600, 3600) * HOURS_AWAY)
                await asyncio.sleep(3)
                ahead = [abs(await asyncio.to_thread(_seconds_ahead, one)) for one in fleet.workers]
                furthest = max(furthest, *ahead)
            await asyncio.to_thread(fleet.heal)
        async with in_settings(fleet.database.url, monkeypatch):
            assert await world.findings() == set()
        assert world.one("SELECT count(*) FROM ledger_transfers WHERE kind = 'receive'") == 800
        world.owner.close()
    delays = payments.delays()
    print(  # noqa: T201 - the figures
        f"seed {seed}: clocks up to {furthest / 3600:.1f} h away; from payment to credit {in_words(delays)}"
    )
    assert furthest > 600, "the clocks were really set"
    assert delays[-1] <= WITHIN_SECONDS, f"seed {seed}"
