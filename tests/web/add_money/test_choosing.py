"""`/add-money`: what a newcomer sees, what the URL keeps, and that nobody pays twice by accident."""

import asyncio
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from onramp_app.config import get_settings
from onramp_app.domain.errors import DatabaseUnavailable, ValidationFailed
from onramp_app.pricing import mid_market
from onramp_app.pricing.catalogue import get_options
from onramp_app.pricing.quotes import QuoteView, get_shared_quotes, quote
from onramp_app.providers.errors import AmountOutOfLimits
from onramp_app.top_ups import top_ups
from tests.web.add_money.conftest import HANDLERS, RUPEES, begun
from tests.web.conftest import HOSTILE

HOSTILE_FORMS = (*HOSTILE, {"amount": []}, {"method": 7})


async def test_a_newcomer_finds_their_currency_an_amount_and_a_quote(visit):
    await visit.open()
    page = visit.page
    assert (page.shows, page.step, page.offer.currency, page.asset) == ("form", "amount", "INR", "USDT")
    assert page.amount in {quick.amount for quick in page.offer.quick}
    assert page.bill.pay.startswith("₹")
    assert page.bill.receive
    assert [line.label for line in page.bill.fees] == ["Provider fee", "Payment fee"]
    assert page.offer.limits == "From ₹100 to ₹500,000"
    assert re.fullmatch(r"Total cost \d\.\d% against the mid-market ₹88\.00", page.bill.cost)
    assert 0 < page.timer_seconds <= 30


async def test_nothing_is_said_of_the_cost_where_no_middle_of_the_market_is_known(visit, monkeypatch):
    monkeypatch.setenv("MID_MARKET_URL", "http://127.0.0.1:1/")
    get_settings.cache_clear()
    mid_market.forget()
    await visit.open()
    assert (visit.page.bill.cost, visit.page.bill.rate[:8]) == ("", "1\N{NO-BREAK SPACE}USDT =")
    mid_market.forget()


async def test_the_whole_way_leads_to_one_top_up(visit, street):
    await visit.open()
    await visit.do("typed", "₹ 12,500")
    await visit.do("go_on", {"amount": "12,500.50"})
    assert visit.shown == ("pay", "12500.5", "INR", "UPI")
    await visit.do("go_on", {"method": "IMPS"})
    assert visit.shown == ("check", "12500.5", "INR", "IMPS")
    outcome = await visit.do("begin")
    ((top_up_id, amount, method),) = street.owner.execute(
        "SELECT id, fiat_amount, payment_method FROM top_ups"
    )
    assert outcome.leads_to == f"/add-money/{top_up_id}"
    assert (amount, method) == (Decimal("12500.5"), "IMPS")


async def test_another_device_goes_on_where_this_one_was(visit, street):
    await visit.open()
    await visit.do("choose_currency", "EUR-EU")
    await visit.do("go_on", {"amount": "75"})
    other = await street.new_visit()
    await other.open(visit.page.search)
    assert other.shown == visit.shown == ("pay", "75", "EUR", "OPEN_BANKING")
    await other.open(visit.page.amount_search)
    assert other.page.amount_written == "75"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("50", "The minimum is ₹100."),
        ("900,000", "The maximum is ₹500,000."),
        ("1.2345", "INR has 2 decimals."),
        ("12x", "Enter a valid amount, such as 1,000."),
        ("0", "Enter an amount above zero."),
        ("-50", "An amount can't be negative."),
        ("€50", "You're paying in INR, not in €."),
    ],
)
async def test_what_is_wrong_is_said_at_the_field_and_the_step_stays(visit, *, typed, said):
    await visit.open()
    await visit.do("typed", typed)
    assert (visit.page.amount_problem, visit.page.bill.pay) == (said, "")
    await visit.do("go_on", {"amount": typed})
    assert (visit.page.step, visit.page.amount_problem) == ("amount", said)


@pytest.mark.parametrize("amount", ["0.5", "99.99", "100", "100.5", "100.005", "500000", "500000.01", "0.00"])
async def test_the_page_refuses_exactly_the_amounts_that_a_quote_refuses(visit, amount):
    request = replace(RUPEES, fiat_amount=Decimal(amount))
    try:
        await quote(get_shared_quotes(), get_options(), request=request)
        is_refused = False
    except (AmountOutOfLimits, ValidationFailed):
        is_refused = True
    await visit.open(f"?amount={amount}&currency=INR&asset=USDT&network=matic20&method=UPI")
    assert (visit.page.amount_problem != "") is is_refused
    assert (visit.page.bill.pay == "") is is_refused


async def test_an_empty_field_is_asked_for_only_when_going_on(visit):
    await visit.open()
    await visit.do("typed", "")
    assert visit.page.amount_problem == ""
    await visit.do("go_on", {"amount": ""})
    assert visit.page.amount_problem


async def test_an_address_beyond_the_limits_comes_back_to_the_amount(visit):
    await visit.open("?step=check&amount=1&currency=INR&method=UPI")
    assert visit.shown == ("amount", "1", "INR", "UPI")
    assert visit.page.amount_problem


async def test_a_closed_currency_says_why_and_leads_nowhere(visit):
    await visit.open("?step=check&currency=JPY&amount=2000")
    assert visit.page.step == "amount"
    assert "doesn't accept this currency" in visit.page.offer.closed
    await visit.do("go_on", {"amount": "2000"})
    assert visit.page.step == "amount"
    reasons = {group.reason for group in visit.page.offer.closed_currencies}
    assert visit.page.offer.closed in reasons
    closed = {choice.value for group in visit.page.offer.closed_currencies for choice in group.choices}
    assert "JPY-JP" in closed
    assert "INR-IN" not in closed


async def test_a_method_that_is_called_what_it_is_says_so_once(visit):
    kinds = {}
    for currency in ("NGN", "INR"):
        await visit.open(f"?step=pay&currency={currency}")
        kinds |= {card.name: card.kind for card in visit.page.offer.methods}
    assert kinds["Bank transfer"] == ""
    assert kinds["IMPS"] == "Bank transfer"


async def test_a_network_that_is_out_of_sync_is_greyed_with_the_reason(visit, street):
    street.simulator.scenario("node_out_of_sync", times=None)
    await visit.open("?amount=2000&currency=INR")
    offer = visit.page.offer
    assert visit.page.network != "matic20"
    groups = [(group.reason, [choice.value for choice in group.choices]) for group in offer.closed_networks]
    assert groups == [("Onramp has lost touch with this network for now", ["matic20"])]
    assert "matic20" not in {choice.value for choice in offer.networks}
    assert offer.provider_trouble.startswith("Onramp has paused USDT on Polygon.")
    await visit.do("choose_network", "matic20")
    assert visit.page.network != "matic20"


async def test_a_provider_that_is_away_is_said_before_anybody_pays(visit, street):
    await visit.open("?amount=2000&currency=INR")
    assert visit.page.offer.provider_trouble == ""
    street.simulator.scenario("api_down", times=None)
    await visit.do("typed", "3000")
    assert "isn't answering" in visit.page.offer.provider_trouble
    assert visit.page.problem
    street.simulator.control("scenario", method="DELETE")
    await visit.do("refresh")
    assert (visit.page.offer.provider_trouble, visit.page.problem) == ("", "")


async def test_one_currency_of_several_countries_is_chosen_by_country(visit):
    await visit.open()
    await visit.do("choose_currency", "XAF-GA")
    assert (visit.page.offer.currency_value, visit.page.offer.decimals) == ("XAF-GA", 0)


async def test_a_late_answer_does_not_overwrite_what_was_typed_since(visit, street):
    await visit.open()
    street.simulator.scenario("api_slow", times=1, value="1")
    await visit.tab.send(HANDLERS["typed"], "2000")
    slow = asyncio.create_task(visit.do("refresh"))
    await asyncio.sleep(0.3)
    await visit.do("typed", "7000")
    newer = visit.page.bill
    await slow
    assert (visit.page.amount, visit.page.bill) == ("7000", newer)
    assert newer.pay == "₹7,000.00"


async def test_a_provider_that_is_away_leaves_the_last_quote_greyed_and_is_asked_again(visit, street):
    await visit.open()
    before = visit.page.bill
    street.simulator.scenario("api_down", times=3)
    await visit.do("typed", "7000")
    page = visit.page
    assert (page.bill, page.is_old) == (before, True)
    assert "isn't answering" in page.problem
    assert page.timer_seconds > 0
    assert (await visit.do("begin")).leads_to is None


async def test_a_small_change_of_the_price_changes_the_figures_and_says_nothing(visit, street):
    await visit.open("?amount=5000")
    before = visit.page.bill
    street.simulator.control("seed", {"seed": 8})  # the new seed moves prices by 0.6 % at most
    get_shared_quotes.cache_clear()  # as three seconds do
    await visit.do("refresh")
    assert visit.page.bill.receive_exact != before.receive_exact
    assert visit.page.receive_written == visit.page.bill.receive + visit.page.bill.receive_decimals
    assert visit.page.changed == ""


async def test_a_price_that_moved_by_half_a_percent_since_it_was_looked_at_is_said(visit):
    await visit.open("?amount=5000")
    page = visit.page

    def show(expected: str) -> str:
        soon = datetime.now(UTC) + timedelta(seconds=30)
        page._show_quote(QuoteView("88.1", "5000", expected, "1", "0", "1", "0", soon), page._choices)
        return page.changed

    show("50")
    shown = [show(expected) for expected in ("49.8", "49.76", "49.75", "49.75", "50", "49.99")]
    assert [bool(words) for words in shown] == [False, False, True, False, True, False]
    assert shown[2] == "The rate has changed: 1\N{NO-BREAK SPACE}USDT = ₹88.10, you receive about 49.75 USDT."


async def test_confirming_twice_begins_one_top_up(visit, street):
    await visit.open("?step=check&amount=5000&method=UPI")
    await asyncio.gather(*(visit.do("begin") for _ in range(3)))
    await visit.do("begin")
    assert street.count() == 1


async def test_one_review_begins_one_top_up_and_two_begin_two(visit, street):
    """This bypasses the tab's own guard, as after a lost answer. The second review is the control."""
    await visit.open()
    await visit.do("typed", "5000")
    expected = Decimal(visit.page._expected)

    async def begin(review: str) -> str:
        return await top_ups.create_once(street.viewer, RUPEES, expected_amount=expected, review=review)

    first = await begin("one")
    assert await begin("one") == first
    assert await begin("two") != first
    assert street.count() == 2


async def test_a_begin_whose_answer_was_lost_is_found_again_at_another_price(visit, street, monkeypatch):
    create = top_ups.create

    async def lose_the_answer(*arguments: Any, **named: Any) -> None:
        await create(*arguments, **named)
        raise DatabaseUnavailable("The connection was lost at the commit.", retry_after_seconds=5)

    await visit.open("?step=check&amount=5000&method=UPI")
    with monkeypatch.context() as faulty:
        faulty.setattr(top_ups, "create", lose_the_answer)
        await visit.do("begin")
    assert (visit.page.is_beginning, street.count()) == (False, 1)
    assert "can't tell yet" in visit.page.review_problem
    visit.page._expected = str(Decimal(visit.page._expected) + 1)
    begun_id = street.owner.execute("SELECT id FROM top_ups").fetchone()[0]
    assert (await visit.do("begin")).leads_to == f"/add-money/{begun_id}"
    assert street.count() == 1


async def test_other_choices_after_a_lost_answer_are_another_review(visit, street, monkeypatch):
    async def fail(*_arguments: Any, **_named: Any) -> None:
        raise DatabaseUnavailable("Away.", retry_after_seconds=5)

    await visit.open("?step=check&amount=5000&method=UPI")
    with monkeypatch.context() as faulty:
        faulty.setattr(top_ups, "create", fail)
        await visit.do("begin")
    await visit.open("?step=check&amount=6000&method=UPI")
    assert (await visit.do("begin")).leads_to is not None
    assert street.owner.execute("SELECT fiat_amount FROM top_ups").fetchall() == [(6000,)]


async def test_who_comes_back_sees_what_was_begun_although_the_address_asks_for_another(visit, street):
    address = "?step=check&amount=5000&method=UPI&another=yes"
    await visit.open(address)
    await visit.do("begin")
    await visit.open(address)
    assert (visit.page.shows, len(visit.page.open_ones)) == ("open", 1)
    await visit.do("begin")
    assert street.count() == 1


async def test_a_new_price_for_what_was_chosen_before_is_not_shown_for_something_else(visit, street):
    await visit.open("?step=check&amount=5000&method=UPI")
    page = visit.page
    page._expected = str(Decimal(page._expected) * 2)
    beginning = asyncio.create_task(visit.tab.send(HANDLERS["begin"]))
    while not page.is_beginning:  # noqa: ASYNC110  # a state has nothing to await
        await asyncio.sleep(0)
    page._choose(replace(page._choices, amount="5001"))
    await beginning
    assert "moved by more than 1%" in page.review_problem
    assert (page.bill.pay, page.is_old) == ("₹5,000.00", True)


async def test_a_price_that_moved_is_shown_and_asked_again(visit, street):
    await visit.open("?step=check&amount=5000&method=UPI")
    visit.page._expected = str(Decimal(visit.page._expected) * Decimal("1.02"))
    outcome = await visit.do("begin")
    assert (outcome.leads_to, street.count()) == (None, 0)
    assert "moved by more than 1%" in visit.page.review_problem
    assert visit.page.bill.pay == "₹5,000.00"
    assert (await visit.do("begin")).leads_to is not None
    assert street.count() == 1


async def test_our_limits_are_shown_before_anybody_hits_them(visit, street, monkeypatch):
    alike = {tier: {"per_month": "20000"} for tier in ("none", "basic", "full")}
    monkeypatch.setenv("LIMITS", json.dumps({"currency": "INR", **alike}))
    get_settings.cache_clear()
    await visit.open()
    await begun(street)
    await visit.open("?another=yes&amount=16000")
    (allowance,) = visit.page.offer.allowances
    assert (allowance.label, allowance.words) == ("Left this month", "₹15,000 of ₹20,000")
    assert allowance.used_percent == 25
    assert visit.page.amount_problem == "You can add ₹15,000 more for now."


async def test_a_limit_that_was_used_up_meanwhile_is_said_at_the_review(visit, street, monkeypatch):
    await visit.open("?step=check&amount=5000&method=UPI&another=yes")
    alike = {tier: {"per_day": "4000"} for tier in ("none", "basic", "full")}
    monkeypatch.setenv("LIMITS", json.dumps({"currency": "INR", **alike}))
    get_settings.cache_clear()
    state = visit.page
    outcome = await visit.tab.send(HANDLERS["begin"])
    assert "₹4,000" in state.review_problem
    assert (outcome.leads_to, street.count(), state.is_beginning) == (None, 0, False)


async def test_an_amount_that_needs_a_higher_tier_leads_to_verification_and_back(visit, street, monkeypatch):
    limits = {"none": {"per_top_up": "4000"}, "basic": {"per_top_up": "9000"}, "full": {"per_top_up": "9000"}}
    monkeypatch.setenv("LIMITS", json.dumps({"currency": "INR", **limits}))
    monkeypatch.setenv("ONRAMP_WHITE_LABEL", "on")
    get_settings.cache_clear()
    await visit.open("?amount=2000")
    assert visit.page.offer.binding == "Your limit for each top-up applies: up to ₹4,000."
    assert visit.page.offer.raises == "Verify your identity to add up to ₹9,000."
    assert (visit.page.verify_words, visit.page.bill.pay) == ("", "₹2,000.00")
    assert visit.page.offer.limits.endswith(" to ₹4,000")
    await visit.open("?step=check&amount=5000&method=UPI")
    page = visit.page
    assert (page.step, page.amount_problem, page.bill.pay) == ("amount", "", "")
    assert page.verify_words == ("You can add up to ₹4,000 for now. Verify your identity to add this amount.")
    way_back = parse_qs(urlsplit(page.verify_to).query)["next"][0]
    assert urlsplit(way_back).path == "/add-money"
    assert parse_qs(urlsplit(way_back).query)["amount"] == ["5000"]
    await visit.do("go_on", {"amount": "5000"})
    assert page.forward == ""
    await visit.open("?amount=20000")
    assert (visit.page.verify_words, bool(visit.page.amount_problem)) == ("", True)


async def test_a_tier_that_is_too_low_at_the_review_is_said_with_the_way_on(visit, street, monkeypatch):
    await visit.open("?step=check&amount=5000&method=UPI")
    limits = {"none": {"per_top_up": "4000"}}
    monkeypatch.setenv("LIMITS", json.dumps({"currency": "INR", **limits}))
    get_settings.cache_clear()
    outcome = await visit.tab.send(HANDLERS["begin"])
    assert (outcome.leads_to, street.count(), visit.page.review_problem) == (None, 0, "")
    # On the widget line the provider tells us nothing, so only an operator can raise a tier.
    assert visit.page.verify_words == "You can add up to ₹4,000 for now. Support can raise your limit."
    assert visit.page.verify_action == "See your limits"


@pytest.mark.parametrize(
    ("change", "title"),
    [
        ("frozen_at = now()", "Your account is frozen"),
        ("kyc_status = 'rejected'", "Your identity couldn't be verified"),
    ],
)
async def test_whoever_cannot_add_money_sees_why_instead_of_a_form(visit, street, *, change, title):
    await visit.open("?step=check&amount=5000&method=UPI")
    street.owner.execute(f"UPDATE users SET {change}")
    await visit.do("begin")
    assert (visit.page.shows, visit.page.blocked.title, street.count()) == ("blocked", title, 0)
    again = await street.new_visit()
    await again.open()
    assert (again.page.shows, again.page.blocked.title) == ("blocked", title)


async def test_whose_address_is_not_confirmed_sees_every_price_and_buys_nothing(visit, street, monkeypatch):
    monkeypatch.setenv("REQUIRE_CONFIRMED_EMAIL", "true")
    get_settings.cache_clear()
    await visit.open("?step=check&amount=5000&method=UPI")
    assert visit.page.shows == "form"
    await visit.do("begin")
    assert (visit.page.shows, street.count()) == ("form", 0)
    assert visit.page.review_problem.startswith("First confirm your email address")


# Anybody can send any event


@pytest.mark.parametrize(
    "name",
    ["typed", "typed_receive", "choose_quick", "choose_currency", "choose_asset", "choose_network"],
)
async def test_hostile_arguments_choose_nothing(visit, name):
    await visit.open("?amount=5000")
    before = (visit.page.offer.currency, visit.page.asset, visit.page.network)
    for argument in HOSTILE_FORMS:
        await visit.do(name, argument)
    assert (visit.page.offer.currency, visit.page.asset, visit.page.network) == before


async def test_hostile_typing_is_no_amount(visit):
    await visit.open("?amount=5000")
    for argument in HOSTILE_FORMS:
        await visit.do("typed", argument)
        assert visit.page.amount == ""
        assert visit.page.amount_problem or argument == ""
        await visit.do("typed_receive", argument)
        assert (visit.page.amount, visit.page._choices.receive) == ("", "")
        assert visit.page.receive_problem or argument == ""


@pytest.mark.parametrize("name", ["choose_method", "go_on", "cancel_open"])
async def test_hostile_arguments_lead_nowhere(visit, street, name):
    await visit.open("?step=pay&amount=5000")
    for argument in HOSTILE_FORMS:
        await visit.do(name, argument)
    assert (visit.page.step, visit.page.method, street.count()) == ("pay", "UPI", 0)


async def test_nothing_begins_before_a_review_was_shown(visit, street):
    await visit.open("?step=pay&amount=5000")
    await visit.do("begin")
    assert street.count() == 0


async def test_nobody_is_led_to_the_login(visit, street):
    await visit.open()
    visit.tab.connect("", path="/add-money")
    for name in ("load", "refresh", "begin", "start_another", "ask_provider"):
        assert (await visit.tab.call(HANDLERS[name])).leads_to.startswith("/login?")
    assert street.count() == 0
