"""Sender processes that are killed at any moment lose no webhook, and keep each object's order."""

import asyncio
import os
import random
import subprocess
import sys

import pytest

from onramp_app.config import PROJECT_DIR
from tests.outgoing_webhooks.conftest import Shop, happen
from tests.outgoing_webhooks.receiver import Receiver
from tests.people import Person
from tests.rows import Owner

KILLS = 50
OBJECTS = 40


def _start(database: str, *how: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.outgoing_webhooks.worker", *how],
        cwd=PROJECT_DIR,
        env={**os.environ, "APP_ENV": "test", "DATABASE_URL": database},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _is_done(owner: Owner) -> bool:
    return owner.execute("SELECT FROM outgoing_deliveries WHERE state = 'waiting' LIMIT 1").fetchone() is None


async def _killed(
    shop: Shop, owner: Owner, person: Person, receiver: Receiver, database: str, *how: str
) -> int:
    """Write events while two sender processes are killed repeatedly. Returns how many were written."""
    await shop.endpoint(receiver.url)
    written, workers = 0, [_start(database, *how) for _ in range(2)]
    try:
        for kill in range(KILLS):
            seen = len(receiver.got)
            for _ in range(10):
                await happen(person.id, of=f"top_up:{random.randrange(OBJECTS)}", number=written)
                written += 1
            # Midway: some have arrived, and more are in flight.
            for _ in range(200):
                if len(receiver.got) > seen + 3:
                    break
                await asyncio.sleep(0.02)
            await asyncio.sleep(random.random() * 0.05)
            victim = workers[kill % 2]
            victim.kill()
            victim.wait()
            workers[kill % 2] = _start(database, *how)
        async with asyncio.timeout(60):
            while not _is_done(owner):  # noqa: ASYNC110 - a database has nothing to await
                await asyncio.sleep(0.2)
        await asyncio.sleep(0.5)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    return written


@pytest.mark.full
async def test_fifty_kills_lose_nothing_and_keep_the_order(
    shop: Shop, owner: Owner, ada: Person, receiver: Receiver, database: str
) -> None:
    written = await _killed(shop, owner, ada, receiver, database)
    numbers = [got.data["number"] for got in receiver.got]
    assert set(numbers) == set(range(written))
    assert len(numbers) > written, "some came twice, so that kills hit what was under way"
    latest: dict[str, int] = {}
    sequence_of = dict(owner.execute("SELECT sequence, object FROM outgoing_events").fetchall())
    first_times = list(dict.fromkeys(got.data["sequence"] for got in receiver.got))
    for sequence in first_times:
        object_ = sequence_of[sequence]
        assert sequence > latest.get(object_, 0)
        latest[object_] = sequence


@pytest.mark.full
async def test_control_noted_before_it_is_sent_some_are_lost(
    shop: Shop, owner: Owner, ada: Person, receiver: Receiver, database: str
) -> None:
    written = await _killed(shop, owner, ada, receiver, database, "hasty")
    assert len({got.data["number"] for got in receiver.got}) < written
