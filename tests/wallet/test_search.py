"""What a typed text may mean, and that each meaning finds the right rows, newest first and paged."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest

from onramp_app.accounts.views import Viewer
from onramp_app.domain.environment import Environment, StepSource
from onramp_app.domain.ids import new_id, reference_of
from onramp_app.ledger import instructions
from onramp_app.ledger.instructions import UserAmount
from onramp_app.ledger.transfers import Cause
from onramp_app.top_ups.transitions import TopUpStatus
from onramp_app.wallet import search, transactions
from onramp_app.wallet.search import TypedAmount, meanings_of
from onramp_app.wallet.transaction_queries import Filters
from tests import rows
from tests.ledger.books import SCALES, post_now

BY_OPERATOR = Cause(StepSource.OPERATOR, actor="operator", reason="asked by support")
BEGAN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HASH = f"0x{'a1' * 32}"


def numbers(typed: str) -> set[str]:
    return {str(amount.number) for amount in meanings_of(typed).amounts}


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("1000", {"1000"}),
        ("1,000", {"1.000", "1000"}),
        ("1.000", {"1.000", "1000"}),
        ("1,000.50", {"1000.50"}),
        ("1.000,50", {"1000.50"}),
        ("1 000", {"1000"}),
        ("1'000.5", {"1000.5"}),
        ("1,00,000", {"100000"}),
        ("1,234,567", {"1234567"}),
        ("₹10,000", {"10.000", "10000"}),
        ("€ 12,50", {"12.50"}),
        ("+11.25 USDT", {"11.25"}),
        ("\N{MINUS SIGN}11.25", {"11.25"}),
        ("usdt 11.25", {"11.25"}),
        ("1..2", set()),
        ("", set()),
        ("..", set()),
        ("USDT", set()),
        ("9" * 40, set()),
        ("1e5", set()),
        ("\u0661\u0662", set()),
    ],
)
def test_amounts_are_read_in_each_way_that_people_write_them(typed: str, read: set[str]) -> None:
    assert numbers(typed) == read


def test_a_code_beside_an_amount_says_of_what_it_is() -> None:
    assert meanings_of("11.25 USDT").amounts == (TypedAmount(Decimal("11.25"), 2, "USDT"),)
    assert meanings_of("inr 1000").amounts == (TypedAmount(Decimal(1000), 0, "INR"),)
    assert meanings_of("₹1000").amounts == (TypedAmount(Decimal(1000), 0, ""),)


@pytest.mark.parametrize("typed", ["9F3C-21AB", "9f3c21ab", "9F3C 21ab", " 9f3c\N{EN DASH}21AB "])
def test_a_reference_is_known_as_people_write_it(typed: str) -> None:
    assert meanings_of(typed).reference == "9f3c21ab"


@pytest.mark.parametrize("typed", ["9F3C-21A", "9F3C-21ABC", "9F3G-21AB", "9F3C_21AB", "\u0669F3C-21AB"])
def test_what_is_no_reference_is_none(typed: str) -> None:
    assert meanings_of(typed).reference == ""


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        for code, scale in SCALES.items():
            connection.execute("INSERT INTO assets VALUES (%s, %s, %s)", (code, scale, BEGAN))
        yield connection


class Person:
    """A person with top-ups a minute apart, and searches among them."""

    def __init__(self, owner: psycopg.Connection) -> None:
        self.owner = owner
        self.id = rows.user(owner)
        self.viewer = Viewer(
            self.id, "s", "a@b.de", "A", None, "INR", "en", "user", "none", "none",
            is_email_confirmed=True, created_at=BEGAN,
        )  # fmt: skip
        self.made = 0

    def top_up(self, *, received: str | None = None, asset: str = "USDT", **columns: object) -> str:
        self.made += 1
        at = BEGAN + timedelta(minutes=self.made)
        if received is not None:
            minor = int(Decimal(received).scaleb(SCALES[asset]))
            columns |= {
                "status": "settled", "charged": "yes", "rank": 70, "has_entry": True,
                "received_minor": minor, "received_asset": asset, "settled_at": at,
            }  # fmt: skip
        return rows.top_up(self.owner, self.id, asset=asset, created_at=at, **columns)

    def order(self, top_up_id: str, **columns: object) -> None:
        order = {
            "id": new_id(), "environment": "simulator", "provider": "onramp", "flow": "buy",
            "order_id": "18237", "top_up_id": top_up_id, "raw": "{}", "first_seen_at": BEGAN,
            "read_at": BEGAN, "version": 1, "applied_version": 1, "transaction_hash": HASH,
        } | columns  # fmt: skip
        rows.insert(self.owner, "provider_orders", **order)

    async def finds(self, typed: str, **filters: object) -> list[str]:
        wanted = replace(Filters(search=typed), **filters)
        views, _cursor = await transactions.page(self.viewer, wanted)
        return [view.id for view in views]


@pytest.fixture
def ada(owner: psycopg.Connection) -> Person:
    return Person(owner)


async def test_everything_that_people_know_of_a_payment_finds_it(ada: Person) -> None:
    other = ada.top_up(fiat_amount=77, fiat_currency="EUR", payment_method="SEPA_BANK_TRANSFER")
    one = ada.top_up(received="11.253456", fiat_amount=1000, paid_amount=1200, payment_method="UPI")
    ada.order(one)
    for typed in (
        reference_of(one), reference_of(one).lower(), one[-8:], one, one.upper(), "18237", HASH, HASH.upper(),
        "1000", "₹1,000", "1,000.00", "1000 INR", "INR 1000", "1200", "11.25", "11.25 USDT", "+11.25",
        "11.253456", "upi", "UPI", " upi ",
    ):  # fmt: skip
        assert await ada.finds(typed) == [one], typed
    for typed in ("77", "€77", "77 EUR", "bank transfer", "Bank", "sepa"):
        assert await ada.finds(typed) == [other], typed
    for typed in ("11.24", "11.26", "11.2534567", "1000 EUR", "11.25 BTC", "0x", "1823", "card", "ffff-ffff"):
        assert await ada.finds(typed) == [], typed


async def test_what_is_somebody_elses_is_never_found(owner: psycopg.Connection, ada: Person) -> None:
    bo = Person(owner)
    one = bo.top_up(received="11.25", paid_amount=1200)
    bo.order(one)
    (given,) = await post_now(
        instructions.make_good(
            new_id(), UserAmount(Environment.SIMULATOR, bo.id, "USDT", 5 * 10**18), cause=BY_OPERATOR
        )
    )
    ada.top_up(fiat_amount=5000)
    for typed in (
        one, reference_of(one), "18237", HASH, "1000", "1200", "11.25", "upi 2", given.transfer_id,
        reference_of(given.transfer_id), "5 USDT",
    ):  # fmt: skip
        assert await ada.finds(typed) == [], typed


async def test_movements_beside_the_top_ups_are_found_too(ada: Person) -> None:
    ada.top_up()
    (posted,) = await post_now(
        instructions.make_good(
            new_id(), UserAmount(Environment.SIMULATOR, ada.id, "USDT", 325 * 10**16), cause=BY_OPERATOR
        )
    )
    for typed in (posted.transfer_id, reference_of(posted.transfer_id), "3.25", "+3.25 USDT", "3,25"):
        assert await ada.finds(typed) == [posted.transfer_id], typed
    assert await ada.finds("3.25", status=TopUpStatus.SETTLED) == [posted.transfer_id]
    assert await ada.finds("3.25", asset="USDT") == [posted.transfer_id]
    for filters in ({"status": TopUpStatus.CREATED}, {"asset": "BTC"}, {"method": "UPI"}):
        assert await ada.finds("3.25", **filters) == [], filters


async def test_other_filters_and_pages_hold_for_what_is_found(ada: Person) -> None:
    made = [ada.top_up(received="11.25" if n % 2 else "11.251", fiat_amount=1000) for n in range(9)]
    ada.top_up(fiat_amount=2000)
    newest = made[::-1]
    for typed in ("1000", "11.25", "upi"):
        seen: list[str] = []
        cursor = None
        while True:
            views, cursor = await transactions.page(
                ada.viewer, Filters(search=typed, status=TopUpStatus.SETTLED), limit=2, cursor=cursor
            )
            seen += [view.id for view in views]
            if cursor is None:
                break
        assert seen == newest, typed
    since = BEGAN + timedelta(minutes=3)
    assert await ada.finds("1000", since=since, before=since + timedelta(minutes=2)) == made[2:4][::-1]
    assert await ada.finds("upi", method="UPI", q=made[0]) == [made[0]]
    assert await ada.finds("1000", status=TopUpStatus.CREATED) == []


@pytest.mark.parametrize(
    "typed",
    ["'", '"', "%", "_", "\\", "; DROP TABLE users", "{}", "\ud83d\ude00", "x" * 128, "--", "0", "00000000"],
)
async def test_any_text_is_an_answer(ada: Person, typed: str) -> None:
    ada.top_up()
    assert await ada.finds(typed.encode("utf-16", "surrogatepass").decode("utf-16")) == []


async def test_the_methods_of_a_person_are_named_once(ada: Person) -> None:
    for method in ("UPI", "IMPS", "UPI", "IMPS", "SEPA"):
        ada.top_up(payment_method=method)
    assert await transactions.methods_used(ada.viewer) == ["IMPS", "SEPA", "UPI"]


def test_no_condition_is_made_of_what_was_typed() -> None:
    for parts in (("reference",), tuple(search._PARTS)):
        for given in (frozenset(), frozenset(search._CONDITIONS)):
            made = str(search._top_ups(parts, given))
            assert not re.search(r"'(?!')[^']", made.replace("IN (''", "")), made
