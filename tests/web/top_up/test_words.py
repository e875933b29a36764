"""Every state that a top-up can reach has words: what happened, was I charged, what now, whom to ask."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest

from onramp_app.config import get_settings
from onramp_app.pricing.quotes import QuoteView
from onramp_app.providers.status import StatusClass
from onramp_app.top_ups.seen import SeenView
from onramp_app.top_ups.transitions import (
    CREATED,
    HOLD_REASONS,
    NO_ENTRY_REASONS,
    UNPAID,
    Action,
    Charged,
    Reason,
    State,
    TopUpStatus,
    on_action,
    on_order,
)
from onramp_app.top_ups.views import LinkedView, ProviderOrderView, StepView, TopUpView
from onramp_app.wallet.views import AssetBalanceView, BalancesView
from onramp_app.web.activity.story_words import story_of_top_up
from onramp_app.web.add_money.words import open_top_up_of
from onramp_app.web.home.cards import card_of
from onramp_app.web.parts.qr_code import qr_code
from onramp_app.web.top_up.timeline import steps_of
from onramp_app.web.top_up.words import page_of
from onramp_app.web.words.top_ups import action_text

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TOP_UP_ID = "01a209145fdf7a58895789bb9f3c21ab"


def _next(state: State) -> set[State]:
    """Return all states that one event can lead to."""
    made = set()
    for status_class in StatusClass:
        holds = (None, *HOLD_REASONS, *NO_ENTRY_REASONS) if status_class is StatusClass.DELIVERED else (None,)
        made |= {on_order(state, status_class, hold=hold).state for hold in holds}
    made.add(on_order(state, StatusClass.DELIVERED, is_awaited=True).state)
    steps = (on_action(state, action) for action in Action)
    return made | {step.state for step in steps if step is not None}


def _reachable() -> list[State]:
    found, fresh = {CREATED}, {CREATED}
    while fresh:
        fresh = set().union(*(_next(state) for state in fresh)) - found
        found |= fresh
    return sorted(found, key=str)


REACHABLE = _reachable()
QUOTE = QuoteView("88.14", "10000", "113.09", "25", "0", "7.08", "0", NOW)
BALANCES = BalancesView(
    "595.25", "USD", (AssetBalanceView("USDT", "595.25", "0", "0", "0"),), as_of=NOW, is_stale=False
)


def _view(state: State, **changes: object) -> TopUpView:
    amount = "113.09" if state.has_entry else None
    view = TopUpView(
        id=TOP_UP_ID,
        status=state.status.value,
        reason=state.reason.value if state.reason else None,
        charged=state.charged.value,
        fiat_amount="10000",
        fiat_currency="INR",
        asset="USDT",
        network="matic20",
        payment_method="UPI",
        quote=QUOTE,
        received_amount=amount,
        provider_order_id="4711",
        provider_orders=(ProviderOrderView("4711", None, amount, None, "10000", "INR"),),
        transaction_hash=None,
        widget_url="https://widget.example:443/main/buy/?a=1" if state.can_cancel else None,
        created_at=NOW,
        updated_at=NOW,
        settled_at=NOW if state.status is TopUpStatus.SETTLED else None,
        timeline=(),
        rank=state.rank,
        has_entry=state.has_entry,
        booked_amount=amount,
        booked_asset="USDT" if amount else None,
        recovered_amount=None,
        linked_to=None,
        linked=(),
    )
    return replace(view, **changes)  # type: ignore[arg-type]


def _page(state: State, **changes: object):
    return page_of(_view(state, **changes), BALANCES if state.has_entry else None, usual_minutes=4)


def _every_state() -> Iterator[State]:
    """Yield every state within one test, since collecting a test per state takes longer than running it.

    If the test fails, the last line of its output names the state.
    """
    for state in REACHABLE:
        sys.stdout.write(f"{state}\n")
        yield state


def test_all_statuses_and_reasons_are_among_what_can_be_reached():
    assert {state.status for state in REACHABLE} == set(TopUpStatus)
    assert {state.reason for state in REACHABLE} == {None, *Reason}
    assert {state.charged for state in REACHABLE} == set(Charged)
    assert len(REACHABLE) > 100


def test_every_state_answers_the_four_questions(monkeypatch):
    monkeypatch.setenv("SUPPORT_EMAIL", "help@wallet.example")
    get_settings.cache_clear()
    for state in _every_state():
        page = _page(state)
        for answer in (page.title, page.happened, page.charged, page.next):
            assert answer.endswith(".") or answer == page.title, answer
            assert len(answer) > 10
            assert "None" not in answer
            assert "{" not in answer
            assert "!" not in answer
        assert page.mail_address.startswith("mailto:help@wallet.example?subject=Top-up%209F3C-21AB&body=")
        assert f"%0D%0AReference%3A%209F3C-21AB%0D%0ATechnical%20id%3A%20{TOP_UP_ID}" in page.mail_address
        assert page.reference == "9F3C-21AB"
        assert page.announcement.startswith(page.title)


def test_what_a_provider_calls_an_order_stays_in_the_text_of_the_mail(monkeypatch):
    monkeypatch.setenv("SUPPORT_EMAIL", "help@wallet.example")
    get_settings.cache_clear()
    page = _page(REACHABLE[0], provider_order_id="1\r\nBcc: eve@evil.example&bcc=eve@evil.example")
    headers = parse_qs(urlsplit(page.mail_address).query, strict_parsing=True)
    assert set(headers) == {"subject", "body"}
    assert "Provider order: 1 Bcc: eve@evil.example&bcc=eve@evil.example" in headers["body"][0].split("\r\n")


def test_nobody_is_told_less_or_more_than_is_known_of_the_charge():
    for state in _every_state():
        page = _page(state)
        is_undone = state.status in (TopUpStatus.FAILED, TopUpStatus.REVERSED)
        if state.charged is Charged.NO and not is_undone:
            assert page.charged == "You weren't charged."
        if state.charged is Charged.YES and not is_undone:
            assert page.charged == "Your payment was received."
        if state.charged is Charged.UNKNOWN:
            assert "Don't pay again yet" in page.charged
            assert not page.can_start_again
        if state.charged is not Charged.YES:
            assert page.facts == ()  # no line says "You paid"


def test_that_nobody_was_charged_is_said_with_the_moment_it_rests_on():
    for state in _every_state():
        balances = BALANCES if state.has_entry else None
        page = page_of(_view(state), balances, usual_minutes=None, fresh_until=NOW)
        assert (page.as_of != "") == (page.charged == "You weren't charged.")
        if page.kind == "offered":
            assert "charged" not in page.announcement


def test_another_amount_is_said_to_be_paid_only_once_it_was():
    for state in _every_state():
        orders = (ProviderOrderView("4711", None, None, None, "9500", "INR"),)
        view = _view(state, provider_orders=orders)
        page = _page(state, provider_orders=orders)
        amounts = {fact.label: fact.value for fact in story_of_top_up(view).amounts}
        is_paid = state.charged is Charged.YES
        assert page.summary == f"₹{'9,500' if is_paid else '10,000'} by UPI"
        assert amounts["You paid"] == ("₹9,500" if is_paid else "—")


def test_every_page_agrees_on_who_may_cancel_and_pay():
    # While a payment announced by a webhook is sought, nobody is asked to pay, though no read has shown it.
    for state in _every_state():
        for is_sought in (False, True):
            view = _view(state, charged=Charged.UNKNOWN) if is_sought else _view(state)
            to_pay = action_text(is_to_pay=True)
            card = card_of(view, usual_minutes=None)
            says = {
                "page": page_of(view, None, usual_minutes=None, fresh_until=NOW).can_cancel,
                "wizard": open_top_up_of(view).can_cancel,
                "wizard's action": open_top_up_of(view).action == to_pay,
                "card": card.action == to_pay,
                "story": story_of_top_up(view, fresh_until=NOW).next_action == to_pay,
                "view": view.can_cancel,
            }
            assert set(says.values()) == {state.can_cancel and not is_sought}


def test_paying_is_offered_only_to_who_cannot_have_paid():
    for state in _every_state():
        page = _page(state)
        offers = (page.kind == "offered", page.widget_url != "", page.code != "", page.can_cancel)
        assert offers == (state.can_cancel,) * 4
        if state.status in UNPAID and not state.can_cancel:
            assert page.kind == "moving"
            assert "Don't pay again yet" in page.warning


def test_only_what_is_booked_is_shown_as_an_amount():
    for state in _every_state():
        page = _page(state)
        assert (page.amount != "") == state.has_entry
        labels = {
            TopUpStatus.SETTLED: "In your balance",
            TopUpStatus.IN_REVIEW: "Held for you",
            TopUpStatus.REVERSED: "Reversed",
        }
        assert page.amount_label == (labels[state.status] if state.has_entry else "")
        if not state.has_entry:
            assert "kept for you" not in page.happened


def test_each_reason_is_told_in_other_words():
    texts_by_reason = {}
    for state in REACHABLE:
        if state.status is TopUpStatus.IN_REVIEW:
            texts_by_reason.setdefault(state.reason, set()).add(_page(state).happened)
    texts = [text for some in texts_by_reason.values() for text in some]
    assert len(texts) == len(set(texts))
    assert len(texts_by_reason) == len(Reason) - 1  # RETURNED is over, not in review
    # More is known once the payment was seen.
    more = {reason for reason, some in texts_by_reason.items() if len(some) > 1}
    assert more == {Reason.AMOUNT_MISMATCH}


def test_an_offer_that_has_ended_says_so_and_offers_no_payment():
    page = _page(CREATED, widget_url=None)
    assert (page.kind, page.title, page.widget_url) == ("ended", "This offer has ended", "")
    assert page.charged == "You weren't charged."


SETTLED = State(TopUpStatus.SETTLED, charged=Charged.YES, rank=70, has_entry=True)
REVERSED = State(TopUpStatus.REVERSED, charged=Charged.YES, rank=70, has_entry=True)


def test_what_arrived_stands_beside_what_was_quoted_and_paid():
    page = _page(SETTLED)
    assert (page.amount, page.amount_decimals, page.asset) == ("+113", ".09", "USDT")
    assert page.balance == "Your balance is now $595.25"
    assert [(fact.label, fact.amount) for fact in page.facts] == [
        ("Quoted", "113.09 USDT"),
        ("You paid", "₹10,000"),
        ("Delivered", "113.09 USDT"),
    ]
    assert page.notes == ()
    assert page.again_address == "/add-money?amount=10000&currency=INR&asset=USDT&network=matic20&method=UPI"


@pytest.mark.parametrize(
    ("arrived", "paid", "words"),
    [
        ("112.67", "10000", "0.42 USDT less arrived than was quoted"),
        ("113.19", "10000", "0.10 USDT more arrived than was quoted"),
        ("107.43", "9500", "You paid ₹9,500 instead of ₹10,000"),
        ("56.54", "10000", "That's more than a price change. Please contact support."),
        ("226.18", "10000", "113.09 USDT more arrived than was quoted."),
    ],
)
def test_a_difference_is_explained(arrived, paid, words):
    orders = (ProviderOrderView("4711", "delivered", arrived, None, paid, "INR"),)
    page = _page(SETTLED, booked_amount=arrived, received_amount=arrived, provider_orders=orders)
    (note,) = page.notes
    assert words in note
    assert page.is_short == ("contact support" in note.lower())
    assert page.amount_label == ("In your balance, less than quoted" if page.is_short else "In your balance")


def test_why_more_is_held_than_was_quoted_is_not_blamed_on_prices():
    held = State(TopUpStatus.IN_REVIEW, Reason.OVER_DELIVERY, Charged.YES, rank=70, has_entry=True)
    story = story_of_top_up(_view(held, booked_amount="226.18", received_amount="226.18"))
    assert story.variance == ""
    assert "More arrived than expected" in story.text


def test_a_payment_after_the_offer_had_ended_is_called_late():
    ended = StepView("canceled", NOW, "user", "", None, None, "canceled")
    paid = State(TopUpStatus.PROCESSING, charged=Charged.YES, rank=30)
    assert _page(paid, timeline=(ended,)).title == "Your late payment has arrived"
    assert _page(paid).title == "Your money is on its way"


def test_a_difference_that_nobody_sees_is_not_explained():
    assert _page(SETTLED, booked_amount="113.090000000000000001").notes == ()


def test_what_paid_a_debt_and_what_is_still_owed_are_said():
    owing = replace(BALANCES, items=(AssetBalanceView("USDT", "0", "0", "3", "0"),))
    view = _view(SETTLED, recovered_amount="113.09")
    page = page_of(view, owing, usual_minutes=None)
    assert page.notes == (
        "Of this, 113.09 USDT paid what you owed.",
        "You owe 3.00 USDT. The next USDT that arrives pays it first.",
    )
    # Somebody who owes for another reason is not told so on this page.
    assert page_of(_view(SETTLED), owing, usual_minutes=None).notes == ()
    assert len(page_of(_view(REVERSED), owing, usual_minutes=None).notes) == 1
    assert _page(REVERSED).notes == ()


def test_what_arrived_in_another_asset_is_said_in_that_one_everywhere():
    quote = QuoteView("0.00034", "10000", "113", "1", "0", "0", "0", NOW)
    view = _view(SETTLED, booked_asset="DAI", booked_amount="7.5", recovered_amount="2", quote=quote)
    view = replace(view, received_amount=None)
    assert page_of(view, BALANCES, usual_minutes=None).notes[0] == "Of this, 2.00 DAI paid what you owed."
    story = story_of_top_up(view)
    facts = {fact.label: fact.value for fact in (*story.amounts, *story.facts)}
    assert (story.head + story.tail, story.unit, facts["Delivered"]) == ("+7.50", "DAI", "7.50 DAI")
    # A price is not rounded to the currency's decimals.
    assert facts["Rate"] == "1\N{NO-BREAK SPACE}USDT = \u20b90.0003400"


def test_without_a_rate_the_balance_is_said_in_the_asset():
    page = page_of(_view(SETTLED), replace(BALANCES, display_amount=None), usual_minutes=None)
    assert page.balance == "Your balance is now 595.25 USDT"


def test_another_asset_that_arrived_is_named():
    held = State(TopUpStatus.IN_REVIEW, Reason.WRONG_ASSET, Charged.YES, rank=70, has_entry=True)
    page = _page(held, booked_asset="USDC", received_amount=None)
    assert (page.amount + page.amount_decimals, page.asset) == ("113.09", "USDC")
    assert page.amount_label == "Held for you"


def test_a_second_payment_is_said_on_both_pages():
    other = "01a209145fdf7a58895789bb00000000"
    page = _page(SETTLED, linked=(LinkedView(other, "settled", "USDT", "56.44"),))
    assert [(one.words, one.address) for one in page.related] == [
        ("A second payment arrived: 56.44 USDT · In your balance", f"/add-money/{other}")
    ]
    page = _page(SETTLED, linked_to=other, quote=None)
    assert page.related[0].address == f"/add-money/{other}"


# The timeline


def _timeline(*classes: tuple[str, int], order_id: str = "4711") -> tuple[StepView, ...]:
    return tuple(
        StepView("processing", NOW.replace(minute=minute), "poll", word, word, order_id, "read")
        for word, minute in classes
    )


def _moving(rank: int, timeline: tuple[StepView, ...] = (), *, charged: Charged = Charged.YES) -> TopUpView:
    status = TopUpStatus.PROCESSING if charged is Charged.YES else TopUpStatus.AWAITING_PAYMENT
    return _view(State(status, charged=charged, rank=rank), timeline=timeline)


@pytest.mark.parametrize(
    ("rank", "states"),
    [
        (20, ["done", "now", "next", "next", "next"]),
        (30, ["done", "done", "now", "next", "next"]),
        (40, ["done", "done", "now", "next", "next"]),
        (50, ["done", "done", "done", "now", "next"]),
        (60, ["done", "done", "done", "now", "next"]),
    ],
)
def test_there_is_always_one_step_that_happens_now(rank, states):
    charged = Charged.YES if rank >= 30 else Charged.UNKNOWN
    lines = steps_of(_moving(rank, charged=charged), usual_minutes=None)
    assert [line.state for line in lines] == states


def test_steps_carry_the_moment_at_which_they_were_first_seen():
    timeline = (
        *_timeline(("paid", 2), order_id="another order"),
        *_timeline(("opened", 3), ("paid", 5), ("buying", 6), ("bought", 7), ("sending", 8)),
    )
    lines = steps_of(_moving(60, timeline), usual_minutes=None)
    assert [line.at[14:16] for line in lines] == ["00", "05", "07", "", ""]


def test_a_payment_of_another_amount_is_shown_as_it_was_paid():
    view = replace(
        _moving(30), provider_orders=(ProviderOrderView("4711", "paid", None, None, "9500", "INR"),)
    )
    assert "₹9,500 by UPI" in steps_of(view, usual_minutes=None)[1].detail


def test_the_step_of_now_says_how_long_it_usually_takes(monkeypatch):
    timeline = _timeline(("paid", 5))
    monkeypatch.setattr("onramp_app.domain.clock.now", lambda: NOW.replace(minute=6))
    assert steps_of(_moving(30, timeline), usual_minutes=4)[2].detail == (
        "Most payments arrive in under 4 minutes."
    )
    assert steps_of(_moving(30, timeline), usual_minutes=1)[2].detail == (
        "Most payments arrive in under a minute."
    )
    assert steps_of(_moving(30, timeline), usual_minutes=None)[2].detail == ""
    monkeypatch.setattr("onramp_app.domain.clock.now", lambda: NOW.replace(minute=14))
    assert "longer than usual" in steps_of(_moving(30, timeline), usual_minutes=4)[2].detail


def test_the_code_is_the_address_of_our_page_and_not_of_the_widget(monkeypatch):
    monkeypatch.setenv("PUBLIC_URL", "https://wallet.example")
    get_settings.cache_clear()
    page = _page(CREATED)
    assert (page.code, page.code_size) == qr_code(f"https://wallet.example/add-money/{TOP_UP_ID}")
    assert page.code != qr_code(page.widget_url)[0]


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://onramp.money/main/buy/?a=1", "https://onramp.money"),
        ("https://onramp.money:443/main", "https://onramp.money"),
        ("http://localhost:8001/main/buy/", "http://localhost:8001"),
    ],
)
def test_the_origin_is_spelled_as_browsers_do(url, origin):
    assert _page(CREATED, widget_url=url).widget_origin == origin


def test_a_delivery_that_is_awaited_is_arriving_on_the_network():
    orders = (ProviderOrderView("4711", "delivered", None, "0xab", "9500", "INR"),)
    page = page_of(replace(_moving(60), provider_orders=orders), None, usual_minutes=None)
    assert (page.kind, page.charged) == ("moving", "Your payment was received.")
    assert page.happened == "USDT sent. It's arriving on the network."
    assert [line.title for line in page.steps if line.state == "now"] == ["Arriving on the network"]
    assert (page.seen, page.seen_address) == ("", "")


def test_a_delivery_that_a_network_does_not_show_answers_the_three_questions():
    missing = State(TopUpStatus.IN_REVIEW, Reason.CHAIN_MISSING, Charged.YES, rank=70)
    page = _page(missing)
    assert (page.happened, page.charged, page.next) == (
        "The provider says that it was sent. The network doesn't show it yet.",
        "Your payment was received.",
        "We'll keep looking and add it once it's found. Don't pay again.",
    )


@pytest.mark.parametrize(
    ("has_left", "seen"),
    [
        (False, "Polygon, block 71"),
        (True, "Polygon, block 71, which has left the chain since. We're looking into it."),
    ],
)
def test_what_a_network_shows_is_linked_to_its_explorer(has_left, seen):
    address = "https://polygonscan.com/tx/0xab"
    shown = SeenView("matic20", 71, address, has_left=has_left)
    orders = (ProviderOrderView("4711", "delivered", "113.09", "0xab", "10000", "INR", shown),)
    settled = State(TopUpStatus.SETTLED, charged=Charged.YES, rank=70, has_entry=True)
    page = _page(settled, provider_orders=orders)
    assert (page.seen, page.seen_address) == (seen, address)
