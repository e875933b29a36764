"""`/add-money`: what a newcomer meets, what the address keeps, and that nobody pays twice by accident."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from onramp_app.config import get_settings
from onramp_app.domain import clock
from onramp_app.domain.errors import DatabaseUnavailable, RateLimited
from onramp_app.services import (
    changed_users,
    last_read,
    provider,
    reviewed,
    sessions,
    throttle,
    top_ups,
)
from onramp_app.services.assets import enable_assets
from onramp_app.services.latest import Latest
from onramp_app.services.quotes import QuoteRequest
from onramp_app.services.sessions import BrowserSession
from onramp_app.states import wizard_offer, wizard_open
from onramp_app.states.wizard import WizardState
from tests.simulator.process import Process
from tests.states.conftest import HOSTILE, Outcome, Tab, cookie_of

HANDLERS = WizardState.event_handlers
RUPEES = QuoteRequest("INR", Decimal(5000), "USDT", "matic20", "UPI", "IN")
HOSTILE_FORMS = (*HOSTILE, {"amount": []}, {"method": 7})


@dataclass
class Visit:
    """One tab at the wizard; what a handler starts in the background is waited for."""

    tab: Tab
    cookie: str
    page: WizardState = field(init=False)

    async def open(self, search: str = "") -> Outcome:
        self.tab.connect(self.cookie, path=f"/add-money{search}")
        await self.tab.hydrate()
        self.page = await self.tab.state(WizardState)
        return await self.do("load")

    async def do(self, name: str, *arguments: Any) -> Outcome:
        outcome = await self.tab.send(HANDLERS[name], *arguments)
        for event in outcome.events:
            chained = event.name.rpartition(".")[2]
            if chained in HANDLERS:
                await self.do(chained)
        if outcome.leads_to and outcome.leads_to.startswith("/add-money?"):
            await self.open(outcome.leads_to.removeprefix("/add-money"))
        elif self.page.forward:
            await self.open(self.page.forward)
        return outcome

    @property
    def shown(self) -> tuple[str, str, str, str]:
        page = self.page
        return page.step, page.amount, page.offer.currency, page.method


@dataclass
class Street:
    """The simulator, the database's owner, and visits by people."""

    simulator: Process
    owner: psycopg.Connection
    new_visit: Callable[..., Awaitable[Visit]]
    sessions: list[BrowserSession] = field(default_factory=list)

    @property
    def viewer(self) -> Any:
        return self.sessions[0].viewer

    def count(self) -> int:
        return self.owner.execute("SELECT count(*) FROM top_ups").fetchone()[0]


@pytest.fixture
async def street(simulator: Process, database, new_account, open_tab, monkeypatch) -> AsyncIterator[Street]:
    monkeypatch.setenv("ONRAMP_REQUESTS_PER_MINUTE", "10000")
    monkeypatch.setenv("ONRAMP_WIDGET_URL", f"{simulator.base}/main")
    monkeypatch.setattr(wizard_open, "READ_WITHIN_SECONDS", 0.1)
    monkeypatch.setattr(wizard_offer, "RATES_WITHIN_SECONDS", 0)
    get_settings.cache_clear()
    await enable_assets()

    async def visit(session: BrowserSession | None = None) -> Visit:
        if session is None:
            session = made.sessions[0] if made.sessions else await new_account()
        if session not in made.sessions:
            made.sessions.append(session)
        return Visit(open_tab(), cookie_of(session))

    made = Street(simulator, psycopg.connect(database, autocommit=True), visit)
    yield made
    simulator.control("scenario", method="DELETE")
    made.owner.close()
    await changed_users.close()


@pytest.fixture
async def visit(street: Street) -> Visit:
    return await street.new_visit()


async def begun(street: Street, **changes: str) -> str:
    view = await top_ups.create(street.viewer, RUPEES)
    for column, value in changes.items():
        street.owner.execute(f"UPDATE top_ups SET {column} = %s WHERE id = %s", (value, view.id))
    return view.id


async def test_a_newcomer_finds_their_currency_an_amount_and_a_quote(visit):
    await visit.open()
    page = visit.page
    assert (page.shows, page.step, page.offer.currency, page.asset) == ("form", "amount", "INR", "USDT")
    assert page.amount in {quick.amount for quick in page.offer.quick}
    assert page.bill.pay.startswith("₹")
    assert page.bill.receive
    assert [line.label for line in page.bill.fees] == ["Provider fee"]
    assert page.offer.limits == "From ₹100 to ₹500,000"
    assert 0 < page.timer_seconds <= 30


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
    assert other.page.field_text == "75"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("50", "The least you can add at a time is ₹100."),
        ("900,000", "The most you can add at a time is ₹500,000."),
        ("1.2345", "INR has 2 decimals."),
        ("12x", "Enter an amount in digits, such as 1,000."),
    ],
)
async def test_what_is_wrong_is_said_at_the_field_and_the_step_stays(visit, *, typed, said):
    await visit.open()
    await visit.do("typed", typed)
    assert (visit.page.amount_problem, visit.page.bill.pay) == (said, "")
    await visit.do("go_on", {"amount": typed})
    assert (visit.page.step, visit.page.amount_problem) == ("amount", said)


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
    assert "does not take this currency" in visit.page.offer.closed
    await visit.do("go_on", {"amount": "2000"})
    assert visit.page.step == "amount"
    reasons = {group.reason for group in visit.page.offer.closed_currencies}
    assert visit.page.offer.closed in reasons
    closed = {choice.value for group in visit.page.offer.closed_currencies for choice in group.choices}
    assert "JPY-JP" in closed
    assert "INR-IN" not in closed


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
    assert "does not answer" in page.problem
    assert page.timer_seconds > 0
    assert (await visit.do("begin")).leads_to is None


async def test_a_renewed_quote_says_what_changed_and_the_same_one_says_nothing(visit, street):
    await visit.open("?amount=5000")
    await visit.do("refresh")
    assert visit.page.changed == ""
    street.simulator.control("seed", {"seed": 8})
    provider.get_shared_quotes.cache_clear()  # as three seconds do
    await visit.do("refresh")
    assert visit.page.bill.rate in visit.page.changed


async def test_confirming_twice_begins_one_top_up(visit, street):
    await visit.open("?step=check&amount=5000&method=UPI")
    await asyncio.gather(*(visit.do("begin") for _ in range(3)))
    await visit.do("begin")
    assert street.count() == 1


async def test_one_review_begins_one_top_up_and_two_begin_two(visit, street):
    """Without the tab's own guard, as after a lost answer. The second review is the control."""
    await visit.open()
    await visit.do("typed", "5000")
    expected = Decimal(visit.page._expected)

    async def begin(review: str) -> str:
        return await reviewed.begin(street.viewer, RUPEES, expected_amount=expected, review=review)

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
    assert "cannot tell" in visit.page.review_problem
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
    while not page.is_beginning:  # noqa: ASYNC110  # a state tells nobody
        await asyncio.sleep(0)
    page._choose(replace(page._choices, amount="5001"))
    await beginning
    assert "moved by more than 1 %" in page.review_problem
    assert (page.bill.pay, page.is_old) == ("₹5,000.00", True)


async def test_a_price_that_moved_is_shown_and_asked_again(visit, street):
    await visit.open("?step=check&amount=5000&method=UPI")
    visit.page._expected = str(Decimal(visit.page._expected) * Decimal("1.02"))
    outcome = await visit.do("begin")
    assert (outcome.leads_to, street.count()) == (None, 0)
    assert "moved by more than 1 %" in visit.page.review_problem
    assert visit.page.bill.pay == "₹5,000.00"
    assert (await visit.do("begin")).leads_to is not None
    assert street.count() == 1


async def test_our_limits_are_shown_before_anybody_hits_them(visit, street, monkeypatch):
    monkeypatch.setenv("LIMITS", json.dumps({"currency": "INR", "none": {"per_month": "20000"}}))
    get_settings.cache_clear()
    await visit.open()
    await begun(street)
    await visit.open("?another=yes&amount=16000")
    (allowance,) = visit.page.offer.allowances
    assert (allowance.label, allowance.words) == ("Left this month", "₹15,000 of ₹20,000")
    assert allowance.used_percent == 25
    assert visit.page.amount_problem == "You may add ₹15,000 more for now."


async def test_a_limit_that_was_used_up_meanwhile_is_said_at_the_review(visit, street, monkeypatch):
    await visit.open("?step=check&amount=5000&method=UPI&another=yes")
    monkeypatch.setenv("LIMITS", json.dumps({"currency": "INR", "none": {"per_day": "4000"}}))
    get_settings.cache_clear()
    state = visit.page
    outcome = await visit.tab.send(HANDLERS["begin"])
    assert "₹4,000" in state.review_problem
    assert (outcome.leads_to, street.count(), state.is_beginning) == (None, 0, False)


@pytest.mark.parametrize(
    ("change", "title"),
    [
        ("frozen_at = now()", "Your account is frozen"),
        ("kyc_status = 'rejected'", "You could not be verified"),
    ],
)
async def test_whoever_cannot_add_money_sees_why_instead_of_a_form(visit, street, *, change, title):
    await visit.open("?step=check&amount=5000&method=UPI")
    street.owner.execute(f"UPDATE users SET {change}")
    await visit.do("begin")
    assert (visit.page.shows, visit.page.blocked_title, street.count()) == ("blocked", title, 0)
    again = await street.new_visit()
    await again.open()
    assert (again.page.shows, again.page.blocked_title) == ("blocked", title)


# What is open already


@pytest.mark.parametrize(
    ("changes", "title", "can_cancel"),
    [
        ({}, "As far as we know, you have not paid", True),
        ({"status": "awaiting_payment", "charged": "unknown"}, "Do not pay again yet", False),
        ({"status": "processing", "charged": "yes"}, "Your payment was received", False),
    ],
)
async def test_what_is_open_is_asked_about_first(visit, street, *, changes, title, can_cancel):
    await visit.open()
    await begun(street, **changes)
    await visit.open()
    page = visit.page
    assert (page.shows, page.reading, page.open_title) == ("open", "away", title)
    (one,) = page.open_ones
    assert (one.title, one.can_cancel) == ("₹5,000 by UPI", can_cancel)
    await visit.do("start_another")
    assert page.shows == "form"
    assert "another=yes" in page.search
    await visit.open(page.search)
    assert page.shows == "form", "it is not asked twice"


async def test_whoever_comes_back_from_paying_can_start_another(visit, street):
    await visit.open()
    await begun(street)
    await visit.open("?step=check&amount=5000&method=UPI")
    outcome = await visit.do("start_another")
    # The address still said the last step; the page only goes on from the step that its address says.
    assert "step=amount" in (outcome.leads_to or "")
    assert (visit.page.shows, visit.page.step, visit.page.amount) == ("form", "amount", "5000")


async def test_nothing_is_said_of_a_payment_while_the_provider_is_asked(visit, street):
    await visit.open()
    await begun(street)
    await visit.tab.send(HANDLERS["load"])
    assert (visit.page.reading, visit.page.open_title) == ("asking", "Looking at what you began")


async def test_a_top_up_that_nobody_paid_is_canceled_and_the_form_comes(visit, street):
    await visit.open()
    top_up_id = await begun(street)
    await visit.open()
    await visit.do("cancel_open", top_up_id)
    assert (visit.page.shows, visit.page.open_ones) == ("form", [])
    assert street.owner.execute("SELECT status FROM top_ups").fetchone() == ("canceled",)


async def test_somebody_elses_top_up_is_neither_shown_nor_canceled(visit, street, new_account):
    await visit.open()
    top_up_id = await begun(street)
    eve = await street.new_visit(await new_account("Eve"))
    await eve.open()
    assert eve.page.shows == "form"
    await eve.do("cancel_open", top_up_id)
    assert street.owner.execute("SELECT status FROM top_ups").fetchone() == ("created",)


async def test_too_many_open_ones_are_said_and_no_form_comes(visit, street):
    await visit.open()
    for _ in range(top_ups.MAX_OPEN):
        await begun(street)
    await visit.open("?another=yes")
    assert (visit.page.shows, len(visit.page.open_ones)) == ("open", top_ups.MAX_OPEN)
    assert "too many" in visit.page.open_problem
    await visit.do("start_another")
    assert visit.page.shows == "open"


async def test_one_that_was_begun_elsewhere_comes_before_the_form(visit, street):
    await visit.open()
    await begun(street)
    await visit.page._catch_up(Latest(street.viewer))
    assert (visit.page.shows, len(visit.page.open_ones)) == ("open", 1)
    assert visit.page.open_title == "As far as we know, you have not paid", "nobody has asked the provider"
    elsewhere = await street.new_visit()
    await elsewhere.open("?another=yes")
    await elsewhere.page._catch_up(Latest(street.viewer))
    assert elsewhere.page.shows == "form", "who wanted another one goes on"


async def test_only_a_read_since_the_question_counts(visit, street):
    await visit.open()
    await begun(street)
    asked_at = clock.now()
    assert not (await last_read.read_anew(street.viewer, within_seconds=0)).is_current
    await last_read.note_read([2], clock.now())
    assert (await last_read.read_anew(street.viewer, within_seconds=0)).read_at is None, "another currency"
    await last_read.note_read([1], asked_at)
    standing = await last_read.read_anew(street.viewer, within_seconds=0)
    assert (standing.is_current, standing.read_at) == (False, asked_at)
    later = asyncio.create_task(last_read.read_anew(street.viewer, within_seconds=5))
    await asyncio.sleep(0.1)
    await last_read.note_read([1], clock.now())
    assert (await later).is_current


async def test_a_clock_that_is_slow_makes_no_old_read_count(visit, street, monkeypatch):
    await visit.open()
    await begun(street)
    await last_read.note_read([1], await last_read.database_time())
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) - timedelta(hours=1))
    assert not (await last_read.read_anew(street.viewer, within_seconds=0)).is_current


async def test_nothing_is_shown_to_whose_session_ended_while_the_provider_was_asked(
    visit, street, monkeypatch
):
    monkeypatch.setattr(wizard_open, "READ_WITHIN_SECONDS", 0.5)
    await visit.open()
    await begun(street)
    await visit.tab.send(HANDLERS["load"])
    asking = asyncio.create_task(visit.tab.send(HANDLERS["ask_provider"]))
    await asyncio.sleep(0.1)
    await sessions.end_session(street.viewer.user_id, street.viewer.session_id)
    assert (await asking).leads_to.startswith("/login")
    assert visit.page.reading == "asking"


async def test_asking_again_and_again_is_not_passed_on(visit, street):
    await visit.open()
    await begun(street)
    await visit.open()
    for rule in throttle.READ_ANEW:
        for _ in range(rule.amount):
            with suppress(RateLimited):
                await throttle.attempt(throttle.READ_ANEW, street.viewer.user_id)
    await last_read.note_read([1], await last_read.database_time() + timedelta(hours=1))
    await visit.do("ask_provider")
    assert visit.page.reading == "away"
    throttle.forget()
    await visit.do("ask_provider")
    assert visit.page.reading == "current", "the control"


async def test_a_read_that_has_not_moved_the_top_up_yet_does_not_count(visit, street):
    await visit.open()
    await begun(street)
    street.owner.execute(
        "INSERT INTO provider_orders (id, environment, provider, flow, order_id, recognition_id, raw,"
        " read_at, first_seen_at, version, applied_version, status_class)"
        " SELECT 'o', 'simulator', 'onramp', 'buy', '1', recognition_id, '{}', now(), now(), 1, 0, 'paid'"
        " FROM widget_sessions"
    )

    async def asked() -> bool:
        task = asyncio.create_task(last_read.read_anew(street.viewer, within_seconds=0.4))
        await asyncio.sleep(0.05)
        await last_read.note_read([1], clock.now())
        return (await task).is_current

    assert not await asked()
    street.owner.execute("UPDATE provider_orders SET apply_after = now() + interval '1 hour'")
    assert not await asked(), "it failed, and is tried again later"
    street.owner.execute("UPDATE provider_orders SET applied_version = 1")
    assert await asked(), "the control"


# Anybody can send anything


@pytest.mark.parametrize(
    "name", ["typed", "choose_quick", "choose_currency", "choose_asset", "choose_network"]
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
