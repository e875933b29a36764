"""`/add-money` with the received amount typed: the total to pay follows from it, and is then charged."""

from decimal import Decimal

import pytest

from onramp_app.pricing.quotes import get_shared_quotes
from tests.web.add_money.conftest import HANDLERS


async def test_the_total_follows_from_what_is_received(visit):
    await visit.open()
    await visit.do("typed_receive", "50")
    page = visit.page
    assert (page.receives, page.receive_heard, page.receive_written) == (True, "50", "50.00")
    assert Decimal("50") <= Decimal(page._expected) < Decimal("50.001")
    assert page.amount_written == page.bill.pay.removeprefix("₹")
    assert Decimal(page.amount) == Decimal(page.amount_written.replace(",", ""))
    assert (page.amount_problem, page.receive_problem, page.is_old) == ("", "", False)


async def test_typing_a_total_makes_what_is_received_follow_again(visit):
    await visit.open()
    await visit.do("typed_receive", "50")
    await visit.do("typed", "5,000")
    page = visit.page
    assert (page.receives, page.amount, page.amount_heard, page.amount_written) == (
        False,
        "5000",
        "5,000",
        "5,000",
    )
    assert page.receive_written == page.bill.receive + page.bill.receive_decimals


async def test_the_total_is_what_is_paid_and_stays_so_after_the_first_step(visit, street):
    await visit.open()
    await visit.do("typed_receive", "50")
    page = visit.page
    total = page.amount
    await visit.do("go_on", {"amount": page.amount_written, "receive": "50"})
    assert (page.step, page.amount) == ("pay", total)
    street.simulator.control("seed", {"seed": 8})
    get_shared_quotes.cache_clear()
    await visit.do("refresh")
    assert (page.amount, page.bill.pay) == (total, f"₹{page.amount_written}")
    await visit.do("go_on", {"method": "UPI"})
    await visit.do("begin")
    assert street.owner.execute("SELECT fiat_amount FROM top_ups").fetchall() == [(Decimal(total),)]


async def test_a_new_price_moves_the_total_while_the_amount_is_chosen(visit, street):
    await visit.open()
    await visit.do("typed_receive", "50")
    before = visit.page.amount
    street.simulator.control("seed", {"seed": 8})
    get_shared_quotes.cache_clear()
    await visit.do("refresh")
    assert visit.page.amount != before
    assert Decimal(visit.page._expected) >= 50


async def test_keystrokes_that_come_with_the_form_are_worked_out_before_it_goes_on(visit):
    await visit.open()
    await visit.do("typed_receive", "50")
    page = visit.page
    await visit.do("go_on", {"amount": page.amount_written, "receive": "500"})
    assert (page.step, page.receive_written) == ("amount", "500.00")
    assert Decimal(page._expected) >= 500
    await visit.do("go_on", {"amount": page.amount_written, "receive": "500"})
    assert page.step == "pay"


async def test_nobody_goes_on_while_the_total_is_not_known(visit, street):
    await visit.open()
    street.simulator.scenario("api_down", times=None)
    await visit.do("typed_receive", "50")
    page = visit.page
    assert page.is_old
    assert "isn't answering" in page.problem
    await visit.do("go_on", {"amount": page.amount_written, "receive": "50"})
    assert page.step == "amount"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("0.5", "The minimum is ₹100."),
        ("90000", "The maximum is ₹500,000."),
        ("0", "Enter an amount above zero."),
        ("-5", "An amount can't be negative."),
        ("50 €", "You receive USDT here, not €."),
        ("1.234", "1"),
        ("1.2345", "USDT has 2 decimals."),
        ("x", "Enter a valid amount, such as 1,000."),
    ],
)
async def test_what_is_wrong_with_it_is_said_at_its_field(visit, typed, said):
    await visit.open()
    await visit.do("typed_receive", typed)
    page = visit.page
    if typed == "1.234":  # A single point before three digits is a thousands separator.
        assert page.receive_written == "1,234.00"
        return
    assert (page.receive_problem, page.amount_problem, page.bill.pay) == (said, "", "")
    await visit.do("go_on", {"amount": page.amount_written, "receive": typed})
    assert page.step == "amount"


async def test_the_address_keeps_what_is_received(visit, street):
    await visit.open()
    await visit.do("typed_receive", "50")
    other = await street.new_visit()
    await other.open(visit.page.search)
    assert (other.page.receives, other.page.receive_written, other.page.amount) == (
        True,
        "50.00",
        visit.page.amount,
    )
    await other.open("?receive=50&step=check")
    assert (other.page.step, other.page.receive_written) == ("amount", "50.00")


async def test_another_asset_keeps_the_total(visit):
    await visit.open()
    await visit.do("typed_receive", "50")
    total = visit.page.amount
    await visit.do("choose_asset", "USDC")
    assert (visit.page.receives, visit.page.amount) == (False, total)


async def test_another_currency_keeps_what_is_received(visit):
    await visit.open()
    await visit.do("typed_receive", "50")
    await visit.do("choose_currency", "EUR-EU")
    page = visit.page
    assert (page.receives, page.receive_written, page.offer.sign) == (True, "50.00", "€")
    assert Decimal(40) < Decimal(page.amount) < Decimal(60)


async def test_a_round_amount_is_a_total(visit):
    await visit.open()
    await visit.do("typed_receive", "50")
    writes = visit.page.writes
    await visit.do("choose_quick", visit.page.offer.quick[0].amount)
    page = visit.page
    assert (page.receives, page.amount, page.writes) == (False, page.offer.quick[0].amount, writes + 1)


async def test_each_quote_of_the_search_counts_against_the_persons_share(visit, street):
    await visit.open()
    for typed in range(40, 60):
        await visit.tab.send(HANDLERS["typed_receive"], str(typed))
        await visit.do("refresh")
    assert "wait" in visit.page.problem.lower() or "moment" in visit.page.problem.lower()
