"""`/api/debits` over HTTP: what it accepts, answers and refuses, and what the person sees of a debit."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests import rows
from tests.api.conftest import ada, bo, client, new_person, wallet
from tests.money import Wallet, assert_problem
from tests.people import Person

__all__ = ["ada", "bo", "client", "new_person", "wallet"]

Call = Callable[..., Any]


@pytest.fixture
async def call(wallet: Wallet, ada: Person) -> Call:
    """A function that sends requests as a shop that knows Ada, who has 11.25 USDT."""
    top_up = await wallet.created(ada)
    await wallet.deliver(ada, top_up["id"])
    program_id, key = rows.program(wallet.owner)
    rows.program_user(wallet.owner, program_id, ada.id)

    async def request(method: str, path: str = "", key: str = key, **body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"}
        address = f"/api/debits{path}"
        if method == "GET":
            return await wallet.client.get(address, headers=headers, params=body)
        return await wallet.client.post(address, headers=headers, json=body)

    return request


async def test_a_debit_and_what_becomes_of_it(wallet: Wallet, ada: Person, call: Call) -> None:
    asked = {"user_id": ada.id, "amount": "2.50", "asset": "USDT", "reference": "order-1"}
    asked |= {"description": "Two coffees", "metadata": {"table": "4"}}
    made = await call("POST", **asked)
    assert made.status_code == 201, made.text
    debit = made.json()
    assert (debit["status"], debit["amount"], debit["reversed_amount"]) == ("posted", "2.5", "0")
    again = await call("POST", **asked)
    assert (again.status_code, again.json()) == (200, debit)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert_problem(await call("POST", **(asked | {"amount": "3"})), 409, "idempotency_conflict")
    over = asked | {"reference": "order-2", "amount": "8.76"}
    assert_problem(await call("POST", **over), 409, "insufficient_funds")
    back = await call("POST", f"/{debit['id']}/reverse", reference="back-1", amount="1")
    assert (back.status_code, back.json()["reversed_amount"]) == (200, "1")
    actions = "SELECT action FROM audit_log WHERE subject = %s ORDER BY at, id"
    assert wallet.rows(actions, debit["id"]) == [("debit.created",), ("debit.reversed",)]
    too_much = await call("POST", f"/{debit['id']}/reverse", reference="back-2", amount="2")
    assert assert_problem(too_much, 422, "amount_out_of_limits")["max"] == "1.5"
    assert (await call("GET", f"/{debit['id']}")).json() == back.json()
    listed = (await call("GET", reference="order-1")).json()
    assert listed == {"items": [back.json()], "next_cursor": None}
    assert (await call("GET", user_id="\x00")).json()["items"] == []
    # What the person sees.
    items = (await wallet.get(ada, "/api/transactions")).json()["items"]
    assert [(one["kind"], one["amount"], one["description"]) for one in items] == [
        ("reversal", "1", "Two coffees"),
        ("debit", "-2.5", "Two coffees"),
        ("top_up", "11.25", None),
    ]
    csv = (await wallet.get(ada, "/api/transactions.csv")).text
    assert ",Two coffees," in csv.splitlines()[2]
    paper = await wallet.get(ada, f"/api/transactions/{items[1]['id']}/receipt.pdf")
    assert paper.status_code == 200


async def test_a_hold_over_http(wallet: Wallet, ada: Person, call: Call) -> None:
    asked = {"user_id": ada.id, "amount": "5", "asset": "USDT", "hold": {"expires_in": 3600}}
    held = (await call("POST", reference="cart-1", **asked)).json()
    assert (held["status"], held["held_amount"]) == ("held", "5")
    (balance,) = (await wallet.get(ada, "/api/balances")).json()["items"]
    assert (balance["available"], balance["held"]) == ("6.25", "5")
    (line,) = (await wallet.get(ada, "/api/transactions", status="processing")).json()["items"]
    assert (line["kind"], line["amount"], line["settled_at"]) == ("debit", "-5", None)
    captured = (await call("POST", f"/{held['id']}/capture", reference="parcel-1", amount="2")).json()
    assert (captured["status"], captured["posted_amount"]) == ("held", "2")
    released = (await call("POST", f"/{held['id']}/release", reference="end")).json()
    assert (released["status"], released["released_amount"]) == ("posted", "3")
    items = (await wallet.get(ada, "/api/transactions")).json()["items"]
    assert [(one["kind"], one["amount"], one["status"]) for one in items] == [
        ("debit", "-2", "settled"),
        ("top_up", "11.25", "settled"),
    ]
    lines = wallet.rows(
        "SELECT actor, action, subject FROM audit_log WHERE action LIKE 'debit.%%' ORDER BY at, id"
    )
    assert [line[1:] for line in lines] == [
        (f"debit.{done}", held["id"]) for done in ("created", "captured", "released")
    ]
    assert all(line[0].startswith("key:") for line in lines)
    unused = (await call("POST", reference="cart-2", **asked)).json()
    await call("POST", f"/{unused['id']}/release", reference="end")
    (line,) = (await wallet.get(ada, "/api/transactions", status="canceled")).json()["items"]
    assert (line["kind"], line["amount"]) == ("debit", None)


async def test_what_cannot_be_used_is_refused(wallet: Wallet, ada: Person, bo: Person, call: Call) -> None:
    asked = {"user_id": ada.id, "amount": "1", "asset": "USDT", "reference": "o"}
    for change in (
        {"amount": 1},
        {"amount": "-1"},
        {"amount": "0"},
        {"amount": "1e2"},
        {"asset": None},
        {"reference": "a:b"},
        {"reference": ""},
        {"description": "a\nb"},
        {"hold": {"expires_in": 59}},
        {"hold": {"expires_in": 2592001}},
        {"metadata": {"a": 1}},
        {"metadata": {str(n): "" for n in range(21)}},
        {"color": "red"},
    ):
        assert_problem(await call("POST", **(asked | change)), 422, "validation_failed")
    assert_problem(await call("POST", **(asked | {"user_id": bo.id})), 404, "not_found")
    assert_problem(await call("POST", **(asked | {"asset": "DOGE"})), 422, "unsupported_asset")
    assert_problem(await call("GET", f"/{'0' * 32}"), 404, "not_found")
    _, other = rows.program(wallet.owner, scopes=["balances"])
    assert_problem(await call("POST", key=other, **asked), 403, "insufficient_scope")
    assert_problem(await call("POST", key=ada.access_token, **asked), 401, "unauthenticated")
    wallet.run("UPDATE users SET frozen_at = now() WHERE id = %s", ada.id)
    assert_problem(await call("POST", **asked), 403, "account_frozen")
    assert wallet.count("debits") == 0


async def test_an_account_with_money_on_hold_is_not_empty(wallet: Wallet, ada: Person, call: Call) -> None:
    asked = {"user_id": ada.id, "amount": "11.25", "asset": "USDT", "reference": "cart"}
    held = (await call("POST", **asked, hold=True)).json()
    close = ("DELETE", "/api/auth/me")
    refused = await wallet.client.request(*close, headers=ada.headers)
    assert assert_problem(refused, 409, "account_not_empty")["balances"] == {"USDT": "11.25"}
    await call("POST", f"/{held['id']}/capture", reference="all")
    # The control: once the money is spent the account can be closed, and no reversal to it is possible.
    assert (await wallet.client.request(*close, headers=ada.headers)).status_code == 204
    back = await call("POST", f"/{held['id']}/reverse", reference="back")
    assert_problem(back, 403, "forbidden")
    assert_problem(await call("POST", **(asked | {"reference": "more"})), 404, "not_found")
