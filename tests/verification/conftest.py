"""Fixtures: people who are verified on the simulator's identity page, and what is stored about it."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from onramp_app.config import get_settings
from onramp_app.providers import connection
from onramp_app.verification import reader
from tests.api.conftest import ada, bo, client, new_person, wallet
from tests.money import Wallet
from tests.people import Person

__all__ = ["ada", "bo", "client", "new_person", "wallet"]

PHONE = "+91 99999 99999"
WHITE_LABEL = "/onramp/api/v2/whiteLabel"


@dataclass
class Identity:
    """The white-label line, driven through our API and the provider's page."""

    wallet: Wallet

    async def start(self, person: Person, phone: str | None = PHONE) -> httpx.Response:
        body = {} if phone is None else {"phone": phone}
        return await self.wallet.client.post("/api/kyc/start", json=body, headers=person.headers)

    async def started(self, person: Person, phone: str | None = PHONE) -> str:
        """Start a verification, which must succeed. Returns the URL of the provider's page."""
        answer = await self.start(person, phone)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["url"])

    def choose(self, url: str, *statuses: str) -> None:
        """Press buttons on the provider's page."""
        for status in statuses:
            address = url.replace("localhost", "127.0.0.1")
            assert self.wallet.simulator.client.post(address, data={"status": status}).status_code == 303

    def change(self, customer_id: str, status: str) -> None:
        """Change a customer's status as the provider's staff would."""
        body = {"customerId": customer_id, "status": status}
        self.wallet.simulator.data(f"{WHITE_LABEL}/test/changeKycStatus", body)

    async def read(self) -> int:
        """Read everybody who is due from the provider. Returns how many there were."""
        count = 0
        while await reader.read_next():
            count += 1
        return count

    async def look(self, person: Person) -> dict[str, Any]:
        """Visit as a person, which triggers a read from the provider; return their standing afterwards."""
        self.wallet.run("UPDATE verification_customers SET read_at = read_at - interval '2 hours'")
        await self.wallet.get(person, "/api/kyc")
        await self.read()
        found: dict[str, Any] = (await self.wallet.get(person, "/api/kyc")).json()
        return found

    def standing(self, person: Person) -> tuple[str, str]:
        ((status, tier),) = self.wallet.rows(
            "SELECT kyc_status, kyc_tier FROM users WHERE id = %s", person.id
        )
        return status, tier

    def history(self, person: Person) -> list[tuple[str, str, str, str | None]]:
        """Return each step's from, to, source and the provider's word, oldest first."""
        return self.wallet.rows(
            "SELECT from_status || ' ' || from_tier, to_status || ' ' || to_tier, source, word"
            " FROM verification_steps WHERE user_id = %s ORDER BY id",
            person.id,
        )

    def customer(self, person: Person) -> dict[str, Any]:
        """Return the person's customer record, without times."""
        rows = self.wallet.rows(
            "SELECT client_customer_id, customer_id, is_proven, last_word, due_at IS NOT NULL"
            " FROM verification_customers WHERE user_id = %s",
            person.id,
        )
        names = ("client_customer_id", "customer_id", "is_proven", "last_word", "is_due")
        return dict(zip(names, rows[0], strict=True)) if rows else {}


def limit(monkeypatch: pytest.MonkeyPatch, **limits: Any) -> None:
    """Set LIMITS in dollars; a dollar is 80 rupees."""
    monkeypatch.setenv("LIMITS", json.dumps({"currency": "USD", **limits}))
    get_settings.cache_clear()


@pytest.fixture
async def identity(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Identity]:
    monkeypatch.setenv("ONRAMP_WHITE_LABEL", "on")
    get_settings.cache_clear()
    for symbol, price in (("USDT", "1"), ("USD", "1"), ("INR", "80")):
        wallet.run(f"INSERT INTO exchange_rates VALUES ('simulator', '{symbol}', {price}, now())")
    yield Identity(wallet)
    await connection.close()
