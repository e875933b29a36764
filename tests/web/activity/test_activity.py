"""The activity list: filters in the URL, loading more pages, and pushes that leave the rest in place."""

from urllib.parse import parse_qs, urlsplit

import pytest

from onramp_app.domain.ids import reference_of
from onramp_app.wallet.latest import Latest
from onramp_app.web.activity.filters import filters_of, query_of, usable_filters
from onramp_app.web.activity.state import MOST, PAGE, ActivityState
from tests.web.conftest import HOSTILE, arrive, cookie_of

HANDLERS = ActivityState.event_handlers


@pytest.fixture
async def ada(new_account):
    return await new_account()


@pytest.fixture
async def tab(ada, open_tab, books):
    tab = open_tab(cookie_of(ada), path="/activity")
    await tab.hydrate()
    return tab


def begun(books, user_id: str, number: int) -> None:
    for _ in range(number):
        books.top_up(user_id)
    books.owner.execute(
        "UPDATE top_ups SET created_at = created_at - n * interval '1 minute'"
        " FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM top_ups) AS numbered"
        " WHERE numbered.id = top_ups.id"
    )


async def test_more_is_added_below_until_a_tab_is_full_and_then_an_address_goes_on(tab, ada, books):
    begun(books, ada.viewer.user_id, MOST + 10)
    await tab.send(HANDLERS["load"])
    page = await tab.state(ActivityState)
    first = [row.transaction_id for row in page.rows]
    assert (len(first), page.has_more, page.older) == (PAGE, True, "")
    for shows in (2 * PAGE, 3 * PAGE, MOST, MOST):
        await tab.send(HANDLERS["show_more"])
        assert len(page.rows) == shows
    assert [row.transaction_id for row in page.rows][:PAGE] == first
    assert not page.has_more
    seen = {row.transaction_id for row in page.rows}
    tab.connect(cookie_of(ada), path=page.older)
    await tab.send(HANDLERS["load"])
    assert page.is_later_part
    assert len(page.rows) == 10
    assert seen.isdisjoint(row.transaction_id for row in page.rows)
    assert (page.has_more, page.older) == (False, "")


async def test_a_push_brings_new_lines_and_keeps_what_was_loaded(tab, ada, books):
    begun(books, ada.viewer.user_id, 2 * PAGE)
    await tab.send(HANDLERS["load"])
    await tab.send(HANDLERS["show_more"])
    page = await tab.state(ActivityState)
    before = [row.transaction_id for row in page.rows]
    new = await arrive(books, ada.viewer.user_id, 100)
    books.owner.execute("UPDATE top_ups SET status = 'expired', charged = 'no' WHERE id = %s", (before[3],))
    await page._catch_up(Latest(ada.viewer))
    after = [row.transaction_id for row in page.rows]
    assert after == [new, *before[:-1]]
    assert page.rows[4].tag == "Expired"


async def test_a_load_of_the_same_list_keeps_what_was_loaded(tab, ada, books):
    begun(books, ada.viewer.user_id, 2 * PAGE)
    await tab.send(HANDLERS["load"])
    await tab.send(HANDLERS["show_more"])
    await tab.send(HANDLERS["load"])
    page = await tab.state(ActivityState)
    assert len(page.rows) == 2 * PAGE
    tab.connect(cookie_of(ada), path="/activity?status=processing")
    await tab.send(HANDLERS["load"])
    assert len(page.rows) == PAGE


async def test_filters_stand_in_the_address_and_narrow_the_list(tab, ada, books):
    settled = await arrive(books, ada.viewer.user_id, 100)
    await arrive(books, ada.viewer.user_id, 50, asset="USDC")
    books.top_up(ada.viewer.user_id)
    await tab.send(HANDLERS["load"])
    page = await tab.state(ActivityState)
    assert [method.name for method in page.methods] == ["UPI"]

    async def press(name, *arguments):
        outcome = await tab.send(HANDLERS[name], *arguments)
        tab.connect(cookie_of(ada), path=outcome.leads_to)
        await tab.send(HANDLERS["load"])
        return parse_qs(urlsplit(outcome.leads_to).query)

    await press("choose", "status", "settled")
    await press("choose", "asset", "USDT")
    await press("search", {"search": "  100   usdt "})
    asked = await press("between", "2025-12-31T18:30:00.000Z", "2099-01-01T00:00:00Z")
    assert asked == {
        "status": ["settled"],
        "asset": ["USDT"],
        "search": ["100 usdt"],
        "from": ["2025-12-31T18:30:00Z"],
        "to": ["2099-01-01T00:00:00Z"],
    }
    assert [row.transaction_id for row in page.rows] == [settled]
    assert (page.problem, page.status_words) == ("", "In your balance")
    await press("search", {"search": reference_of(settled)})
    await press("choose", "payment_method", "UPI")
    assert [row.transaction_id for row in page.rows] == [settled]
    assert page.method_words == "UPI"
    for name in ("status", "asset", "search", "payment_method"):
        await press("choose", name, "")
    assert await press("between", "", "") == {}
    assert len(page.rows) == 3
    assert (page.status_words, page.method_words) == ("", "")


async def test_what_cannot_be_used_in_an_address_is_left_out_and_said(tab, ada, books):
    await arrive(books, ada.viewer.user_id, 100)
    tab.connect(cookie_of(ada), path="/activity?status=lost&after=nonsense")
    await tab.send(HANDLERS["load"])
    page = await tab.state(ActivityState)
    assert len(page.rows) == 1
    assert page.problem


@pytest.mark.parametrize("status", ["awaiting_payment", "expired", "canceled"])
async def test_a_claimed_payment_is_looked_for_whatever_became_of_its_offer(tab, ada, books, status):
    top_up_id = books.top_up(ada.viewer.user_id)
    books.owner.execute(
        "UPDATE top_ups SET status = %s, charged = 'unknown', rank = 20 WHERE id = %s", (status, top_up_id)
    )
    await tab.send(HANDLERS["load"])
    (row,) = (await tab.state(ActivityState)).rows
    assert (row.tag, row.tone, row.direction) == ("Looking for payment", "now", "open")


@pytest.mark.parametrize(("charged", "shown"), [("yes", "₹900"), ("unknown", "₹1,000"), ("no", "₹1,000")])
async def test_what_was_paid_is_said_once_it_was(tab, ada, books, charged, shown):
    """The person asked for 1,000, but chose 900 on the provider's page."""
    top_up_id = books.top_up(ada.viewer.user_id)
    delivery = books.delivery(10**18, top_up_id=top_up_id)
    books.owner.execute("UPDATE provider_orders SET fiat_amount = 900, fiat_currency = 'INR'")
    books.owner.execute(
        "UPDATE top_ups SET best_order_id = %s, charged = %s, rank = 0, status = 'expired' WHERE id = %s",
        (delivery.provider_order_id, charged, top_up_id),
    )
    if charged == "yes":
        books.owner.execute("UPDATE top_ups SET status = 'processing', rank = 30")
    await tab.send(HANDLERS["load"])
    (row,) = (await tab.state(ActivityState)).rows
    assert row.amount == shown


async def test_somebody_elses_are_not_listed_whatever_is_asked_for(tab, ada, books, new_account):
    eve = await new_account("Eve")
    eves_top_up = await arrive(books, eve.viewer.user_id, 100)
    tab.connect(cookie_of(ada), path=f"/activity?q={eves_top_up}")
    await tab.send(HANDLERS["load"])
    assert (await tab.state(ActivityState)).rows == []


@pytest.mark.parametrize(("name", "number"), [("search", 1), ("choose", 2), ("between", 2), ("show_more", 0)])
async def test_hostile_arguments_lead_nowhere_else(tab, name, number):
    for argument in (*HOSTILE, {"search": {"a": []}}, {"search": 1}):
        arguments = [argument] * number
        outcome = await tab.send(HANDLERS[name], *arguments)
        assert outcome.leads_to in (None, "/activity")


@pytest.mark.parametrize(
    "given",
    [
        {"status": "lost"},
        {"asset": "usd t"},
        {"asset": ["USDT"]},
        {"from": "yesterday"},
        {"from": "2026-13-01T00:00:00Z"},
        {"from": "0001-01-01T00:00:00+14:00"},
        {"to": "2026-01-01"},
        {"q": "a b"},
        {"q": "\ud800"},
        {"q": "x" * 1000},
        {"payment_method": "a b"},
        {"search": "x" * 129},
        {"search": "a\x00b"},
        {"search": "\u202e"},
    ],
)
def test_a_filter_that_cannot_be_used_is_empty(given):
    wanted, all_usable = usable_filters(given)
    assert query_of(wanted) == ""
    assert not all_usable


def test_filters_survive_the_way_through_the_address():
    given = {
        "status": "settled",
        "asset": "usdt",
        "from": "2026-01-01T00:00:00+05:30",
        "to": "2026-02-01T00:00:00Z",
        "q": "0xab",
        "payment_method": "NG-BANK-TRANSFER",
        "search": "₹1,000 + 5",
    }
    wanted, all_usable = usable_filters(given)
    query = {name: values[0] for name, values in parse_qs(query_of(wanted)[1:]).items()}
    assert all_usable
    assert usable_filters(query) == (wanted, True)
    assert filters_of(wanted).since.isoformat() == "2025-12-31T18:30:00+00:00"
