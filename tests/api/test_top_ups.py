"""The top-up routes as a program sees them, against a real simulator."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, get_args
from urllib.parse import parse_qs, urlsplit

import pytest

from onramp_app.api.top_up_models import StepAnswer
from onramp_app.config import get_settings
from onramp_app.domain.environment import StepSource
from tests.money import WANTED, Wallet, assert_problem
from tests.people import PASSWORD, Person

MEMBERS = {
    "id",
    "status",
    "reason",
    "charged",
    "fiat",
    "asset",
    "network",
    "payment_method",
    "quote",
    "received_amount",
    "provider_order_id",
    "provider_orders",
    "transaction_hash",
    "widget_url",
    "created_at",
    "updated_at",
    "settled_at",
    "timeline",
}
NOT_OFFERED: list[tuple[dict[str, str], str]] = [
    ({"fiat_currency": "XYZ"}, "unsupported_currency"),
    ({"fiat_currency": "JPY"}, "unsupported_currency"),
    ({"fiat_currency": "USD", "country": "EC", "payment_method": "ACH"}, "unsupported_currency"),
    ({"payment_method": "PIX"}, "unsupported_payment_method"),
    ({"payment_method": "upi"}, "unsupported_payment_method"),
    ({"asset": "BTC"}, "unsupported_asset"),
    ({"network": "erc20"}, "unsupported_asset"),
    ({"network": "matic"}, "unsupported_asset"),
    ({"fiat_amount": "99.99"}, "amount_out_of_limits"),
    ({"fiat_amount": "500000.01"}, "amount_out_of_limits"),
    ({"fiat_amount": "1000.001"}, "validation_failed"),
    ({"fiat_amount": "0"}, "validation_failed"),
]
UNUSABLE: list[tuple[str, object]] = [
    ("fiat_amount", 1000),
    ("fiat_amount", 1000.5),
    ("expected_amount", 11),
    ("fiat_amount", True),
    ("fiat_amount", "-1000"),
    ("fiat_amount", "1e3"),
    ("fiat_amount", "NaN"),
    ("fiat_amount", "1,000"),
    ("fiat_amount", " 1000"),
    ("fiat_amount", "1000\n"),
    ("fiat_amount", "\u0661\u0660\u0660\u0660"),
    ("fiat_amount", "9" * 16),
    ("fiat_amount", ["1000"]),
    ("fiat_amount", {"$gt": "0"}),
    ("fiat_amount", ""),
    ("fiat_amount", None),
    ("fiat_currency", "inr"),
    ("fiat_currency", "INR\0"),
    ("asset", "USDT'; DROP TABLE top_ups; --"),
    ("network", "../matic20"),
    ("network", "m" * 21),
    ("payment_method", "UP\0I"),
    ("payment_method", "x" * 65),
    ("country", "India"),
    ("walletAddress", "0x1111111111111111111111111111111111111111"),
    ("user_id", "somebody"),
]
NO_REQUESTS = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"1",
    b'"x"',
    b"\xff\xfe",
    b"[" * 30_000,
    b'{"fiat_amount": "\\ud800"}',
    b"NaN",
]


def test_each_source_of_a_line_is_a_word_of_the_answer() -> None:
    # Programs debit people; they never change a top-up.
    words = set(StepSource) - {StepSource.PROGRAM}
    assert set(get_args(StepAnswer.model_fields["source"].annotation)) == words


async def test_a_top_up_is_answered_as_the_contract_says(wallet: Wallet, ada: Person) -> None:
    answer = await wallet.create(ada, fiat_amount="1000.50")
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    given = answer.json()
    assert set(given) == MEMBERS
    assert (given["status"], given["reason"], given["charged"]) == ("created", None, "no")
    assert given["fiat"] == {"amount": "1000.5", "currency": "INR"}
    assert (given["asset"], given["network"], given["payment_method"]) == ("USDT", "matic20", "UPI")
    quote = given["quote"]
    assert set(quote) == {"rate", "fiat_amount", "expected_amount", "fees", "expires_at"}
    assert set(quote["fees"]) == {"provider", "gateway", "network", "client"}
    amounts = [quote["rate"], quote["fiat_amount"], quote["expected_amount"], *quote["fees"].values()]
    assert all(isinstance(amount, str) and Decimal(amount) >= 0 for amount in amounts)
    assert given["provider_orders"] == []
    nulls = ("received_amount", "provider_order_id", "transaction_hash", "settled_at")
    assert [given[name] for name in nulls] == [None] * 4
    (step,) = given["timeline"]
    assert (step["status"], step["source"], step["detail"]) == ("created", "user", "")
    created_at = datetime.fromisoformat(given["created_at"])
    assert abs(created_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert given["created_at"].endswith("Z")
    assert (await wallet.get(ada, f"/api/top-ups/{given['id']}")).json() == given


async def test_the_widget_address_holds_what_was_stored_and_nothing_the_browser_sent(
    wallet: Wallet, ada: Person
) -> None:
    given = await wallet.created(ada)
    parts = urlsplit(given["widget_url"])
    assert f"{parts.scheme}://{parts.netloc}" == wallet.simulator.base
    fields = {name: values[0] for name, values in parse_qs(parts.query).items()}
    ((recognition_id, top_up_id, address, environment),) = wallet.rows(
        "SELECT recognition_id, top_up_id, address, environment FROM widget_sessions"
    )
    assert (top_up_id, environment) == (given["id"], "simulator")
    assert len(recognition_id) == 32
    assert recognition_id.isalnum()
    assert recognition_id not in (given["id"], ada.id)
    assert fields == {
        "appId": "1000",
        "walletAddress": address,
        "coinCode": "usdt",
        "network": "matic20",
        "merchantRecognitionId": recognition_id,
        "fiatType": "1",
        "fiatAmount": "1000",
        "paymentMethod": "1",
        "lang": "en",
    }
    order_id = wallet.simulator.control("orders", {"widget_url": given["widget_url"]})["orderId"]
    assert wallet.simulator.order(order_id)["orderId"] == order_id


async def test_the_widget_address_is_gone_once_a_payment_was_claimed(wallet: Wallet, ada: Person) -> None:
    given = await wallet.created(ada)
    path = f"/api/top-ups/{given['id']}"
    wallet.order_for(given["id"], "opened")
    wallet.run("UPDATE top_ups SET status = 'awaiting_payment', rank = 10 WHERE id = %s", given["id"])
    assert (await wallet.get(ada, path)).json()["widget_url"] == given["widget_url"]
    wallet.run("UPDATE top_ups SET charged = 'unknown', rank = 20 WHERE id = %s", given["id"])
    assert (await wallet.get(ada, path)).json()["widget_url"] is None


async def test_the_offer_ends_after_a_day(wallet: Wallet, ada: Person) -> None:
    given = await wallet.created(ada)
    ((lasts,),) = wallet.rows("SELECT offered_until - created_at FROM widget_sessions")
    assert lasts == timedelta(hours=24)
    wallet.run("UPDATE widget_sessions SET offered_until = now()")
    assert (await wallet.get(ada, f"/api/top-ups/{given['id']}")).json()["widget_url"] is None


async def test_a_delivery_is_shown_with_its_orders(wallet: Wallet, ada: Person) -> None:
    given = await wallet.created(ada)
    wallet.settle(given["id"], amount="11.250")
    seen = (await wallet.get(ada, f"/api/top-ups/{given['id']}")).json()
    ((order_id, transaction_hash),) = wallet.rows("SELECT order_id, transaction_hash FROM provider_orders")
    assert (seen["status"], seen["received_amount"]) == ("settled", "11.25")
    assert (seen["provider_order_id"], seen["transaction_hash"]) == (order_id, transaction_hash)
    assert seen["provider_orders"] == [
        {
            "order_id": order_id,
            "status": "delivered",
            "amount": "11.25",
            "transaction_hash": transaction_hash,
        }
    ]
    assert seen["widget_url"] is None


async def test_what_is_not_offered_is_refused_by_its_code(wallet: Wallet, ada: Person) -> None:
    for changes, code in NOT_OFFERED:
        problem = assert_problem(await wallet.create(ada, **changes), 422, code)
        if code == "amount_out_of_limits":
            assert (problem["min"], problem["max"]) == ("100", "500000")
    assert wallet.count("top_ups") == 0


async def test_the_limits_of_the_provider_are_inclusive(wallet: Wallet, ada: Person) -> None:
    await wallet.created(ada, fiat_amount="100")
    await wallet.created(ada, fiat_amount="500000.00")


async def test_a_field_that_cannot_be_used_is_named(wallet: Wallet, ada: Person) -> None:
    for field, value in UNUSABLE:
        body = {**WANTED, field: value}
        answer = await wallet.client.post("/api/top-ups", json=body, headers=ada.headers)
        problem = assert_problem(answer, 422, "validation_failed")
        assert [error["field"] for error in problem["errors"]] == [field], value
    assert wallet.count("top_ups") == 0


async def test_a_body_that_is_no_request_is_refused(wallet: Wallet, ada: Person) -> None:
    for number, content in enumerate(NO_REQUESTS):
        for key in ({}, {"Idempotency-Key": str(number)}):
            headers = ada.headers | key
            answer = await wallet.client.post("/api/top-ups", content=content, headers=headers)
            assert_problem(answer, 422, "validation_failed")


async def test_country_chooses_among_entries_of_one_currency(wallet: Wallet, ada: Person) -> None:
    """Three countries share XAF, with an entry each; only Cameroon's has a payment method."""
    given = await wallet.created(
        ada, fiat_currency="XAF", country="CM", fiat_amount="20000", payment_method="MOBILE-MONEY"
    )
    assert given["fiat"]["currency"] == "XAF"
    assert wallet.rows("SELECT fiat_type FROM top_ups") == [(19,)]
    answer = await wallet.create(
        ada, fiat_currency="XAF", country="GA", fiat_amount="20000", payment_method="MOBILE-MONEY"
    )
    assert_problem(answer, 422, "unsupported_currency")


async def test_the_accounts_country_chooses_when_none_is_given(wallet: Wallet, new_person: Any) -> None:
    person = await new_person(country="GA")
    wanted = {"fiat_currency": "XAF", "fiat_amount": "20000", "payment_method": "MOBILE-MONEY"}
    assert_problem(await wallet.create(person, **wanted), 422, "unsupported_currency")
    elsewhere = await new_person(country="FR")
    await wallet.created(elsewhere, **wanted)
    assert wallet.rows("SELECT fiat_type FROM top_ups") == [(19,)]


async def test_the_providers_own_words_for_a_currency_are_not_ours(wallet: Wallet, ada: Person) -> None:
    assert_problem(await wallet.create(ada, fiat_currency="RAND"), 422, "validation_failed")
    given = await wallet.created(
        ada, fiat_currency="ZAR", fiat_amount="1000", payment_method="ZAR-BANK-TRANSFER"
    )
    assert given["fiat"]["currency"] == "ZAR"


async def test_a_quote_that_moved_more_than_one_percent_is_told_and_nothing_is_stored(
    wallet: Wallet, ada: Person
) -> None:
    fresh = (await wallet.created(ada))["quote"]
    expected = Decimal(fresh["expected_amount"])
    for factor in ("1.011", "0.989"):
        changed = await wallet.create(ada, expected_amount=str((expected * Decimal(factor)).normalize()))
        problem = assert_problem(changed, 409, "quote_changed")
        assert problem["quote"].keys() == fresh.keys()
        assert problem["quote"]["expected_amount"] == fresh["expected_amount"]
    assert wallet.count("top_ups") == 1
    for factor in ("1.0099", "0.9901", "1"):
        await wallet.created(ada, expected_amount=str((expected * Decimal(factor)).normalize()))


async def test_at_most_five_top_ups_are_open(wallet: Wallet, ada: Person, bo: Person) -> None:
    given = [await wallet.created(ada) for _ in range(5)]
    assert_problem(await wallet.create(ada), 409, "too_many_open_top_ups")
    await wallet.created(bo)
    canceled = await wallet.client.post(f"/api/top-ups/{given[0]['id']}/cancel", headers=ada.headers)
    assert canceled.status_code == 200
    await wallet.created(ada)


async def test_a_frozen_account_begins_nothing_and_may_look(wallet: Wallet, ada: Person) -> None:
    given = await wallet.created(ada)
    wallet.run("UPDATE users SET frozen_at = now() WHERE id = %s", ada.id)
    assert_problem(await wallet.create(ada), 403, "account_frozen")
    assert wallet.count("top_ups") == 1
    assert (await wallet.get(ada, f"/api/top-ups/{given['id']}")).status_code == 200


async def test_a_person_whose_verification_was_rejected_begins_nothing(wallet: Wallet, ada: Person) -> None:
    wallet.run("UPDATE users SET kyc_status = 'rejected' WHERE id = %s", ada.id)
    assert_problem(await wallet.create(ada), 403, "kyc_required")
    assert wallet.count("top_ups") == 0


async def test_another_asset_than_asked_for_is_no_amount_of_it(wallet: Wallet, ada: Person) -> None:
    given = await wallet.created(ada)
    order = wallet.order_for(
        given["id"],
        "delivered",
        asset="USDC",
        network="matic20",
        is_ours=True,
        delivered_rule="actual",
        delivered_minor=5_000_000,
    )
    wallet.run(
        "UPDATE top_ups SET status = 'in_review', reason = 'wrong_asset', charged = 'yes', rank = 70,"
        " has_entry = true, received_minor = 5000000, received_asset = 'USDC', best_order_id = %s",
        order,
    )
    seen = (await wallet.get(ada, f"/api/top-ups/{given['id']}")).json()
    assert (seen["status"], seen["reason"], seen["received_amount"]) == ("in_review", "wrong_asset", None)
    assert seen["provider_orders"][0]["amount"] == "5"
    (item,) = (await wallet.get(ada, "/api/transactions")).json()["items"]
    assert (item["asset"], item["amount"]) == ("USDT", None)


async def test_the_base_amount_is_kept_before_there_are_limits(wallet: Wallet, ada: Person) -> None:
    for symbol, price in (("USDT", "1"), ("USD", "1"), ("INR", "80")):
        wallet.run(f"INSERT INTO exchange_rates VALUES ('simulator', '{symbol}', {price}, now())")
    await wallet.created(ada, fiat_amount="1000")
    assert wallet.rows("SELECT base_amount, base_currency FROM top_ups") == [(Decimal("12.5"), "USD")]


async def test_our_limits_count_in_their_own_currency(
    wallet: Wallet, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"currency": "USD", "none": {"per_day": "20"}, "full": {"per_day": "20"}}
    limits["basic"] = {"per_day": "19"}
    monkeypatch.setenv("LIMITS", json.dumps(limits))
    get_settings.cache_clear()
    await wallet.created(ada, fiat_amount="1000")
    ((base_amount, base_currency),) = wallet.rows("SELECT base_amount, base_currency FROM top_ups")
    assert (base_currency, 5 < base_amount < 20) == ("USD", True)
    problem = assert_problem(await wallet.create(ada, fiat_amount="2000"), 422, "amount_out_of_limits")
    assert (problem["min"], Decimal(problem["max"]) < 2000) == ("100", True)
    await wallet.created(ada, fiat_amount=problem["max"])


async def test_more_than_the_tier_allows_leads_to_verification_where_a_higher_one_would_allow_it(
    wallet: Wallet, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"currency": "USD", "none": {"per_day": "20"}, "basic": {"per_day": "25"}}
    monkeypatch.setenv("LIMITS", json.dumps({**limits, "full": {"per_day": "100"}}))
    get_settings.cache_clear()
    problem = assert_problem(await wallet.create(ada, fiat_amount="5000"), 403, "kyc_required")
    assert (problem["tier"], Decimal(problem["max"]) < 5000) == ("full", True)
    # On the widget line people are verified inside the payment page, so only an operator can raise a tier.
    assert problem["next_step"] == {"action": "contact_support", "url": "http://localhost:3000/verify"}
    assert wallet.count("top_ups") == 0
    assert_problem(await wallet.create(ada, fiat_amount="50000"), 422, "amount_out_of_limits")
    wallet.run("UPDATE users SET kyc_status = 'approved', kyc_tier = 'full'")
    await wallet.created(ada, fiat_amount="5000")


async def test_a_cookie_needs_our_pages_to_add_money(wallet: Wallet, ada: Person) -> None:
    form = {"email": ada.email, "password": PASSWORD}
    signed_in = await wallet.client.post("/api/auth/session", data=form)
    assert signed_in.cookies
    wallet.client.cookies = signed_in.cookies
    for origin, status in ((None, 403), ("https://evil.example", 403), (wallet.client.base_url, 201)):
        headers = {} if origin is None else {"Origin": str(origin).rstrip("/")}
        answer = await wallet.client.post("/api/top-ups", json=dict(WANTED), headers=headers)
        assert answer.status_code == status, answer.text
    assert (await wallet.client.get("/api/transactions")).status_code == 200


async def test_the_routes_are_described_with_their_bodies(wallet: Wallet) -> None:
    described = (await wallet.client.get("/api/openapi.json")).json()
    create = described["paths"]["/api/top-ups"]["post"]
    fields = create["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert {*WANTED, "country", "expected_amount"} == set(fields)
    assert fields["fiat_amount"]["type"] == "string"
    assert {"201", "401", "403", "409", "413", "422", "429", "503"} <= set(create["responses"])
    assert create["responses"]["201"]["content"]["application/json"]["schema"]["$ref"].endswith("TopUpAnswer")


async def test_an_address_past_its_end_is_not_offered(
    wallet: Wallet, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = f"0x{'52' * 20}", f"0x{'53' * 20}"
    soon = datetime.now(UTC) + timedelta(hours=1)
    addresses = [
        {"address": old, "until": (datetime.now(UTC) - timedelta(seconds=1)).isoformat()},
        {"address": new, "until": soon.isoformat()},
    ]
    everywhere = dict.fromkeys(("matic20", "bep20", "arbitrum"), addresses)
    monkeypatch.setenv("TREASURY_ADDRESSES", json.dumps(everywhere))
    get_settings.cache_clear()
    await wallet.created(ada)
    ((address, until),) = wallet.rows("SELECT address, offered_until FROM widget_sessions")
    assert (address, until) == (new, soon)


async def test_a_network_without_a_current_address_is_not_offered(
    wallet: Wallet, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = get_settings()
    ended = settings.treasury_addresses["matic20"][0].model_copy(update={"until": datetime.now(UTC)})
    changed = settings.model_copy(
        update={"treasury_addresses": {**settings.treasury_addresses, "matic20": (ended,)}}
    )
    # An address is retired while the application runs: at start such settings would be refused.
    monkeypatch.setattr("onramp_app.top_ups.top_ups.get_settings", lambda: changed)
    assert_problem(await wallet.create(ada), 422, "unsupported_asset")


async def test_a_provider_that_is_away_is_told_with_a_time(wallet: Wallet, ada: Person) -> None:
    wallet.simulator.scenario("api_down", times=None)
    answer = await wallet.create(ada)
    assert_problem(answer, 503, "provider_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert wallet.count("top_ups") == 0


async def test_no_connection_of_the_pool_is_held_while_the_provider_is_asked(
    wallet: Wallet, ada: Person
) -> None:
    await wallet.created(ada, fiat_amount="2000")  # Equal quotes are shared for a while, and would be quick.
    wallet.simulator.scenario("api_slow", value="0.6", times=None)
    asking = asyncio.create_task(wallet.create(ada))
    await asyncio.sleep(0.35)
    assert not asking.done()
    (open_transactions,) = wallet.rows(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'onramp_app' AND state <> 'idle'"
    )[0]
    assert open_transactions == 0
    assert (await asking).status_code == 201


async def test_too_many_requests_are_told_with_a_time(wallet: Wallet, ada: Person) -> None:
    answers = [await wallet.create(ada, asset="BTC") for _ in range(61)]
    assert {answer.status_code for answer in answers[:60]} == {422}
    assert_problem(answers[60], 429, "rate_limited")
    assert int(answers[60].headers["retry-after"]) >= 1
