"""From the request to the balance, through API, background work and a real simulator, no row inserted."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.ledger.verification import verify_ledger
from onramp_app.running.worker import background_work
from tests.money import Wallet
from tests.people import Person


@pytest.fixture
async def working(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wallet]:
    monkeypatch.setenv("ONRAMP_POLL_SECONDS", "1")
    get_settings.cache_clear()
    async with background_work():
        yield wallet


async def becomes(wallet: Wallet, person: Person, top_up_id: str, status: str) -> dict[str, Any]:
    for _ in range(100):
        seen: dict[str, Any] = (await wallet.get(person, f"/api/top-ups/{top_up_id}")).json()
        if seen["status"] == status:
            return seen
        await asyncio.sleep(0.1)
    pytest.fail(f"it stayed {seen['status']}: {seen['timeline']}")


async def test_a_payment_reaches_the_balance(working: Wallet, ada: Person) -> None:
    given = await working.created(ada)
    order_id = working.simulator.control("orders", {"widget_url": given["widget_url"]})["orderId"]
    waiting = await becomes(working, ada, given["id"], "awaiting_payment")
    assert waiting["widget_url"] == given["widget_url"]
    working.simulator.move(order_id, 2)
    paid = await becomes(working, ada, given["id"], "processing")
    assert (paid["charged"], paid["widget_url"]) == ("yes", None)
    (expected,) = (await working.get(ada, "/api/balances")).json()["items"]
    assert (expected["available"], expected["pending"]) == ("0", given["quote"]["expected_amount"])
    working.simulator.move(order_id, 4)
    settled = await becomes(working, ada, given["id"], "settled")
    assert settled["received_amount"] == given["quote"]["expected_amount"]
    assert [step["status"] for step in settled["timeline"]] == [
        "created",
        "awaiting_payment",
        "processing",
        "settled",
    ]
    (order,) = settled["provider_orders"]
    assert order == {
        "order_id": str(order_id),
        "status": "delivered",
        "amount": settled["received_amount"],
        "transaction_hash": settled["transaction_hash"],
    }
    balances = (await working.get(ada, "/api/balances")).json()
    assert [item["available"] for item in balances["items"]] == [settled["received_amount"]]
    for q in (str(order_id), settled["transaction_hash"], given["id"]):
        (item,) = (await working.get(ada, "/api/transactions", q=q)).json()["items"]
        assert (item["status"], item["amount"]) == ("settled", settled["received_amount"])


async def test_a_payment_after_the_cancel_is_still_credited(working: Wallet, ada: Person) -> None:
    given = await working.created(ada)
    canceled = await working.client.post(f"/api/top-ups/{given['id']}/cancel", headers=ada.headers)
    assert (canceled.json()["status"], canceled.json()["widget_url"]) == ("canceled", None)
    order_id = working.simulator.control("orders", {"widget_url": given["widget_url"]})["orderId"]
    working.simulator.move(order_id, 4)
    settled = await becomes(working, ada, given["id"], "settled")
    assert settled["received_amount"] == given["quote"]["expected_amount"]
    async with transaction() as db:
        assert await verify_ledger(db) == []


async def test_other_tabs_are_told_of_a_new_and_of_a_canceled_top_up(wallet: Wallet, ada: Person) -> None:
    wallet.run("LISTEN user_changed")
    given = await wallet.created(ada)
    notifications = await asyncio.to_thread(lambda: list(wallet.owner.notifies(timeout=20, stop_after=1)))
    await wallet.client.post(f"/api/top-ups/{given['id']}/cancel", headers=ada.headers)
    notifications += await asyncio.to_thread(lambda: list(wallet.owner.notifies(timeout=20, stop_after=1)))
    assert [notification.payload for notification in notifications] == [ada.id, ada.id]
