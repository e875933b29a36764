"""People who add money while faults are injected, and the comparison of their payments with the books."""

import itertools
import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx
import psycopg

from tests.chaos.fleet import Fleet
from tests.money import WANTED
from tests.people import PASSWORD

AT_ONCE = 4  # enough to contend for locks and capacity
SCALE = 10**18


@dataclass
class Load:
    """People who create top-ups and pay; what was promised to them, and what they paid."""

    fleet: Fleet
    persons: int = 12
    rest_seconds: float = 0.05  # between two top-ups of one thread
    people: list[dict[str, str]] = field(default_factory=list)  # the headers of their requests
    answers: Counter[int] = field(default_factory=Counter)
    promised: set[str] = field(default_factory=set)
    paid: dict[int, str] = field(default_factory=dict)  # the provider's order, and the top-up it pays
    delivered: dict[int, int] = field(default_factory=dict)  # the provider's order, and its minor units
    faults: list[str] = field(default_factory=list)
    _ending: threading.Event = field(default_factory=threading.Event)

    def register(self, turn: int) -> None:
        """Register new people, each from a network of their own."""
        self.people = []
        for number in range(self.persons):
            body = {"email": f"p{secrets.token_hex(6)}@example.com", "password": PASSWORD, "country": "IN"}
            network = {"X-Forwarded-For": f"10.{turn}.{number}.1"}
            url = f"{self.fleet.instances[0].url}/api/auth/register"
            # The long timeout: the processes have only just started.
            answer = httpx.post(url, json=body, headers=network, timeout=60, verify=False)
            assert answer.status_code == httpx.codes.CREATED, answer.text
            self.people.append({"Authorization": f"Bearer {answer.json()['access_token']}", **network})

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Keep people creating and paying top-ups for as long as the context lasts."""
        self._ending.clear()
        paying = [threading.Thread(target=self._run, args=(first,)) for first in range(AT_ONCE)]
        for one in paying:
            one.start()
        try:
            yield
        finally:
            self._ending.set()
            for one in paying:
                one.join(60)

    def _run(self, first: int) -> None:
        with httpx.Client(timeout=10, verify=False) as client:
            for number in itertools.count(first, AT_ONCE):
                try:
                    self._one(client, number)
                except AssertionError as error:
                    self.faults.append(str(error))
                if self._ending.wait(self.rest_seconds):
                    return

    def _one(self, client: httpx.Client, number: int) -> None:
        """Create one top-up and pay it. A failed request is retried with the same idempotency key."""
        headers = {"Idempotency-Key": secrets.token_hex(16), **self.people[number % self.persons]}
        for attempt in range(40):
            url = f"{self.fleet.instances[(number + attempt) % 2].url}/api/top-ups"
            wait = 0.5
            try:
                answer = client.post(url, json=WANTED, headers=headers)
            except httpx.HTTPError:
                pass
            else:
                self.answers[answer.status_code] += 1
                if answer.status_code == httpx.codes.CREATED:
                    self._pay(answer.json())
                    return
                # 401: an instance with a shifted clock takes a token for expired, or for not valid yet.
                assert answer.status_code in (401, 409, 429, 503), answer.text
                wait = min(2.0, float(answer.headers.get("Retry-After", "1")))
            if self._ending.wait(wait):
                return

    def _pay(self, top_up: dict[str, Any]) -> None:
        self.promised.add(top_up["id"])
        if top_up["widget_url"] is None:
            return  # The offer expired while the answer was on its way.
        control = self.fleet.provider.control
        number = int(control("orders", {"widget_url": top_up["widget_url"]})["orderId"])
        for status in (1, 2, 4):
            order = control(f"orders/{number}", {"status": status})
        self.paid[number] = top_up["id"]
        self.delivered[number] = int(
            (Decimal(order["actualCryptoAmount"]) - Decimal(order["gasFee"])) * SCALE
        )

    def wrong(self, owner: psycopg.Connection[Any]) -> list[str]:
        """Compare what was promised and paid with the books; return the differences in words."""
        booked = dict(
            owner.execute(
                "SELECT o.order_id::bigint, sum(e.amount_minor)::text FROM ledger_transfers t"
                " JOIN provider_orders o ON o.id = t.provider_order_id"
                " JOIN ledger_entries e ON e.transfer_id = t.id JOIN ledger_accounts a ON a.id = e.account_id"
                " WHERE t.kind = 'receive' AND a.name LIKE 'user:%' GROUP BY 1"
            ).fetchall()
        )
        twice = owner.execute(
            "SELECT provider_order_id FROM ledger_transfers WHERE kind = 'receive'"
            " GROUP BY 1 HAVING count(*) > 1"
        ).fetchall()
        settled = {row[0] for row in owner.execute("SELECT id FROM top_ups WHERE status = 'settled'")}
        there = {row[0] for row in owner.execute("SELECT id FROM top_ups")}
        return [
            *(f"top-up {one} was promised and is gone" for one in self.promised - there),
            *(f"top-up {one} was paid and is not settled" for one in set(self.paid.values()) - settled),
            *(f"order {order} booked as {booked.get(order)}, delivered {amount}"
              for order, amount in self.delivered.items() if abs(int(booked.get(order, 0))) != amount),
            *(f"order {row[0]} is booked twice" for row in twice),
        ]  # fmt: skip
