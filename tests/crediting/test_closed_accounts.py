"""Money that arrives for a closed account is held, opens a case, and can be returned by an operator."""

import asyncio
from collections.abc import Sequence

import psycopg
import pytest
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import User
from onramp_app.crediting import context
from onramp_app.crediting.apply import apply_some
from onramp_app.crediting.delivery import DOCUMENTED
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.mandate import Mandate
from onramp_app.review.decisions import decide
from onramp_app.review.waiting import waiting_cases
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import Action
from tests import rows
from tests.crediting.reads import keep, order_of, recognition_id
from tests.crediting.world import World
from tests.people import operator_code

TEN = 10 * 10**18
CLOSE = "UPDATE users SET closed_at = now(), email = 'closed-' || id || '@account.invalid' WHERE id = %s"


def _mandate(world: World) -> Mandate:
    operator = rows.user(world.owner)
    rows.grant_role(world.owner, operator)
    return Mandate(f"{operator}@example.org", "its owner has gone", operator_code(world.owner, operator))


async def test_a_late_payment_for_a_closed_account_is_held_and_returned(world: World) -> None:
    """Through the provider: the offer had expired, its owner left, and the payment comes anyway."""
    user = world.user()
    top_up = world.top_up(user, status="expired")
    world.run(CLOSE, user)
    async with world.running():
        order = world.open_order(top_up)
        for status in (1, 2, 4):
            world.simulator.move(order, status)
        state = await world.ends(top_up, "in_review")
    assert (state["reason"], state["charged"], state["has_entry"]) == ("account_frozen", "yes", True)
    available, held = world.balance(user)
    assert available == 0
    assert held > 0
    assert world.open_cases() == ["held"]
    (case,) = (await waiting_cases(limit=10)).items
    assert case.why == "delivered: account_frozen, the account is closed"
    assert case.user == f"closed-{user}@account.invalid"
    assert world.rows("SELECT FROM outbox_mails") == [], "nobody is there to be written to"
    with pytest.raises(ActionNotPossible, match="is closed"):
        await decide(top_up, Action.RELEASE, mandate=_mandate(world))
    await decide(top_up, Action.RETURN, mandate=_mandate(world))
    assert world.balance(user) == (0, 0)
    assert world.open_cases() == []
    assert await world.findings() == set()


async def _pay_while_it_is_closed(world: World) -> str:
    """Apply a delivery while its owner is closing the account. Returns the owner's id."""
    user = world.user()
    top_up = world.top_up(user, status="expired")
    await keep(order_of(1, 4, merchantRecognitionId=recognition_id(world, top_up)))
    with psycopg.connect(world.database) as closing:
        closing.execute("SELECT FROM users WHERE id = %s FOR UPDATE", (user,))
        applying = asyncio.create_task(apply_some(DOCUMENTED))
        await world.until(lambda: world.rows("SELECT FROM pg_locks WHERE NOT granted"))
        closing.execute(CLOSE.encode(), (user,))
        closing.commit()
        await applying
    return user


async def test_a_payment_waits_for_an_account_that_is_being_closed(world: World) -> None:
    user = await _pay_while_it_is_closed(world)
    assert world.balance(user) == (0, TEN)
    assert world.open_cases() == ["held"]


async def _unlocked(db: AsyncSession, top_up_ids: Sequence[str]) -> dict[str, User]:
    owners = select(TopUp.user_id).where(col(TopUp.id).in_(top_up_ids))
    return {row.id: row for row in await db.exec(select(User).where(col(User.id).in_(owners)))}


async def test_control_a_payment_that_does_not_wait_is_nobodys_to_use(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(context, "_people", _unlocked)
    user = await _pay_while_it_is_closed(world)
    assert world.balance(user) == (TEN, 0)
    world.is_sound = False
    assert await world.findings() == {"closed_account_has_nothing"}
