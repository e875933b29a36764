"""Faults of every kind are injected while people add money: nothing is lost, and nothing is booked twice.

A run consists of rounds, and after each round everything is compared. CHAOS_SEED repeats the faults of a run,
as far as the scheduling of processes allows, and CHAOS_ROUND is the round to start with: to resume an
interrupted run, set both to the values that it printed last.
"""

import asyncio
import os
import random
import secrets
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psycopg
import pytest

from onramp_app.config import get_settings
from onramp_app.db.engine import dispose, transaction
from onramp_app.ledger.verification import verify_ledger
from tests.chaos.faults import Faults
from tests.chaos.fleet import Fleet, running_fleet
from tests.chaos.load import Load

SETTLED_WITHIN_SECONDS = 90


async def _findings(url: str, patch: pytest.MonkeyPatch) -> list[object]:
    patch.setenv("DATABASE_URL", url)
    get_settings.cache_clear()
    await dispose()
    async with transaction() as db:
        found: list[object] = list(await verify_ledger(db))
    await dispose()
    get_settings.cache_clear()
    return found


async def _round(fleet: Fleet, load: Load, number: int, *, seed: int, seconds: float) -> Counter[str]:
    """Inject faults for some seconds, then compare. Returns how often each fault was injected."""
    load.register(number)
    with load.going_on():
        hurt = await asyncio.to_thread(Faults(fleet, random.Random(f"{seed} {number}")).hurt, seconds)
    await asyncio.to_thread(fleet.heal)
    with psycopg.connect(fleet.database.superuser_url, autocommit=True) as owner:
        began = time.monotonic()
        while wrong := load.wrong(owner):
            assert time.monotonic() - began < SETTLED_WITHIN_SECONDS, "\n".join(wrong)
            await asyncio.sleep(0.5)
    _print(
        f"CHAOS_SEED={seed} CHAOS_ROUND={number}: {len(load.paid)} payments, {hurt.total()} faults, all"
        f" settled {time.monotonic() - began:.1f} s after the last"
    )
    return hurt


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@pytest.mark.parametrize(
    ("rounds", "seconds", "crowd"),
    [
        pytest.param(1, 12, {"persons": 2, "rest_seconds": 0.5}, id="twelve seconds"),
        pytest.param(30, 60, {}, id="half an hour", marks=pytest.mark.full),
    ],
)
async def test_nothing_is_lost_and_nothing_is_booked_twice(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rounds: int,
    seconds: int,
    crowd: dict[str, Any],
) -> None:
    seed, first = (
        int(os.environ.get("CHAOS_SEED", secrets.randbits(32))),
        int(os.environ.get("CHAOS_ROUND", "1")),
    )
    hurt: Counter[str] = Counter()
    with running_fleet(tmp_path, monkeypatch) as fleet:
        load = Load(fleet, **crowd)
        for number in range(first, rounds + 1):
            _print(f"CHAOS_SEED={seed} CHAOS_ROUND={number}")
            hurt += await _round(fleet, load, number, seed=seed, seconds=seconds)
            assert await _findings(fleet.database.url, monkeypatch) == []
        _print(f"{dict(load.answers)} answers, {hurt.total()} faults of {len(hurt)} kinds: {dict(hurt)}")
        assert load.faults == []
        assert len(load.paid) > (rounds - first + 1) * seconds / 20, "people could pay"
        # The control: the comparison notices a top-up that is not settled, and an order that is not booked.
        order = min(load.delivered)
        with psycopg.connect(fleet.database.superuser_url, autocommit=True) as owner:
            owner.execute("SET session_replication_role = replica")
            owner.execute("UPDATE top_ups SET status = 'reversed' WHERE id = %s", (load.paid[order],))
            owner.execute("UPDATE provider_orders SET order_id = '1' WHERE order_id = %s", (str(order),))
            assert len(load.wrong(owner)) == 2
        assert await _findings(fleet.database.url, monkeypatch) != []
