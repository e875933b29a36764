"""`/add-money` while a top-up is open: that is shown first, and the page claims nothing it has not read."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from onramp_app.accounts import sessions
from onramp_app.db.moments import database_time
from onramp_app.domain import clock
from onramp_app.domain.errors import RateLimited
from onramp_app.provider_orders import freshness
from onramp_app.throttle import throttle
from onramp_app.top_ups import top_ups
from onramp_app.wallet.latest import Latest
from onramp_app.web.add_money import open_state
from tests.web.add_money.conftest import HANDLERS, begun


@pytest.mark.parametrize(
    ("changes", "title", "can_cancel"),
    [
        ({}, "We haven't seen a payment yet", True),
        ({"status": "awaiting_payment", "charged": "unknown"}, "Don't pay again yet", False),
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
    # The URL still named the last step, and the page only advances from the step in its URL.
    assert "step=amount" in (outcome.leads_to or "")
    assert (visit.page.shows, visit.page.step, visit.page.amount) == ("form", "amount", "5000")


async def test_nothing_is_said_of_a_payment_while_the_provider_is_asked(visit, street):
    await visit.open()
    await begun(street)
    await visit.tab.send(HANDLERS["load"])
    assert (visit.page.reading, visit.page.open_title) == ("asking", "Checking your open top-ups")


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
    assert visit.page.open_title == "We haven't seen a payment yet", "nobody has asked the provider"
    elsewhere = await street.new_visit()
    await elsewhere.open("?another=yes")
    await elsewhere.page._catch_up(Latest(street.viewer))
    assert elsewhere.page.shows == "form", "who wanted another one goes on"


async def test_only_a_read_since_the_question_counts(visit, street):
    await visit.open()
    await begun(street)
    asked_at = clock.now()
    assert not (await freshness.read_now(street.viewer, within_seconds=0)).is_current
    await freshness.note_read([2], clock.now())
    assert (await freshness.read_now(street.viewer, within_seconds=0)).read_at is None, "another currency"
    await freshness.note_read([1], asked_at)
    standing = await freshness.read_now(street.viewer, within_seconds=0)
    assert (standing.is_current, standing.read_at) == (False, asked_at)
    later = asyncio.create_task(freshness.read_now(street.viewer, within_seconds=5))
    await asyncio.sleep(0.1)
    await freshness.note_read([1], clock.now())
    assert (await later).is_current


async def test_a_clock_that_is_slow_makes_no_old_read_count(visit, street, monkeypatch):
    await visit.open()
    await begun(street)
    await freshness.note_read([1], await database_time())
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) - timedelta(hours=1))
    assert not (await freshness.read_now(street.viewer, within_seconds=0)).is_current


async def test_nothing_is_shown_to_whose_session_ended_while_the_provider_was_asked(
    visit, street, monkeypatch
):
    monkeypatch.setattr(open_state, "READ_WITHIN_SECONDS", 0.5)
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
    for rule in throttle.READ_AGAIN:
        for _ in range(rule.amount):
            with suppress(RateLimited):
                await throttle.attempt(throttle.READ_AGAIN, street.viewer.user_id)
    await freshness.note_read([1], await database_time() + timedelta(hours=1))
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
        task = asyncio.create_task(freshness.read_now(street.viewer, within_seconds=0.4))
        await asyncio.sleep(0.05)
        await freshness.note_read([1], clock.now())
        return (await task).is_current

    assert not await asked()
    street.owner.execute("UPDATE provider_orders SET apply_after = now() + interval '1 hour'")
    assert not await asked(), "it failed, and is tried again later"
    street.owner.execute("UPDATE provider_orders SET applied_version = 1")
    assert await asked(), "the control"
