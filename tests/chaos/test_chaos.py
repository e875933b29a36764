"""Everything that can be hurt is hurt while people add money: nothing is lost, and nothing is booked twice.

CHAOS_SEED repeats a run's faults, as far as processes keep to an order.
"""

import asyncio
import itertools
import os
import random
import secrets
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from redis import Redis
from redis.exceptions import RedisError

from onramp_app.config import get_settings
from onramp_app.db.engine import dispose, transaction
from onramp_app.ledger.verification import verify_ledger
from tests.chaos.fleet import Fleet, running_fleet
from tests.money import WANTED
from tests.people import PASSWORD

PEOPLE = 12
SETTLED_WITHIN_SECONDS = 90
SCALE = 10**18


@dataclass
class Load:
    """People who begin top-ups and pay; what was promised to them, and what they paid."""

    fleet: Fleet
    ending: threading.Event = field(default_factory=threading.Event)
    tokens: list[str] = field(default_factory=list)
    answers: Counter[int] = field(default_factory=Counter)
    promised: set[str] = field(default_factory=set)
    paid: dict[int, str] = field(default_factory=dict)  # the provider's order, and the top-up it pays
    delivered: dict[int, int] = field(default_factory=dict)  # the provider's order, and its minor units
    faults: list[str] = field(default_factory=list)

    def register(self) -> None:
        for number in range(PEOPLE):
            body = {"email": f"p{secrets.token_hex(6)}@example.com", "password": PASSWORD, "country": "IN"}
            answer = httpx.post(
                f"{self.fleet.instances[0].url}/api/auth/register", json=body, headers=_network(number)
            )
            assert answer.status_code == 201, answer.text
            self.tokens.append(answer.json()["access_token"])

    def run(self) -> None:
        """Begin and pay until told to end. A request that failed is sent again with the same key."""
        with httpx.Client(timeout=10) as client:
            for number in itertools.count():
                if self.ending.is_set():
                    return
                try:
                    self._one(client, number)
                except AssertionError as error:
                    self.faults.append(str(error))
                time.sleep(0.05)

    def _one(self, client: httpx.Client, number: int) -> None:
        key, person = secrets.token_hex(16), number % PEOPLE
        headers = {
            "Authorization": f"Bearer {self.tokens[person]}", "Idempotency-Key": key, **_network(person)
        }  # fmt: skip
        for attempt in range(40):
            if self.ending.is_set():
                return
            url = f"{self.fleet.instances[(number + attempt) % 2].url}/api/top-ups"
            try:
                answer = client.post(url, json=WANTED, headers=headers)
            except httpx.HTTPError:
                time.sleep(0.5)
                continue
            self.answers[answer.status_code] += 1
            if answer.status_code == 201:
                self._pay(answer.json())
                return
            assert answer.status_code in (409, 429, 503), answer.text
            time.sleep(min(2.0, float(answer.headers.get("Retry-After", "1"))))

    def _pay(self, top_up: dict[str, Any]) -> None:
        self.promised.add(top_up["id"])
        if top_up["widget_url"] is None:
            return  # The offer ended while the answer was on its way.
        control = self.fleet.provider.control
        number = int(control("orders", {"widget_url": top_up["widget_url"]})["orderId"])
        for status in (1, 2, 4):
            order = control(f"orders/{number}", {"status": status})
        self.paid[number] = top_up["id"]
        self.delivered[number] = int(
            (Decimal(order["actualCryptoAmount"]) - Decimal(order["gasFee"])) * SCALE
        )


def _network(number: int) -> dict[str, str]:
    return {"X-Forwarded-For": f"10.{number}.0.1"}


def _faults(fleet: Fleet, chance: random.Random) -> dict[str, Callable[[], None]]:
    """Return each fault by its name. Those that last end on their own."""
    child = chance.choice(fleet.children)

    def freeze() -> None:
        child.send(signal.SIGSTOP)
        time.sleep(chance.uniform(1, 9))
        child.send(signal.SIGCONT)

    def restart_database() -> None:
        fleet.database.stop()
        time.sleep(chance.uniform(0, 3))
        fleet.database.start()

    def restart_redis() -> None:
        fleet.redis.kill()
        time.sleep(chance.uniform(0, 3))
        fleet.redis.start()

    def flush_redis() -> None:
        try:
            Redis.from_url(fleet.redis.url).flushall()
        except RedisError:
            fleet.redis.start()

    def hold_locks() -> None:
        with psycopg.connect(fleet.database.url) as other:
            other.execute("LOCK TABLE provider_orders, top_ups IN ACCESS EXCLUSIVE MODE")
            time.sleep(chance.uniform(0.5, 4))

    def provider(name: str, **more: Any) -> Callable[[], None]:
        return lambda: fleet.provider.control("scenario", {"name": name, **more})

    return {
        f"kill {child.name}": child.kill,
        f"freeze {child.name}": freeze,
        "restart the database": restart_database,
        "restart Redis": restart_redis,
        "flush Redis": flush_redis,
        "hold locks": hold_locks,
        "provider away": provider("api_down", value=chance.randint(1, 5), times=None),
        "provider slow": provider("api_slow", value=2, times=5),
        "provider limits": provider("rate_limited", times=3),
        "history lags": provider("history_lags", value=3, times=None),
        "webhooks lost": provider("lost_webhook", times=8),
        "webhooks doubled": provider("duplicate_webhooks", times=8),
        "webhooks out of order": provider("out_of_order", times=8),
        "webhooks late": provider("delayed_webhook", value=4, times=8),
    }


def _hurt(fleet: Fleet, chance: random.Random, seconds: float) -> Counter[str]:
    """Hurt one thing after another, and start again what was killed, as a supervisor does."""
    done: Counter[str] = Counter()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        name, fault = chance.choice(list(_faults(fleet, chance).items()))
        fault()
        done[name] += 1
        time.sleep(chance.uniform(0.2, 1.5))
        for child in fleet.children:
            if child.process is not None and child.process.poll() is not None:
                child.start()
    return done


def _wrong(owner: psycopg.Connection[Any], load: Load) -> list[str]:
    """Compare what was promised and paid with what is booked; return in words what does not agree."""
    booked = dict(
        owner.execute(
            "SELECT o.order_id::bigint, sum(e.amount_minor)::text FROM ledger_transfers t"
            " JOIN provider_orders o ON o.id = t.provider_order_id"
            " JOIN ledger_entries e ON e.transfer_id = t.id JOIN ledger_accounts a ON a.id = e.account_id"
            " WHERE t.kind = 'receive' AND a.name LIKE 'user:%' GROUP BY 1"
        ).fetchall()
    )
    twice = owner.execute(
        "SELECT provider_order_id FROM ledger_transfers WHERE kind = 'receive' GROUP BY 1 HAVING count(*) > 1"
    ).fetchall()
    settled = {row[0] for row in owner.execute("SELECT id FROM top_ups WHERE status = 'settled'")}
    there = {row[0] for row in owner.execute("SELECT id FROM top_ups")}
    return [
        *(f"top-up {one} was promised and is gone" for one in load.promised - there),
        *(f"top-up {one} was paid and is not settled" for one in set(load.paid.values()) - settled),
        *(f"order {order} booked as {booked.get(order)}, delivered {amount}"
          for order, amount in load.delivered.items() if abs(int(booked.get(order, 0))) != amount),
        *(f"order {row[0]} is booked twice" for row in twice),
    ]  # fmt: skip


async def _findings(url: str, patch: pytest.MonkeyPatch) -> list[object]:
    patch.setenv("DATABASE_URL", url)
    get_settings.cache_clear()
    await dispose()
    async with transaction() as db:
        found: list[object] = list(await verify_ledger(db))
    await dispose()
    get_settings.cache_clear()
    return found


@pytest.mark.full
@pytest.mark.parametrize("seconds", [60, 1800], ids=["a minute", "half an hour"])
async def test_nothing_is_lost_and_nothing_is_booked_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int
) -> None:
    seed = int(os.environ.get("CHAOS_SEED", secrets.randbelow(2**32)))
    with running_fleet(tmp_path, monkeypatch) as fleet:
        load = Load(fleet)
        load.register()
        paying = threading.Thread(target=load.run)
        paying.start()
        try:
            hurt = _hurt(fleet, random.Random(seed), seconds)
        finally:
            load.ending.set()
            paying.join(60)
        fleet.heal()
        with psycopg.connect(fleet.database.superuser_url, autocommit=True) as owner:
            began = time.monotonic()
            while wrong := _wrong(owner, load):
                assert time.monotonic() - began < SETTLED_WITHIN_SECONDS, f"seed {seed}\n" + "\n".join(wrong)
                await asyncio.sleep(0.5)
            took = time.monotonic() - began
            assert await _findings(fleet.database.url, monkeypatch) == [], f"seed {seed}"
            sys.stdout.write(
                f"seed {seed}: {len(load.paid)} payments, {dict(load.answers)} answers, {hurt.total()} faults"
                f" ({len(hurt)} kinds), all settled {took:.1f} s after the last\n"
            )
            assert load.faults == []
            assert len(load.paid) > seconds / 3, "somebody could pay"
            # The control: the comparison notices what is not settled, and what is not booked.
            order = min(load.delivered)
            owner.execute("SET session_replication_role = replica")
            owner.execute("UPDATE top_ups SET status = 'reversed' WHERE id = %s", (load.paid[order],))
            owner.execute("UPDATE provider_orders SET order_id = '1' WHERE order_id = %s", (str(order),))
            assert len(_wrong(owner, load)) == 2
            assert await _findings(fleet.database.url, monkeypatch) != []
