"""The home page: what it shows of a wallet, and that a push shows the same as a load."""

from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from onramp_app.domain import clock
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.wallet.latest import Latest
from onramp_app.web.home.shapes import BalanceShown
from onramp_app.web.home.state import HomeState
from onramp_app.web.tabs.live import catch_up
from onramp_app.web.tabs.session import SessionState
from tests import rows
from tests.web.conftest import arrive, cookie_of

LOAD = HomeState.event_handlers["load"]
CHOOSE = HomeState.event_handlers["choose_currency"]


@pytest.fixture
async def ada(new_account):
    return await new_account()


@pytest.fixture
async def tab(ada, open_tab, books):
    tab = open_tab(cookie_of(ada), path="/home")
    await tab.hydrate()
    return tab


async def shown(tab) -> HomeState:
    await tab.send(LOAD)
    return await tab.state(HomeState)


async def test_a_new_wallet_leads_to_the_first_top_up(tab):
    home = await shown(tab)
    assert home.is_first_run
    assert (home.balance.head, home.assets, home.recent) == ("₹0", [], [])


async def test_money_that_arrived_is_shown_with_its_worth_its_assets_and_its_line(tab, ada, books):
    await arrive(books, ada.viewer.user_id, 100)
    await arrive(books, ada.viewer.user_id, 50, asset="USDC")
    home = await shown(tab)
    assert (home.balance.head, home.balance.second) == ("₹12,000", "≈ $150")
    assert [(row.name, row.amount, row.worth) for row in home.assets] == [
        ("Tether", "100.00", "₹8,000"),
        ("USD Coin", "50.00", "₹4,000"),
    ]
    assert {(row.title, row.amount, row.tag) for row in home.recent} == {
        ("Added by UPI", "+50.00 USDC", "In your balance"),
        ("Added by UPI", "+100.00 USDT", "In your balance"),
    }
    assert not home.is_first_run
    assert home.line.words == "Your balance went from ₹8,000 to ₹12,000."
    assert home.line.line.endswith("H600")
    assert (home.line.top, home.line.half, home.line.zero) == ("₹15,000", "₹7,500", "₹0")
    assert [row.worth for row in home.line.rows] == ["₹8,000", "₹12,000"]


async def test_one_change_is_no_line(tab, ada, books):
    await arrive(books, ada.viewer.user_id, 100)
    assert (await shown(tab)).line.line == ""


async def test_what_is_on_its_way_stands_on_top_and_counts_as_arriving(tab, ada, books):
    top_up_id = books.top_up(ada.viewer.user_id)
    books.owner.execute("UPDATE top_ups SET expected_amount = 11.04 WHERE id = %s", (top_up_id,))
    home = await shown(tab)
    (card,) = home.open_cards
    assert (card.top_up_id, card.title, card.action) == (top_up_id, "₹1,000 is on its way", "View status")
    assert 0 < card.step < card.steps
    assert [row.arriving for row in home.assets] == ["≈ 11.04 arriving"]
    assert not home.is_first_run


async def test_a_card_says_how_long_it_usually_takes_and_when_it_takes_longer(tab, ada, books, monkeypatch):
    async def four(method: str) -> int:
        return {"UPI": 4}[method]

    monkeypatch.setattr("onramp_app.web.home.state.usual_minutes", four)
    top_up_id = books.top_up(ada.viewer.user_id)
    delivery = books.delivery(10**18, top_up_id=top_up_id)
    books.owner.execute(
        "UPDATE provider_orders SET status_class = 'paid', fiat_amount = 900, fiat_currency = 'INR'"
    )
    books.owner.execute("UPDATE top_ups SET best_order_id = %s", (delivery.provider_order_id,))
    rows.step(books.owner, top_up_id, status_class="paid", provider_order_id=delivery.provider_order_id)
    (card,) = (await shown(tab)).open_cards
    assert (card.title, card.text) == (
        "₹900 is on its way",
        "Payment received. Buying USDT. Most payments arrive in under 4 minutes.",
    )
    later = clock.now() + timedelta(minutes=9)
    monkeypatch.setattr(clock, "now", lambda: later)
    (card,) = (await shown(tab)).open_cards
    assert "taking longer than usual" in card.text


async def test_a_card_to_pay_does_not_say_that_nobody_was_charged(tab, ada, books):
    """A payment becomes visible to us only some time after it was made."""
    top_up_id = books.top_up(ada.viewer.user_id)
    books.owner.execute("UPDATE top_ups SET status = 'created', charged = 'no', rank = 0")
    (card,) = (await shown(tab)).open_cards
    assert (card.title, card.action) == ("The offer of ₹1,000 has ended", "View status")
    rows.widget_session(books.owner, top_up_id)
    (card,) = (await shown(tab)).open_cards
    assert (card.top_up_id, card.text) == (top_up_id, "No payment has been seen yet.")
    assert (card.title, card.action) == ("₹1,000 is waiting for payment", "Go to payment")


async def test_without_rates_the_assets_themselves_are_the_balance(tab, ada, books):
    await arrive(books, ada.viewer.user_id, 100)
    books.owner.execute("DELETE FROM exchange_rates WHERE symbol = 'INR'")
    home = await shown(tab)
    assert (home.balance.words, home.balance.head, home.balance.tail) == ("100.00 USDT", "100", ".00 USDT")
    assert home.balance.rates_note == "No exchange rates right now."


async def test_rates_that_are_old_are_said(tab, ada, books):
    await arrive(books, ada.viewer.user_id, 100)
    books.owner.execute("UPDATE exchange_rates SET as_of = now() - interval '4 hours'")
    home = await shown(tab)
    assert home.balance.head == "₹8,000"
    assert "older" in home.balance.rates_note


async def test_a_push_shows_what_a_load_shows_and_leaves_other_pages_alone(tab, ada, books):
    home = await shown(tab)
    await arrive(books, ada.viewer.user_id, 100)
    await catch_up(home, Latest(ada.viewer))
    assert home.balance.head == "₹8,000"
    tab.connect(cookie_of(ada), path="/profile")
    await arrive(books, ada.viewer.user_id, 100)
    await catch_up(home, Latest(ada.viewer))
    assert home.balance.head == "₹8,000"


async def test_a_push_leaves_the_place_of_what_has_just_arrived_and_a_load_offers_it_again(tab, ada, books):
    top_up_id = books.top_up(ada.viewer.user_id)
    home = await shown(tab)
    assert [card.top_up_id for card in home.open_cards] == [top_up_id]
    assert home.repeat.search == ""
    await arrive(books, ada.viewer.user_id, 100, top_up_id=top_up_id)
    await catch_up(home, Latest(ada.viewer))
    (card,) = home.open_cards
    assert home.is_over
    assert (card.top_up_id, card.title, card.text) == (
        top_up_id,
        "Your ₹1,000 has arrived",
        "100.00 USDT was added to your balance.",
    )
    home = await shown(tab)
    assert (home.open_cards, home.is_over) == ([], False)
    assert home.repeat.title == "Repeat ₹1,000 by UPI"


async def test_the_last_top_up_is_asked_for_again_where_nothing_is_paid_yet(tab, ada, books):
    await arrive(books, ada.viewer.user_id, 100)
    search = (await shown(tab)).repeat.search
    assert parse_qs(search.removeprefix("?")) == {
        "step": ["check"],
        "amount": ["1000"],
        "currency": ["INR"],
        "country": ["IN"],
        "asset": ["USDT"],
        "network": ["matic20"],
        "method": ["UPI"],
    }


async def test_several_open_top_ups_are_folded_to_one_line(tab, ada, books):
    books.top_up(ada.viewer.user_id)
    assert (await shown(tab)).several.title == ""
    books.top_up(ada.viewer.user_id)
    home = await shown(tab)
    assert home.several.title == "2 open top-ups"
    assert home.several.text == home.open_cards[0].title


async def test_a_chosen_currency_is_shown_at_once_and_everywhere(tab, ada, books):
    await arrive(books, ada.viewer.user_id, 100)
    assert (await shown(tab)).balance.head == "₹8,000"
    await tab.send(CHOOSE, "USD")
    assert (await tab.state(HomeState)).balance.head == "$100"
    assert (await tab.state(SessionState)).person.display_currency == "USD"
    assert (await (await tab.state(HomeState))._viewer()).display_currency == "USD"


@pytest.mark.parametrize("given", ["XXX", "", "\0", 7, None, ["USD"], "U" * 60_000])
async def test_what_is_no_currency_changes_nothing(tab, ada, books, given):
    await tab.send(CHOOSE, given)
    assert (await (await tab.state(HomeState))._viewer()).display_currency == "INR"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("none", ""),
        ("started", "Finish your verification."),
        ("in_review", "Your verification is in review."),
        ("resubmit", "Please try your verification again."),
        ("rejected", "Your identity couldn't be verified."),
        ("approved", ""),
    ],
)
async def test_an_open_verification_is_said_and_a_push_brings_it(tab, ada, books, status, words):
    home = await shown(tab)
    assert home.verification == ""
    books.owner.execute("UPDATE users SET kyc_status = %s", (status,))
    await catch_up(home, Latest(await home._viewer()))
    assert home.verification == words


async def test_what_was_shown_stays_while_the_database_is_away(tab, ada, books, monkeypatch):
    await arrive(books, ada.viewer.user_id, 100)
    home = await shown(tab)

    async def away(self: Latest) -> None:
        raise DatabaseUnavailable("away", retry_after_seconds=1)

    with monkeypatch.context() as broken:
        broken.setattr(Latest, "wallet", away)
        with pytest.raises(DatabaseUnavailable):
            await tab.send(LOAD)
        assert home.balance.head == "₹8,000"


async def test_somebody_else_sees_nothing_of_it(tab, ada, books, new_account):
    await arrive(books, ada.viewer.user_id, 100)
    assert (await shown(tab)).balance.head == "₹8,000"
    eve = await new_account("Eve")
    tab.connect(cookie_of(eve), path="/home")
    await tab.hydrate()
    assert (await tab.state(HomeState)).balance == BalanceShown()
    assert (await shown(tab)).is_first_run
