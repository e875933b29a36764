"""Lists, the CSV export, and balances, as a program sees them."""

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from onramp_app.domain.environment import Environment, StepSource
from onramp_app.domain.ids import new_id, reference_of
from onramp_app.ledger import instructions
from onramp_app.ledger.instructions import UserAmount
from onramp_app.ledger.transfers import Cause
from onramp_app.pricing import rates
from onramp_app.pricing.rate_book import RateBook
from onramp_app.pricing.rates import get_rates
from onramp_app.running import lifecycle
from tests.money import Wallet, assert_problem
from tests.people import Person
from tests.recorded_posting import spend
from tests.rows import top_up

MEMBERS = {
    "id",
    "kind",
    "status",
    "fiat",
    "asset",
    "network",
    "amount",
    "created_at",
    "settled_at",
    "provider",
    "provider_order_id",
    "transaction_hash",
    "description",
}
BY_OPERATOR = Cause(StepSource.OPERATOR, actor="operator", reason="asked by support")
UNUSABLE = [
    ("limit", "0"),
    ("limit", "101"),
    ("limit", "1e2"),
    ("status", "done"),
    ("asset", "usdt"),
    ("asset", "USDT\0"),
    ("from", "yesterday"),
    ("from", "2026-01-01"),
    ("from", "2026-01-01T00:00:00"),
    ("to", "1767225600"),
    ("to", "2026-13-01T00:00:00Z"),
    ("to", "2026-01-01T00:00:00+99:99"),
    ("q", ""),
    ("q", "a\0b"),
    ("q", "\u0661"),
    ("q", "x" * 129),
    ("search", ""),
    ("search", "a\0b"),
    ("search", "x" * 129),
    ("payment_method", ""),
    ("payment_method", "x" * 65),
    ("cursor", "x"),
    ("cursor", "\0"),
    ("cursor", "\u00e9"),
    ("cursor", "x" * 97),
    ("cursor", "MS4w"),
    ("cursor", "OTk5OTk5OTk5OTk5OTk5OTk5LjAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw"),
]
USDT = 10**18
# Formula signs in their full-width, small, superscript and subscript forms, and the typographic minus.
LOOK_ALIKES = "\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u207c\u207a\u207b\u208c\u208a\u208b\u2212"
_COPIES = (
    "INSERT INTO top_ups (id, user_id, environment, fiat_amount, fiat_currency, fiat_type, asset, network,"
    " payment_method, status, charged, rank, has_entry, version, created_at, updated_at)"
    " SELECT lpad(to_hex(n), 32, '0'), user_id, environment, fiat_amount, fiat_currency, fiat_type, asset,"
    " network, payment_method, 'expired', 'no', 0, false, 1, {}, now()"
    " FROM top_ups, generate_series(1, {}) AS n WHERE id = %s"
)


def usdt(person: Person, amount: int) -> UserAmount:
    return UserAmount(Environment.SIMULATOR, person.id, "USDT", amount * USDT)


async def listed(wallet: Wallet, person: Person, **query: Any) -> list[dict[str, Any]]:
    answer = await wallet.get(person, "/api/transactions", **query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def backdate(wallet: Wallet, top_up_id: str, moment: str) -> None:
    wallet.run("UPDATE top_ups SET created_at = %s WHERE id = %s", moment, top_up_id)


async def test_a_list_holds_every_kind_newest_first(wallet: Wallet, ada: Person, bo: Person) -> None:
    first = await wallet.created(ada)
    delivery = await wallet.deliver(ada, first["id"], amount="10")
    second = await wallet.created(ada, fiat_amount="250.50")
    for instruction in (
        instructions.make_good("1", usdt(ada, 2), cause=BY_OPERATOR),
        spend("shop-1", usdt(ada, 5), cause=BY_OPERATOR),
        instructions.reverse(delivery, user_id=ada.id, top_up_id=first["id"], cause=BY_OPERATOR),
    ):
        await wallet.post(instruction)
    await wallet.created(bo, fiat_currency="BRL", payment_method="PIX")
    items = await listed(wallet, ada)
    assert all(set(item) == MEMBERS for item in items)
    assert [(item["kind"], item["amount"], item["status"]) for item in items] == [
        ("reversal", "-10", "settled"),  # 7 were still available, 3 are owed
        ("debit", "-5", "settled"),
        ("adjustment", "2", "settled"),
        ("top_up", None, "created"),
        ("top_up", "10", "settled"),
    ]
    assert items[3]["fiat"] == {"amount": "250.5", "currency": "INR"}
    assert [item["provider"] for item in items] == ["onramp", None, None, "onramp", "onramp"]
    assert items[0]["provider_order_id"] == items[4]["provider_order_id"] == delivery.order_id
    assert items[4]["transaction_hash"].startswith("0x")
    assert [item["id"] for item in items[3:]] == [second["id"], first["id"]]
    for item in items:
        assert (await wallet.get(ada, f"/api/transactions/{item['id']}")).json() == item
        assert_problem(await wallet.get(bo, f"/api/transactions/{item['id']}"), 404, "not_found")
    assert len(await listed(wallet, bo)) == 1


async def test_a_recovered_debt_shows_what_was_taken(wallet: Wallet, ada: Person) -> None:
    first = await wallet.created(ada)
    delivery = await wallet.deliver(ada, first["id"], amount="10")
    await wallet.post(spend("shop-1", usdt(ada, 8), cause=BY_OPERATOR))
    await wallet.post(
        instructions.reverse(delivery, user_id=ada.id, top_up_id=first["id"], cause=BY_OPERATOR)
    )
    second = await wallet.created(ada)
    await wallet.deliver(ada, second["id"], amount="20")
    newest, *_ = await listed(wallet, ada)
    assert (newest["kind"], newest["amount"]) == ("adjustment", "-8")
    (balance,) = (await wallet.get(ada, "/api/balances")).json()["items"]
    assert (balance["available"], balance["owed"]) == ("12", "0")


async def test_filters_leave_out_what_they_say(wallet: Wallet, ada: Person) -> None:
    settled, other, last = [await wallet.created(ada, **changes) for changes in ({}, {"asset": "USDC"}, {})]
    delivery = await wallet.deliver(ada, settled["id"])
    await wallet.post(instructions.make_good("1", usdt(ada, 2), cause=BY_OPERATOR))
    backdate(wallet, settled["id"], "2026-01-01T00:00:00Z")
    backdate(wallet, other["id"], "2026-01-01T00:00:00.000001Z")
    backdate(wallet, last["id"], "2026-01-02T00:00:00Z")

    async def found(**query: Any) -> list[str]:
        return [item["id"] for item in await listed(wallet, ada, **query)]

    adjustment = (await found())[0]
    assert await found(status="settled") == [adjustment, settled["id"]]
    assert await found(status="created") == [last["id"], other["id"]]
    assert await found(status="created", asset="USDC") == [other["id"]]
    assert await found(asset="USDT") == [adjustment, last["id"], settled["id"]]
    january = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
    assert await found(**january) == [other["id"], settled["id"]]
    assert await found(**{"from": "2026-01-01T05:30:00.000001+05:30", "to": "2026-01-02T00:00:00Z"}) == [
        other["id"]
    ]
    assert await found(q=settled["id"]) == [settled["id"]]
    assert await found(q=adjustment) == [adjustment]
    assert await found(q=delivery.order_id) == [settled["id"]]
    ((transaction_hash,),) = wallet.rows("SELECT transaction_hash FROM provider_orders")
    assert await found(q=transaction_hash) == [settled["id"]]
    assert await found(q=transaction_hash[:-1]) == []
    assert await found(q=transaction_hash, status="created") == []


async def test_a_reversal_is_found_by_the_order_it_reverses(wallet: Wallet, ada: Person) -> None:
    given = await wallet.created(ada)
    delivery = await wallet.deliver(ada, given["id"])
    await wallet.post(
        instructions.reverse(delivery, user_id=ada.id, top_up_id=given["id"], cause=BY_OPERATOR)
    )
    items = await listed(wallet, ada, q=delivery.order_id)
    assert [item["kind"] for item in items] == ["reversal", "top_up"]


async def test_nobody_finds_anothers_by_what_they_know_of_it(wallet: Wallet, ada: Person, bo: Person) -> None:
    given = await wallet.created(ada)
    delivery = await wallet.deliver(ada, given["id"])
    ((transaction_hash,),) = wallet.rows("SELECT transaction_hash FROM provider_orders")
    (post,) = await wallet.post(instructions.make_good("1", usdt(ada, 2), cause=BY_OPERATOR))
    for q in (given["id"], delivery.order_id, delivery.provider_order_id, transaction_hash, post, ada.id):
        assert await listed(wallet, bo, q=q) == []
    answer = await wallet.get(bo, "/api/transactions.csv", q=given["id"])
    assert len(answer.text.splitlines()) == 1
    assert (await wallet.get(bo, "/api/balances")).json()["items"] == []
    for path in ("transactions", "transactions.csv", f"transactions/{given['id']}", "balances"):
        assert_problem(await wallet.client.get(f"/api/{path}"), 401, "unauthenticated")


async def test_pages_stay_the_same_while_rows_arrive(wallet: Wallet, ada: Person) -> None:
    """Pairs of rows share a timestamp, so only the id orders them."""
    given = await wallet.created(ada)
    wallet.run(
        _COPIES.format("timestamptz '2026-01-01Z' + n / 2 * '1 s'::interval", 24),
        given["id"],
    )
    await wallet.post(instructions.make_good("1", usdt(ada, 2), cause=BY_OPERATOR))
    everything = [item["id"] for item in await listed(wallet, ada, limit=100)]
    assert len(set(everything)) == 26
    seen: list[str] = []
    cursor = None
    while True:
        query = {"limit": 5} | ({"cursor": cursor} if cursor else {})
        answer = (await wallet.get(ada, "/api/transactions", **query)).json()
        seen += [item["id"] for item in answer["items"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
        assert len(answer["items"]) == 5
        await wallet.post(instructions.make_good(new_id(), usdt(ada, 1), cause=BY_OPERATOR))
    assert seen == everything


async def test_a_query_that_cannot_be_used_is_named(wallet: Wallet, ada: Person) -> None:
    for name, value in UNUSABLE:
        paths = ["/api/transactions"] + ["/api/transactions.csv"] * (name not in ("limit", "cursor"))
        for path in paths:
            problem = assert_problem(await wallet.get(ada, path, **{name: value}), 422, "validation_failed")
            assert [error["field"] for error in problem["errors"]] == [name], value


async def test_the_ends_of_time_are_no_fault(wallet: Wallet, ada: Person) -> None:
    await wallet.created(ada)
    ends = {"from": "0001-01-01T00:00:00+14:00", "to": "9999-12-31T23:59:59-14:00"}
    assert len(await listed(wallet, ada, **ends)) == 1


async def test_an_id_that_is_nobodys_is_not_found(wallet: Wallet, ada: Person) -> None:
    for transaction_id in ("0" * 32, "x", "%00", "A" * 500, "' OR 1=1 --"):
        answer = await wallet.get(ada, f"/api/transactions/{transaction_id}")
        assert_problem(answer, 404, "not_found")


async def test_others_with_the_same_hash_do_not_hide_a_persons_own_payment(
    wallet: Wallet, ada: Person, bo: Person
) -> None:
    bos_top_up, own = await wallet.created(bo), await wallet.created(ada)
    for _ in range(60):
        wallet.order_for(bos_top_up["id"], transaction_hash="0xsame")
    wallet.order_for(own["id"], transaction_hash="0xsame")
    assert [item["id"] for item in await listed(wallet, ada, q="0xsame")] == [own["id"]]
    assert [item["id"] for item in await listed(wallet, bo, q="0xsame")] == [bos_top_up["id"]]


async def test_a_spreadsheet_gets_no_formula(wallet: Wallet, ada: Person) -> None:
    formulas = [
        "=1+1",
        "+1",
        "-1",
        "@x",
        "\t=1",
        "\r1",
        "\n1",
        " =1+1",
        "\u3000=1",
        "\u00a0=1",
        "\u200b=1",
        "\ufeff=1",
    ]
    formulas += ["\u0001=1", *(f"{sign}1+1" for sign in LOOK_ALIKES), f" {LOOK_ALIKES[0]}1+1"]
    harmless = ['a"b', "a,b", "a\r\nb", "a=1", " 7", "全", "'=1"]
    for text in (*formulas, *harmless):
        wallet.order_for(top_up(wallet.owner, ada.id, status="expired"), order_id=text)
    await wallet.post(instructions.make_good("1", usdt(ada, 2), cause=BY_OPERATOR))
    await wallet.post(spend("1", usdt(ada, 2), cause=BY_OPERATOR))
    answer = await wallet.get(ada, "/api/transactions.csv")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="transactions.csv"'
    assert answer.headers["cache-control"] == "no-store"
    header, *rows = csv.reader(io.StringIO(answer.text, newline=""))
    assert all(len(row) == len(header) for row in rows)
    table = [dict(zip(header, row, strict=True)) for row in rows]
    assert [row["amount"] for row in table[:2]] == ["'-2", "2"]
    cells = [row["provider_order_id"] for row in reversed(table[2:])]
    assert cells == [*(f"'{text}" for text in formulas), *harmless]
    assert table[0]["created_at"].endswith("Z")
    # The same goes for every other field that comes from outside.
    wallet.run("UPDATE top_ups SET payment_method = '=cmd'")
    table = list(csv.DictReader(io.StringIO((await wallet.get(ada, "/api/transactions.csv")).text)))
    assert {row["payment_method"] for row in table} == {"", "'=cmd"}


async def test_the_file_holds_what_was_paid_and_the_fees_that_were_quoted(
    wallet: Wallet, ada: Person
) -> None:
    given = await wallet.created(ada)
    order = wallet.settle(given["id"])
    wallet.run("UPDATE provider_orders SET fiat_amount = 1200, fiat_currency = 'INR' WHERE id = %s", order)
    await wallet.post(instructions.make_good("1", usdt(ada, 2), cause=BY_OPERATOR))
    text = (await wallet.get(ada, "/api/transactions.csv")).text
    added, top_up = csv.DictReader(io.StringIO(text))
    fees = {
        name.removeprefix("quoted_").removesuffix("_fee"): top_up[name] for name in top_up if "fee" in name
    }
    assert fees == given["quote"]["fees"]
    assert (top_up["paid_amount"], top_up["paid_currency"], top_up["payment_method"]) == (
        "1200",
        "INR",
        "UPI",
    )
    assert [value for name, value in added.items() if "fee" in name or "paid" in name] == [""] * 6
    assert text.splitlines()[0].startswith(
        "id,kind,status,created_at,settled_at,fiat_amount,fiat_currency,asset,"
    )


async def test_a_search_finds_what_people_know_and_q_stays_exact(
    wallet: Wallet, ada: Person, bo: Person
) -> None:
    given = await wallet.created(ada)
    order = wallet.settle(given["id"])
    wallet.run("UPDATE provider_orders SET fiat_amount = 1000, fiat_currency = 'INR' WHERE id = %s", order)
    for typed in (reference_of(given["id"]), "1,000", "₹1,000.00", "11.25 USDT", "upi", given["id"]):
        assert [one["id"] for one in await listed(wallet, ada, search=typed)] == [given["id"]], typed
        assert await listed(wallet, bo, search=typed) == []
        file = (await wallet.get(ada, "/api/transactions.csv", search=typed)).text
        assert len(file.splitlines()) == 2
    for typed in (reference_of(given["id"]), "1000", "UPI"):
        assert await listed(wallet, ada, q=typed) == [], typed
    assert [one["id"] for one in await listed(wallet, ada, payment_method="UPI")] == [given["id"]]
    assert await listed(wallet, ada, payment_method="upi") == []


async def test_the_file_holds_more_than_one_page(wallet: Wallet, ada: Person) -> None:
    given = await wallet.created(ada)
    wallet.run(
        _COPIES.format("created_at", 1100),
        given["id"],
    )
    rows = list(csv.DictReader(io.StringIO((await wallet.get(ada, "/api/transactions.csv")).text)))
    assert len({row["id"] for row in rows}) == len(rows) == 1101
    only = (await wallet.get(ada, "/api/transactions.csv", status="created")).text
    assert len(only.splitlines()) == 2


async def test_balances_are_told_with_their_worth(wallet: Wallet, ada: Person) -> None:
    empty = (await wallet.get(ada, "/api/balances")).json()
    assert (empty["display"], empty["items"], empty["stale"]) == (
        {"amount": "0.00", "currency": "INR"},
        [],
        False,
    )
    first, paid, ended = [await wallet.created(ada) for _ in range(3)]
    delivery = await wallet.deliver(ada, first["id"], amount="11.000000000000000001")
    wallet.run(
        "UPDATE top_ups SET status = 'processing', charged = 'yes', rank = 30 WHERE id = %s", paid["id"]
    )
    wallet.run("UPDATE top_ups SET status = 'expired' WHERE id = %s", ended["id"])
    await wallet.post(instructions.make_good("1", usdt(ada, 2), cause=BY_OPERATOR))
    seen = (await wallet.get(ada, "/api/balances")).json()
    assert set(seen) == {"display", "items", "as_of", "stale"}
    assert seen["items"] == [
        {
            "asset": "USDT",
            "available": "13.000000000000000001",
            "held": "0",
            "owed": "0",
            "pending": paid["quote"]["expected_amount"],
        }
    ]
    book = await get_rates().book()
    worth = Decimal("13") * book.per_stable["INR"]
    assert seen["display"]["currency"] == "INR"
    assert abs(Decimal(seen["display"]["amount"]) - worth) < Decimal("0.02")
    assert -Decimal(seen["display"]["amount"]).as_tuple().exponent == 2  # type: ignore[operator]
    assert (seen["stale"], datetime.fromisoformat(seen["as_of"])) == (False, book.as_of)
    await wallet.post(
        instructions.reverse(delivery, user_id=ada.id, top_up_id=first["id"], cause=BY_OPERATOR)
    )
    (item,) = (await wallet.get(ada, "/api/balances")).json()["items"]
    assert (item["available"], item["owed"]) == ("2", "0")


async def test_without_rates_the_balances_are_still_told(wallet: Wallet, ada: Person) -> None:
    wallet.run("UPDATE users SET display_currency = 'JPY' WHERE id = %s", ada.id)  # not sold for, so unpriced
    await wallet.deliver(ada, (await wallet.created(ada))["id"], amount="3")
    seen = (await wallet.get(ada, "/api/balances")).json()
    assert (seen["display"], seen["stale"]) == ({"amount": None, "currency": "JPY"}, True)
    assert seen["items"][0]["available"] == "3"
    await lifecycle.disconnect()
    wallet.simulator.scenario("api_down", times=None)
    answer = await wallet.get(ada, "/api/balances")
    assert (answer.status_code, answer.json()["display"]["amount"]) == (200, None)


async def test_old_rates_are_used_and_said_to_be_old(
    wallet: Wallet, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OldRates:
        async def book_after(self, kept: RateBook | None) -> RateBook:
            return RateBook({"USDT": Decimal(1), "INR": Decimal("88.889")}, old)

    old = datetime.now(UTC) - timedelta(minutes=16)
    await wallet.deliver(ada, (await wallet.created(ada))["id"], amount="2")
    with monkeypatch.context() as patched:
        patched.setattr(rates, "get_rates", OldRates)
        seen = (await wallet.get(ada, "/api/balances")).json()
    assert (seen["display"], seen["stale"]) == ({"amount": "177.77", "currency": "INR"}, True)
    assert datetime.fromisoformat(seen["as_of"]) == old
