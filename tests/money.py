"""Helpers for tests that add money through the whole application against a real simulator."""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
import psycopg

from onramp_app.domain.environment import Environment, StepSource
from onramp_app.domain.ids import new_id
from onramp_app.ledger.instructions import Delivery, receive_available
from onramp_app.ledger.transfers import Cause, Instruction
from tests import rows
from tests.databases import owner_of
from tests.people import Person
from tests.recorded_posting import post_on_record
from tests.simulator.process import Process

WANTED: Mapping[str, Any] = {
    "fiat_currency": "INR",
    "fiat_amount": "1000",
    "asset": "USDT",
    "network": "matic20",
    "payment_method": "UPI",
}


@dataclass
class Wallet:
    """The API over ASGI, the simulator behind it, and an owner's connection to the database."""

    client: httpx.AsyncClient
    simulator: Process
    database_url: str
    owner: psycopg.Connection = field(init=False)

    def __post_init__(self) -> None:
        self.owner = owner_of(self.database_url)

    async def create(self, person: Person, *, key: str | None = None, **changes: Any) -> httpx.Response:
        """Request a top-up with `changes` to the default body; a value of None omits the field."""
        body = {name: value for name, value in {**WANTED, **changes}.items() if value is not None}
        headers = person.headers | ({} if key is None else {"Idempotency-Key": key})
        return await self.client.post("/api/top-ups", json=body, headers=headers)

    async def created(self, person: Person, **changes: Any) -> dict[str, Any]:
        """Create a top-up that must succeed, honoring `Retry-After` once as a well-behaved program does.

        On a busy machine the simulator may exceed the client's timeout once.
        """
        answer = await self.create(person, **changes)
        if answer.status_code == 503:
            await asyncio.sleep(float(answer.headers["Retry-After"]))
            answer = await self.create(person, **changes)
        assert answer.status_code == 201, answer.text
        given: dict[str, Any] = answer.json()
        return given

    async def get(self, person: Person, path: str, **query: Any) -> httpx.Response:
        return await self.client.get(path, params=query, headers=person.headers)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.owner.execute(query.encode(), values).fetchall()

    def run(self, statement: str, *values: Any) -> None:
        self.owner.execute(statement.encode(), values)

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])

    def order_for(self, top_up_id: str, status_class: str = "opened", **columns: Any) -> str:
        """Write a top-up's provider order as the reader would, and make it the best one. Returns its id."""
        row = {
            "id": new_id(),
            "environment": "simulator",
            "provider": "onramp",
            "flow": "buy",
            "order_id": str(secrets.randbelow(10**12)),
            "top_up_id": top_up_id,
            "raw": "{}",
            "status_class": status_class,
            "first_seen_at": datetime.now().astimezone(),
            "read_at": datetime.now().astimezone(),
            "version": 1,
            "applied_version": 1,
        } | columns
        rows.insert(self.owner, "provider_orders", **row)
        self.run("UPDATE top_ups SET best_order_id = %s WHERE id = %s", row["id"], top_up_id)
        return str(row["id"])

    async def post(self, *instructions: Instruction) -> list[str]:
        """Post instructions to the books as the services do. Returns the ids of the transfers."""
        return [posted.transfer_id for posted in await post_on_record(instructions)]

    async def deliver(self, person: Person, top_up_id: str, *, amount: str = "11.25") -> Delivery:
        """Settle a top-up and post the delivery to the books."""
        row_id = self.settle(top_up_id, amount=amount)
        ((order_id,),) = self.rows("SELECT order_id FROM provider_orders WHERE id = %s", row_id)
        minor = int(Decimal(amount) * 10**18)
        delivery = Delivery(
            Environment.SIMULATOR, row_id, order_id, "USDT", "matic20", "0xaa", amount_minor=minor
        )
        cause = Cause(StepSource.POLL)
        await self.post(receive_available(delivery, user_id=person.id, top_up_id=top_up_id, cause=cause))
        return delivery

    def settle(self, top_up_id: str, *, amount: str = "11.25", at: datetime | None = None) -> str:
        """Write a top-up as settled without touching the books, for code that only reads top-ups."""
        order = self.order_for(
            top_up_id,
            "delivered",
            transaction_hash=f"0x{secrets.token_hex(32)}",
            asset="USDT",
            network="matic20",
            is_ours=True,
            delivered_rule="actual_minus_gas",
            delivered_minor=int(Decimal(amount) * 10**18),
        )
        moment = at or datetime.now().astimezone()
        self.run(
            "UPDATE top_ups SET status = 'settled', charged = 'yes', rank = 70, has_entry = true,"
            " received_minor = %s, received_asset = asset, settled_at = %s WHERE id = %s",
            int(Decimal(amount) * 10**18),
            moment,
            top_up_id,
        )
        return order


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    given: dict[str, Any] = answer.json()
    return given
