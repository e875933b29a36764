"""While another transaction holds a lock, unaffected requests succeed, and the rest is told to retry."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
import psycopg
import pytest

from onramp_app.db import engine
from onramp_app.running.worker import background_work
from onramp_app.top_ups import top_ups
from tests.money import Wallet
from tests.people import Person


async def _timed(call: Awaitable[httpx.Response]) -> tuple[int, float]:
    began = time.monotonic()
    answer = await call
    return answer.status_code, time.monotonic() - began


@dataclass
class Seen:
    """The answers while the lock was held: their statuses, and the seconds each took."""

    creations: list[tuple[int, float]]
    reads: list[tuple[int, float]]


async def _while_locked(wallet: Wallet, people: list[Person], seconds: float) -> Seen:
    """Lock the provider's orders for `seconds`, under a load of five new top-ups and five reads a second."""
    creations: list[asyncio.Task[tuple[int, float]]] = []
    reads: list[asyncio.Task[tuple[int, float]]] = []
    async with background_work():
        with psycopg.connect(wallet.database_url) as other:
            other.execute("LOCK TABLE provider_orders")
            deadline = time.monotonic() + seconds
            for person in itertools.cycle(people):
                creations.append(asyncio.create_task(_timed(wallet.create(person))))
                reads.append(asyncio.create_task(_timed(wallet.get(person, "/api/balances"))))
                await asyncio.sleep(0.2)
                if time.monotonic() > deadline:
                    break
            other.rollback()
        return Seen(await asyncio.gather(*creations), await asyncio.gather(*reads))


@pytest.mark.parametrize(
    ("seconds", "lock_wait"),
    [pytest.param(5, "1500ms", id="short"), pytest.param(60, None, id="full", marks=pytest.mark.full)],
)
async def test_balances_are_read_while_somebody_locks_the_providers_orders(
    wallet: Wallet,
    new_person: Callable[[], Awaitable[Person]],
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    lock_wait: str | None,
) -> None:
    if lock_wait is not None:
        monkeypatch.setattr(engine, "LOCK_WAIT", lock_wait)
    people = [await new_person() for _ in range(2 if lock_wait else 8)]
    seen = await _while_locked(wallet, people, seconds)
    # Only requests that were still waiting when the lock was released succeed.
    assert Counter(status for status, _ in seen.creations)[503] >= seconds
    # Without a timeout, the wait would last as long as the lock.
    assert max(took for _, took in seen.creations) < min(5, seconds - 0.5)
    assert {status for status, _ in seen.reads} == {200}
    assert max(took for _, took in seen.reads) < 1.5
    somebody = await new_person()  # The others may have reached the limit of open top-ups.
    assert (await wallet.create(somebody)).status_code == 201


@pytest.mark.full
async def test_control_without_shares_and_time_outs_all_reads_stand_still(
    wallet: Wallet, new_person: Callable[[], Awaitable[Person]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "LOCK_WAIT", "60s")
    monkeypatch.setattr(top_ups, "TOP_UP", engine.REQUEST)
    seen = await _while_locked(wallet, [await new_person() for _ in range(2)], 3)
    assert max(took for _, took in seen.reads) > 1.5
