"""What an owner sees of a top-up beyond its state: what was read when, what paid a debt, what followed."""

from onramp_app.accounts.views import Viewer
from onramp_app.domain.money import amount_text
from onramp_app.review.decisions import decide
from onramp_app.top_ups import views
from onramp_app.top_ups.transitions import Action
from onramp_app.top_ups.views import TopUpView
from tests import rows
from tests.desk import Desk
from tests.ledger.books import BY_POLL, NOW, SCALES, post_now
from tests.recorded_posting import spend


def _text(minor: int) -> str:
    return amount_text(minor, scale=SCALES["USDT"])


async def _view(desk: Desk, top_up_id: str) -> TopUpView:
    user_id = desk.owner_of(top_up_id)
    viewer = Viewer(user_id, "", "", "", None, "INR", "en", "user", "none", "none", True, NOW)
    return await views.get(viewer, top_up_id)


async def test_each_line_says_what_was_read_of_which_order(desk: Desk) -> None:
    top_up_id, delivery = await desk.settled()
    order = delivery.provider_order_id
    for columns in (
        {"status_class": "paid", "provider_order_id": order},
        {"status_class": "delivered", "act": "linked", "provider_order_id": order},
        # The sentence is for people only, even if it looks like a status that was read.
        {"status_class": "sending", "provider_order_id": order, "detail": "delivered: over_limit"},
        {"act": "attributed", "source": "operator", "provider_order_id": order, "detail": "paid"},
        {"act": "released", "source": "operator", "detail": "reversed"},
    ):
        rows.step(desk.books.owner, top_up_id, **columns)
    lines = [(line.act, line.status_class, line.order_id) for line in (await _view(desk, top_up_id)).timeline]
    order_id = delivery.order_id
    assert lines == [
        ("read", "paid", order_id),
        ("linked", "delivered", order_id),
        ("read", "sending", order_id),
        ("attributed", None, order_id),
        ("released", None, None),
    ]


async def test_what_paid_a_debt_is_told_with_the_top_up_that_paid_it(desk: Desk) -> None:
    first, _delivery = await desk.settled(100)
    user_id = desk.owner_of(first)
    await post_now(spend("shop-1", desk.books.amount(user_id, 60), cause=BY_POLL))
    await decide(first, Action.REVERSE, mandate=desk.mandate)
    second, _delivery = await desk.settled(100, user_id=user_id)
    third, _delivery = await desk.settled(100, user_id=user_id)
    views = [await _view(desk, top_up_id) for top_up_id in (first, second, third)]
    assert [view.recovered_amount for view in views] == [None, _text(60), None]
    assert [view.booked_amount for view in views] == [_text(100)] * 3


async def test_held_money_of_another_asset_is_told_and_is_not_what_was_asked_for(desk: Desk) -> None:
    top_up_id, _delivery = await desk.held(100)
    desk.books.owner.execute("UPDATE top_ups SET asset = 'USDC' WHERE id = %s", (top_up_id,))
    view = await _view(desk, top_up_id)
    assert (view.received_amount, view.booked_amount, view.booked_asset) == (None, _text(100), "USDT")
    assert view.has_entry


async def test_a_second_delivery_is_told_on_both_sides(desk: Desk) -> None:
    first, _delivery = await desk.settled(100)
    second, _delivery = await desk.settled(50, user_id=desk.owner_of(first))
    desk.books.owner.execute("UPDATE top_ups SET linked_to = %s WHERE id = %s", (first, second))
    view = await _view(desk, first)
    assert [(one.id, one.status, one.asset, one.amount) for one in view.linked] == [
        (second, "settled", "USDT", _text(50))
    ]
    assert (view.linked_to, (await _view(desk, second)).linked_to) == (None, first)
