"""The details of a top-up (quoted, paid, delivered, and how they differ) and of other ledger transfers."""

import json

import pytest

from onramp_app.config import get_settings
from onramp_app.ledger import instructions
from onramp_app.wallet.latest import Latest
from onramp_app.web.activity.shapes import Story
from onramp_app.web.activity.story_state import StoryState
from tests import rows
from tests.chain.deliveries import waiting
from tests.chain.node import BLOCK_HASH, NAME
from tests.ledger.books import BY_OPERATOR, post_now
from tests.recorded_posting import spend
from tests.web.conftest import arrive, cookie_of

LOAD = StoryState.event_handlers["load"]
QUOTE = {
    "rate": "88.5",
    "fiat_amount": "1000",
    "expected_amount": "101.5",
    "fees": {"provider": "2.5", "gateway": "0", "network": "8.85", "client": "0"},
    "expires_at": "2026-03-01T12:00:30Z",
}


@pytest.fixture
async def ada(new_account):
    return await new_account()


@pytest.fixture
async def tab(ada, open_tab, books):
    tab = open_tab(cookie_of(ada), path="/activity/nothing")
    await tab.hydrate()
    return tab


async def read_story(tab, session, transaction_id: str) -> StoryState:
    tab.connect(cookie_of(session), path=f"/activity/{transaction_id}")
    await tab.send(LOAD)
    return await tab.state(StoryState)


async def test_a_settled_top_up_is_told_from_its_quote_to_its_delivery(tab, ada, books):
    top_up_id = await arrive(books, ada.viewer.user_id, 100)
    books.owner.execute("UPDATE top_ups SET quote = %s WHERE id = %s", (json.dumps(QUOTE), top_up_id))
    books.owner.execute("UPDATE provider_orders SET fiat_amount = 900, fiat_currency = 'INR'")
    story = (await read_story(tab, ada, top_up_id)).story
    assert (story.title, story.head + story.tail, story.unit, story.tag) == (
        "Added by UPI",
        "+100.00",
        "USDT",
        "In your balance",
    )
    assert [(fact.label, fact.value) for fact in story.amounts] == [
        ("Quoted", "101.50 USDT"),
        ("You paid", "₹900"),
        ("Delivered", "100.00 USDT"),
    ]
    assert "asked for ₹1,000 and paid ₹900" in story.variance
    assert "1.50 USDT less arrived" in story.variance
    facts = {fact.label: fact.value for fact in story.facts}
    assert (facts["Rate"], facts["Provider fee"]) == ("1\N{NO-BREAK SPACE}USDT = ₹88.50", "₹2.50")
    assert "Payment fee" not in facts  # there was none
    assert {fact.label for fact in story.codes} == {"Reference", "Technical id", "Provider order"}
    assert story.next_top_up == ""
    assert story.again == "Add again"
    assert story.again_address.startswith("/add-money?amount=1000")


async def test_one_that_is_open_leads_on_and_says_where_it_stands(tab, ada, books):
    top_up_id = books.top_up(ada.viewer.user_id)
    rows.step(books.owner, top_up_id)
    rows.step(books.owner, top_up_id, status_class="buying")
    story = (await read_story(tab, ada, top_up_id)).story
    assert story.next_top_up == top_up_id
    assert story.charged == "Your payment was received."
    assert [(step.title, step.source, step.is_now) for step in story.steps] == [
        ("Top-up created", "You", False),
        ("Buying USDT", "We asked the provider", True),
    ]


@pytest.mark.parametrize(("charged", "again"), [("no", "Start a new top-up"), ("unknown", "")])
async def test_another_is_offered_only_where_nobody_pays_twice_by_it(tab, ada, books, charged, again):
    top_up_id = books.top_up(ada.viewer.user_id)
    books.owner.execute(
        "UPDATE top_ups SET status = 'expired', charged = %s, rank = 0 WHERE id = %s", (charged, top_up_id)
    )
    story = (await read_story(tab, ada, top_up_id)).story
    assert (story.again, bool(story.again_address)) == (again, bool(again))


async def test_a_push_tells_on(tab, ada, books):
    top_up_id = books.top_up(ada.viewer.user_id)
    page = await read_story(tab, ada, top_up_id)
    books.owner.execute(
        "UPDATE top_ups SET status = 'failed', charged = 'no', rank = 0 WHERE id = %s", (top_up_id,)
    )
    await page._catch_up(Latest(ada.viewer))
    assert page.story.tag == "Didn't go through"
    assert page.story.charged == "You weren't charged, or the provider has refunded you."


async def test_what_was_added_or_spent_without_a_top_up_has_a_story_too(tab, ada, books):
    user_id = ada.viewer.user_id
    amount = books.amount(user_id, 5 * 10**18)
    given = instructions.make_good("1", amount, cause=BY_OPERATOR)
    spent = spend("7", amount, cause=BY_OPERATOR)
    (added,) = await post_now(given)
    (taken,) = await post_now(spent)
    story = (await read_story(tab, ada, added.transfer_id)).story
    assert (story.title, story.head + story.tail, story.unit) == ("Corrected for you", "+5.00", "USDT")
    assert BY_OPERATOR.reason not in repr(story)  # An operator's reason is for operators only.
    story = (await read_story(tab, ada, taken.transfer_id)).story
    assert (story.title, story.head + story.tail) == (
        f"Spent at {get_settings().app_name}",
        "\N{MINUS SIGN}5.00",
    )


@pytest.mark.parametrize("address", ["nonsense", "x" * 3000, "0" * 32, "%00", "..", "[id]"])
async def test_an_address_of_nothing_says_so(tab, ada, address):
    page = await read_story(tab, ada, address)
    assert page.is_missing
    assert page.story == Story()


async def test_somebody_elses_is_not_there_nor_what_was_shown_before(tab, ada, books, new_account):
    mine = await arrive(books, ada.viewer.user_id, 100)
    eve = await new_account("Eve")
    eves_top_up = await arrive(books, eve.viewer.user_id, 7)
    (transfer_id,) = books.owner.execute(
        "SELECT id FROM ledger_transfers WHERE user_id = %s", (eve.viewer.user_id,)
    ).fetchone()
    assert (await read_story(tab, ada, mine)).story.head == "+100"
    for address in (eves_top_up, transfer_id):
        page = await read_story(tab, ada, address)
        assert page.is_missing
        assert page.story == Story()


async def test_what_the_network_shows_is_part_of_the_story(tab, ada, books):
    top_up_id = books.top_up(ada.viewer.user_id)
    order = waiting(books, 10**18, top_up_id=top_up_id)
    books.owner.execute("UPDATE provider_orders SET transaction_hash = %s", (NAME,))
    rows.step(books.owner, top_up_id, status_class="delivered", provider_order_id=order)
    arriving = (await read_story(tab, ada, top_up_id)).story
    assert arriving.steps[-1].title == "USDT sent, and arriving on the network"
    assert "Seen on the chain" not in {fact.label for fact in arriving.codes}
    missing = {"status": "in_review", "reason": "chain_missing", "hold": "chain_missing", "source": "chain"}
    rows.step(books.owner, top_up_id, status_class="delivered", provider_order_id=order, **missing)
    step = (await read_story(tab, ada, top_up_id)).story.steps[-1]
    assert (step.title, step.source) == (
        "USDT not found on the network · In review",
        "We checked the network",
    )
    books.owner.execute(
        "UPDATE chain_evidence SET state = 'confirmed', confirmed_at = now(), amount_minor = 1,"
        " block_number = 4711, block_hash = %s",
        (BLOCK_HASH,),
    )
    codes = {fact.label: fact for fact in (await read_story(tab, ada, top_up_id)).story.codes}
    seen = codes["Seen on the chain"]
    assert (seen.value, seen.address) == ("Polygon, block 4711", f"https://polygonscan.com/tx/{NAME}")
