"""Money without an owner is credited to the person it belongs to, once."""

import asyncio

import pytest
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.domain.errors import Forbidden, NotFound, ValidationFailed
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.mandate import Mandate
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.review import named
from onramp_app.review.attribution import attribute, preview
from onramp_app.review.decisions import decide
from onramp_app.top_ups.transitions import Action
from tests.desk import REASON, Desk, unknown_id
from tests.ledger.books import BY_POLL, findings, post_now
from tests.recorded_posting import spend


async def test_what_lay_in_suspense_becomes_a_settled_top_up_of_the_user(desk: Desk) -> None:
    delivery, user_id = await desk.suspense(2_500_000_000_000_000_000), desk.books.user()
    before = desk.everything()
    seen = await preview(delivery.order_id, user_id)
    assert (seen.user.email, seen.user.display_name, seen.amount) == (f"{user_id}@example.org", "Asha", "2.5")
    assert (seen.top_up_id, desk.everything()) == (None, before)
    done = await attribute(delivery.order_id, user_id, mandate=desk.mandate)
    assert (done.user, done.amount, done.asset) == (seen.user, "2.5", "USDT")
    assert desk.books.accounts() == {
        "treasury:matic20:0xaaaa:USDT": delivery.amount_minor,
        f"user:{user_id}:USDT:available": -delivery.amount_minor,
    }
    assert desk.top_up(done.top_up_id) == ("settled", None, "yes", True)
    booked = desk.books.owner.execute(
        "SELECT user_id, environment, fiat_amount, fiat_currency, asset, network, payment_method,"
        " received_minor, received_asset, best_order_id, settled_at IS NOT NULL FROM top_ups"
    ).fetchall()
    assert booked == [
        (user_id, "simulator", 950, "INR", "USDT", "matic20", "instant", delivery.amount_minor, "USDT",
         delivery.provider_order_id, True)
    ]  # fmt: skip
    owner = desk.books.owner.execute("SELECT top_up_id FROM provider_orders").fetchone()
    assert owner == (done.top_up_id,)
    assert desk.timeline(done.top_up_id) == [("settled", "operator", desk.operator_id, "attributed")]
    assert desk.open_kinds() == []
    assert desk.audit() == [(desk.operator_id, "review.attribute", done.top_up_id)]


async def test_an_attributed_top_up_is_reversed_like_any_other(desk: Desk) -> None:
    delivery, user_id = await desk.suspense(), desk.books.user()
    done = await attribute(delivery.order_id, user_id, mandate=desk.mandate)
    reversed_one = await decide(done.top_up_id, Action.REVERSE, mandate=desk.mandate)
    assert reversed_one.reference == f"onramp:buy:{delivery.order_id}:reverse"
    assert desk.books.accounts() == {
        "treasury:matic20:0xaaaa:USDT": 100,
        "provider:onramp:USDT:payable": -100,
    }


async def test_an_attribution_pays_what_the_user_owes_first(desk: Desk) -> None:
    first, _ = await desk.settled(70)
    user_id = desk.owner_of(first)
    await post_now(spend("d", desk.books.amount(user_id, 70), cause=BY_POLL))
    await decide(first, Action.REVERSE, mandate=desk.mandate)
    delivery = await desk.suspense(100)
    await attribute(delivery.order_id, user_id, mandate=desk.mandate)
    accounts = desk.books.accounts()
    assert accounts[f"user:{user_id}:USDT:available"] == -30
    assert f"user:{user_id}:USDT:owed" not in accounts


async def test_another_attribution_of_the_same_order_is_refused(desk: Desk) -> None:
    delivery, user_id = await desk.suspense(), desk.books.user()
    await desk.suspense()  # Suspense has enough for both.
    done = await attribute(delivery.order_id, user_id, mandate=desk.mandate)
    before = desk.everything()
    for anybody in (user_id, desk.books.user()):
        with pytest.raises(ActionNotPossible, match=f"belongs to top-up {done.top_up_id} already"):
            await attribute(delivery.order_id, anybody, mandate=desk.mandate)
    assert desk.everything() == before


async def test_what_cannot_be_attributed_says_why_and_changes_nothing(desk: Desk) -> None:
    delivery, user_id = await desk.suspense(), desk.books.user()
    _, owned = await desk.settled()
    unpaid = await desk.suspense()
    desk.books.owner.execute(
        "UPDATE provider_orders SET fiat_amount = NULL WHERE id = %s", (unpaid.provider_order_id,)
    )
    desk.books.owner.execute(
        "INSERT INTO provider_orders (id, environment, provider, flow, order_id, first_seen_at, version,"
        " applied_version) VALUES ('a', 'simulator', 'onramp', 'buy', 'hinted', now(), 0, 0),"
        " ('b', 'sandbox', 'onramp', 'buy', 'elsewhere', now(), 0, 0),"
        " ('c', 'simulator', 'onramp', 'sell', 'sold', now(), 0, 0)"
    )
    mandate = desk.mandate
    before = desk.everything()
    for order_id, whose, by, refusal, why in (
        ("hinted", user_id, mandate, ActionNotPossible, "nothing of it lies in suspense"),
        ("elsewhere", user_id, mandate, NotFound, "no purchase with this id"),
        ("sold", user_id, mandate, NotFound, "no purchase with this id"),
        ("\x00", user_id, mandate, NotFound, "no purchase with this id"),
        (owned.order_id, user_id, mandate, ActionNotPossible, "belongs to top-up"),
        (unpaid.order_id, user_id, mandate, ActionNotPossible, "does not say what was paid"),
        (delivery.order_id, unknown_id(), mandate, NotFound, "no account with this id"),
        (delivery.order_id, f"{user_id}@example.org", mandate, ValidationFailed, "named by its id"),
        (delivery.order_id, "\x00", mandate, ValidationFailed, "named by its id"),
        (delivery.order_id, user_id, Mandate(user_id, REASON, "x"), Forbidden, "not an operator"),
        (delivery.order_id, user_id, Mandate(desk.operator_id, "", "x"), ValidationFailed, "reason"),
    ):
        with pytest.raises(refusal, match=why):
            await attribute(order_id, whose, mandate=by)
    assert desk.everything() == before


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("frozen_at = now()", "is frozen"),
        ("kyc_status = 'rejected'", "was rejected"),
        ("closed_at = now(), email = 'closed-' || id || '@account.invalid'", "is closed"),
    ],
)
async def test_nothing_is_attributed_to_an_account_that_may_not_be_credited(
    desk: Desk, change: str, why: str
) -> None:
    delivery, user_id = await desk.suspense(), desk.books.user()
    desk.books.owner.execute(f"UPDATE users SET {change} WHERE id = %s", (user_id,))
    before = desk.everything()
    with pytest.raises(ActionNotPossible, match=why):
        await attribute(delivery.order_id, user_id, mandate=desk.mandate)
    with pytest.raises(ActionNotPossible, match=why):
        await preview(delivery.order_id, user_id)
    assert desk.everything() == before


async def _both_at_once(desk: Desk, order_id: str) -> list[str]:
    users = {desk.books.user(): desk.mandate, desk.books.user(): desk.mandate_of(desk.operator())}
    outcomes = await asyncio.gather(
        *(attribute(order_id, user, mandate=mandate) for user, mandate in users.items()),
        return_exceptions=True,
    )
    return sorted(type(one).__name__ for one in outcomes)


async def test_of_two_attributions_at_once_one_wins(desk: Desk) -> None:
    for _ in range(6):
        delivery = await desk.suspense()
        assert await _both_at_once(desk, delivery.order_id) == ["ActionNotPossible", "Attribution"]
    assert desk.books.count("top_ups") == len(desk.audit()) == 6


async def test_control_without_the_lock_only_the_ledger_stops_the_second(
    control_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the row lock both start, and the ledger's unique reference refuses the later one."""
    both_looked = asyncio.Barrier(2)

    async def unlocked(db: AsyncSession, order_id: str) -> OrderRecord:
        query = select(OrderRecord).where(col(OrderRecord.order_id) == order_id)
        found = (await db.exec(query)).one()
        await both_looked.wait()
        return found

    monkeypatch.setattr(named, "purchase", unlocked)
    delivery = await control_desk.suspense()
    assert await _both_at_once(control_desk, delivery.order_id) == ["Attribution", "ReferenceTaken"]
    assert await findings() == []
