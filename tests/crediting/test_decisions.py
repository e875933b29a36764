"""Operators decide between reads of the provider: whatever is read next, nothing is credited twice."""

import asyncio
from collections.abc import Callable

import pytest
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.crediting.apply import apply_some
from onramp_app.crediting.delivery import DOCUMENTED
from onramp_app.ledger.transfers import Instruction
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.mandate import Mandate
from onramp_app.review import decisions
from onramp_app.review.attribution import attribute
from onramp_app.review.decisions import decide
from onramp_app.top_ups.transitions import Action
from tests import rows
from tests.crediting.reads import keep, keep_and_apply, order_of, recognition_id
from tests.crediting.world import World
from tests.people import operator_code

TEN = 10 * 10**18
NewMandate = Callable[[], Mandate]  # Each has a fresh operator code, which is good for one act.


@pytest.fixture
def mandate(world: World) -> NewMandate:
    operator = world.user()
    rows.grant_role(world.owner, operator)
    return lambda: Mandate(operator, "looked at it", operator_code(world.owner, operator))


def _status(world: World, top_up_id: str) -> str:
    return str(world.one("SELECT status FROM top_ups WHERE id = %s", top_up_id))


async def test_an_attributed_order_that_is_read_again_stays_credited_once(
    world: World, mandate: NewMandate
) -> None:
    user = world.user()
    await keep_and_apply(order_of(1, 4))
    done = await attribute("1", user, mandate=mandate())
    assert world.balance(user) == (TEN, 0)
    for status in (15, 5, 14, -1):
        await keep_and_apply(order_of(1, status, transactionHash=f"0x{status + 1:064}"))
        assert _status(world, done.top_up_id) == "settled"
    assert world.balance(user) == (TEN, 0)
    assert world.one("SELECT count(*) FROM top_ups") == 1


async def test_a_released_delivery_that_is_read_again_stays_released_and_its_failure_is_reversed(
    world: World, mandate: NewMandate
) -> None:
    user = world.user()
    top_up = world.top_up(user)
    recognition = recognition_id(world, top_up)
    # Far more than the provider's own expected amount.
    over = {"merchantRecognitionId": recognition, "expectedCryptoAmount": 1}
    await keep_and_apply(order_of(1, 4, **over))
    assert world.balance(user) == (0, TEN)
    await decide(top_up, Action.RELEASE, mandate=mandate())
    await keep_and_apply(order_of(1, 15, **over))
    assert (world.balance(user), _status(world, top_up)) == ((TEN, 0), "settled")
    await keep_and_apply(order_of(1, -1, **over))
    assert world.one("SELECT kind FROM exceptions WHERE closed_at IS NULL") == "failed_after_settled"
    await decide(top_up, Action.REVERSE, mandate=mandate())
    assert world.one("SELECT count(*) FROM exceptions WHERE closed_at IS NULL") == 0
    await keep_and_apply(order_of(1, 4, **over, transactionHash="0x1"))
    assert (world.balance(user), _status(world, top_up)) == ((0, 0), "reversed")


async def test_a_returned_delivery_that_is_read_again_stays_returned(
    world: World, mandate: NewMandate
) -> None:
    user = world.user()
    top_up = world.top_up(user)
    over = {"merchantRecognitionId": recognition_id(world, top_up), "expectedCryptoAmount": 1}
    await keep_and_apply(order_of(1, 4, **over))
    await decide(top_up, Action.RETURN, mandate=mandate())
    await keep_and_apply(order_of(1, 15, **over))
    assert (world.balance(user), _status(world, top_up)) == ((0, 0), "reversed")


async def test_a_closed_review_is_credited_when_the_delivery_comes_after_all(
    world: World, mandate: NewMandate
) -> None:
    user = world.user()
    top_up = world.top_up(user)
    recognition = recognition_id(world, top_up)
    await keep_and_apply(order_of(1, 2, merchantRecognitionId=recognition))
    await keep_and_apply(order_of(1, -1, merchantRecognitionId=recognition))
    assert _status(world, top_up) == "in_review"
    await decide(top_up, Action.CLOSE, mandate=mandate())
    assert _status(world, top_up) == "failed"
    await keep_and_apply(order_of(1, 4, merchantRecognitionId=recognition))
    assert (world.balance(user), _status(world, top_up)) == ((TEN, 0), "settled")
    assert world.one("SELECT count(*) FROM exceptions WHERE closed_at IS NULL") == 0


async def test_closing_while_the_delivery_is_being_applied_ends_in_one_credit(
    world: World, mandate: NewMandate
) -> None:
    user = world.user()
    for number in range(1, 9):
        top_up = world.top_up(user)
        recognition = recognition_id(world, top_up)
        await keep_and_apply(order_of(number, 2, merchantRecognitionId=recognition))
        await keep_and_apply(order_of(number, -1, merchantRecognitionId=recognition))
        closed, _ = await asyncio.gather(
            decide(top_up, Action.CLOSE, mandate=mandate()),
            keep_and_apply(order_of(number, 4, merchantRecognitionId=recognition)),
            return_exceptions=True,
        )
        assert not isinstance(closed, BaseException) or isinstance(closed, ActionNotPossible)
        assert (world.balance(user), _status(world, top_up)) == ((TEN * number, 0), "settled")


async def test_money_in_suspense_waits_for_an_operator_even_when_its_top_up_is_known_later(
    world: World, mandate: NewMandate
) -> None:
    user = world.user()
    top_up = world.top_up(user)
    await keep_and_apply(order_of(1, 4))
    await keep_and_apply(order_of(1, 15, merchantRecognitionId=recognition_id(world, top_up)))
    assert (world.balance(user), _status(world, top_up)) == ((0, 0), "created")
    assert world.open_cases() == ["suspense"]
    assert world.one("SELECT count(*) FROM provider_orders WHERE version > applied_version") == 0
    done = await attribute("1", user, mandate=mandate())
    await keep_and_apply(order_of(1, 5, merchantRecognitionId=recognition_id(world, top_up)))
    assert (world.balance(user), _status(world, done.top_up_id)) == ((TEN, 0), "settled")
    assert _status(world, top_up) == "created"


async def test_a_decision_and_a_read_of_the_same_order_lock_nothing_in_a_circle(
    world: World, mandate: NewMandate, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = world.user()
    top_up = world.top_up(user)
    over = {"merchantRecognitionId": recognition_id(world, top_up), "expectedCryptoAmount": 1}
    await keep_and_apply(order_of(1, 4, **over))
    await keep(order_of(1, 15, **over))
    posted, is_locked = decisions.post_once, asyncio.Event()

    async def slow(db: AsyncSession, instruction: Instruction) -> str:
        is_locked.set()
        await asyncio.sleep(0.3)  # The read has the order by now, and waits for the top-up.
        return await posted(db, instruction)

    monkeypatch.setattr(decisions, "post_once", slow)

    async def read() -> int:
        await is_locked.wait()
        return (await apply_some(DOCUMENTED)).orders

    decision = decide(top_up, Action.RELEASE, mandate=mandate())
    _, applied = await asyncio.gather(decision, read())
    assert applied == 1
    assert (world.balance(user), _status(world, top_up)) == ((TEN, 0), "settled")
