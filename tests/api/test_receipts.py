"""Receipts and support files as their owner gets them, and the public check of a receipt's code."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from onramp_app.accounts.sessions import Client
from onramp_app.domain.environment import Environment, StepSource
from onramp_app.domain.errors import RateLimited
from onramp_app.domain.ids import new_id, reference_of
from onramp_app.ledger import instructions
from onramp_app.ledger.instructions import UserAmount
from onramp_app.ledger.transfers import Cause
from onramp_app.receipts.check import CheckedReceipt, check
from onramp_app.receipts.codes import code_of
from onramp_app.receipts.facts import facts_for_check
from onramp_app.throttle import throttle
from tests import rows
from tests.money import Wallet, assert_problem
from tests.people import Person

BY_OPERATOR = Cause(StepSource.OPERATOR, actor="operator", reason="asked by support")
ANYONE = Client("198.51.100.9", "Mozilla/5.0", "")


async def code_for(transaction_id: str) -> str:
    facts = await facts_for_check(transaction_id, user_id=None)
    assert facts is not None
    return code_of(facts)


async def checked(code: str, client: Client = ANYONE) -> CheckedReceipt:
    found = await check(code, client)
    assert found is not None
    return found


def values(found: CheckedReceipt) -> dict[str, str]:
    return {line.label: line.value for line in found.lines}


async def test_a_receipt_is_one_pdf_and_the_same_one_each_time(wallet: Wallet, ada: Person) -> None:
    top_up = await wallet.created(ada)
    wallet.settle(top_up["id"])
    path = f"/api/transactions/{top_up['id']}/receipt.pdf"
    first, second = await wallet.get(ada, path), await wallet.get(ada, path)
    assert first.status_code == 200
    assert first.headers["content-type"] == "application/pdf"
    name = f"receipt-{reference_of(top_up['id'])}.pdf"
    assert first.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert first.headers["cache-control"] == "no-store"
    assert first.content.startswith(b"%PDF-")
    assert first.content == second.content
    assert (await code_for(top_up["id"])).encode() in first.content


@pytest.mark.parametrize("file", ["receipt.pdf", "support.json"])
async def test_nobody_gets_a_file_of_somebody_else(
    wallet: Wallet, ada: Person, bo: Person, file: str
) -> None:
    top_up = await wallet.created(ada)
    (transfer,) = await wallet.post(
        instructions.make_good(
            new_id(), UserAmount(Environment.SIMULATOR, ada.id, "USDT", 10**18), cause=BY_OPERATOR
        )
    )
    for one in (top_up["id"], transfer):
        assert (await wallet.get(ada, f"/api/transactions/{one}/{file}")).status_code == 200
        assert_problem(await wallet.get(bo, f"/api/transactions/{one}/{file}"), 404, "not_found")
        anonymous = await wallet.client.get(f"/api/transactions/{one}/{file}")
        assert_problem(anonymous, 401, "unauthenticated")
        # A code is good only for the check.
        by_code = {"Authorization": f"Bearer {await code_for(one)}"}
        answer = await wallet.client.get(f"/api/transactions/{one}/{file}", headers=by_code)
        assert_problem(answer, 401, "unauthenticated")
    for nobody in ("x", new_id(), "%2e%2e", "\u0661" * 32):
        assert_problem(await wallet.get(ada, f"/api/transactions/{nobody}/{file}"), 404, "not_found")


async def test_a_genuine_code_shows_what_is_printed_and_the_holder_only_by_beginnings(
    wallet: Wallet, ada: Person
) -> None:
    top_up = await wallet.created(ada)
    order = wallet.settle(top_up["id"])
    wallet.run("UPDATE provider_orders SET fiat_amount = 1000, fiat_currency = 'INR' WHERE id = %s", order)
    found = await checked(await code_for(top_up["id"]))
    assert (found.is_current, found.title, found.head) == (True, "Receipt", "11.25 USDT")
    shown = values(found)
    assert shown["Reference"] == reference_of(top_up["id"])
    assert (shown["Paid"], shown["Received"]) == ("₹1,000 INR", "11.25 USDT")
    assert shown["Account"].startswith("A•••, ")
    everything = repr(found)
    assert ada.email not in everything
    assert ada.id not in everything
    assert top_up["id"] not in everything


async def test_a_code_of_what_was_reversed_since_says_so_and_shows_no_amount(
    wallet: Wallet, ada: Person
) -> None:
    top_up = await wallet.created(ada)
    delivery = await wallet.deliver(ada, top_up["id"])
    code = await code_for(top_up["id"])
    wallet.run("UPDATE top_ups SET status = 'reversed' WHERE id = %s", top_up["id"])
    found = await checked(code)
    assert (found.is_current, found.title, found.head) == (False, "Top-up reversed", "")
    assert found.statement == "This payment was received, then reversed."
    assert set(values(found)) == {"Account", "Started", "Reference"}
    new_code = await code_for(top_up["id"])
    assert new_code != code
    assert (await checked(new_code)).is_current
    (reversal,) = await wallet.post(
        instructions.reverse(delivery, user_id=ada.id, top_up_id=top_up["id"], cause=BY_OPERATOR)
    )
    shown = await checked(await code_for(reversal))
    assert (shown.title, shown.head) == ("Top-up reversed", "\N{MINUS SIGN}11.25 USDT")


async def test_codes_of_nothing_are_not_genuine(wallet: Wallet, ada: Person) -> None:
    top_up = await wallet.created(ada)
    code = await code_for(top_up["id"])
    assert await checked(code)
    for wrong in (code[:-1], code[1:], code[:-1] + ("a" if code[-1] != "a" else "b"), top_up["id"], "", "x"):
        assert await check(wrong, ANYONE) is None
    facts = await facts_for_check(top_up["id"], user_id=None)
    assert facts is not None
    assert await check(code_of(replace(facts, id=new_id())), ANYONE) is None


async def test_checking_is_bounded_for_a_network_and_not_for_others(wallet: Wallet, ada: Person) -> None:
    code = await code_for((await wallet.created(ada))["id"])
    for _ in range(120):
        await check("a" * 64, ANYONE)
    with pytest.raises(RateLimited) as refused:
        await check(code, ANYONE)
    assert 0 < (refused.value.retry_after_seconds or 0) <= 3600
    assert await check(code, Client("198.51.100.10", "Mozilla/5.0", ""))
    throttle.forget()
    assert await check(code, ANYONE)


async def test_a_closed_account_is_named_by_nothing(wallet: Wallet, ada: Person) -> None:
    top_up = await wallet.created(ada)
    wallet.run(
        "UPDATE users SET closed_at = now(), email = 'closed-' || id || '@account.invalid', country = NULL"
        " WHERE id = %s",
        ada.id,
    )
    assert "Account" not in values(await checked(await code_for(top_up["id"])))


CANARIES: dict[str, dict[str, Any]] = {
    "users": {"display_name": "canary-name", "country": "ZW"},
    "provider_orders": {
        "raw": '{"canary": "canary-raw"}',
        "recognition_id": "canary-recognition",
        "reference_id": "canary-reference",
        "wallet_address": "canary-wallet",
        "status_text": "canary-text",
        "apply_error": "canary-error",
    },
    "widget_sessions": {
        "url": "https://canary-url.example/",
        "address": "canary-address",
        "memo": "canary-memo",
    },
    "top_up_steps": {"detail": "canary-detail", "actor": "canary-actor"},
    "exceptions": {"detail": "canary-case", "closed_by": "canary-operator", "close_reason": "canary-why"},
}


async def test_a_file_for_support_holds_what_support_needs_and_no_canary(wallet: Wallet, ada: Person) -> None:
    top_up = await wallet.created(ada)
    order = wallet.settle(top_up["id"])
    rows.insert(
        wallet.owner,
        "exceptions",
        id=new_id(),
        environment="simulator",
        kind="failed_after_settled",
        top_up_id=top_up["id"],
        detail="",
        opened_at="2026-11-30T10:00:00Z",
        closed_at="2026-11-30T11:00:00Z",
        closed_by="o",
        close_reason="r",
    )
    wallet.run("ALTER TABLE top_up_steps DISABLE TRIGGER USER")
    for table, columns in CANARIES.items():
        whose = {"users": ("id", ada.id), "provider_orders": ("id", order)}.get(
            table, ("top_up_id", top_up["id"])
        )
        names = ", ".join(f"{name} = %s" for name in columns)
        wallet.run(f"UPDATE {table} SET {names} WHERE {whose[0]} = %s", *columns.values(), whose[1])
        seen = wallet.rows(f"SELECT * FROM {table}")
        assert "canary" in repr(seen), table
    answer = await wallet.get(ada, f"/api/transactions/{top_up['id']}/support.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert "canary" not in answer.text
    assert ada.email not in answer.text
    assert ada.access_token not in answer.text
    assert '"ZW"' not in answer.text
    given = json.loads(answer.text)
    assert given["account_id"] == ada.id
    about = given["transaction"]
    assert (about["id"], about["reference"]) == (top_up["id"], reference_of(top_up["id"]))
    assert (about["status"], about["booked"]) == ("settled", {"amount": "11.25", "unit": "USDT"})
    assert [step["status"] for step in given["steps"]] == ["created"]
    (one,) = given["provider_orders"]
    assert one["transaction_hash"].startswith("0x")
    assert given["cases"][0]["kind"] == "failed_after_settled"
    assert set(given["versions"]) == {"application", "commit", "schema", "python"}
    assert re.fullmatch(r"\d{4}", given["versions"]["schema"])


async def test_the_members_of_the_file_for_support_are_written_down(
    wallet: Wallet, ada: Person, project_dir: Any
) -> None:
    """A field added to the file has to be documented in docs/privacy.md."""
    top_up = await wallet.created(ada)
    wallet.settle(top_up["id"])
    given = (await wallet.get(ada, f"/api/transactions/{top_up['id']}/support.json")).json()
    page = (project_dir / "docs" / "privacy.md").read_text()
    table = page.partition("## The file for support")[2].partition("\n## ")[0]
    written = {
        name for row in re.findall(r"^\| (.+?) \|", table, re.M) for name in re.findall(r"`(\w+)`", row)
    }
    named = set(given) | {
        member
        for value in given.values()
        for one in (value if isinstance(value, list) else [value])
        if isinstance(one, dict)
        for member in one
    }
    assert named <= written, named - written


async def test_files_are_bounded_for_a_person(wallet: Wallet, ada: Person, bo: Person) -> None:
    top_up = await wallet.created(ada)
    path = f"/api/transactions/{top_up['id']}/support.json"
    for _ in range(20):
        assert (await wallet.get(ada, path)).status_code == 200
    refused = await wallet.get(ada, path)
    assert_problem(refused, 429, "rate_limited")
    assert int(refused.headers["retry-after"]) > 0
    assert_problem(await wallet.get(bo, path), 404, "not_found")


async def test_a_receipt_of_a_payment_that_is_late_is_another_one(wallet: Wallet, ada: Person) -> None:
    top_up = await wallet.created(ada)
    wallet.run("UPDATE top_ups SET status = 'expired' WHERE id = %s", top_up["id"])
    code = await code_for(top_up["id"])
    assert (await checked(code)).statement == "This payment wasn't taken."
    wallet.settle(top_up["id"])
    found = await checked(code)
    assert (found.is_current, found.title) == (False, "Receipt")
