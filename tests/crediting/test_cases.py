"""A case is open exactly as long as a person has to look, however the orders of a top-up are read."""

from datetime import timedelta

import pytest

from onramp_app.domain.clock import now
from onramp_app.top_ups.moves import run_clock
from tests.crediting.reads import apply_all, keep, keep_and_apply, order_of, recognition_id
from tests.crediting.world import World

TEN = 10 * 10**18
MISMATCH, DELIVERED, PAID, CLAIMED, UNKNOWN = -3, 4, 2, 1, 17


@pytest.mark.parametrize("are_read_together", [True, False])
async def test_a_delivery_answers_the_mismatch_of_an_order_before_it(
    world: World, *, are_read_together: bool
) -> None:
    user = world.user()
    top_up = world.top_up(user)
    recognition = recognition_id(world, top_up)
    await keep(order_of(1, MISMATCH, merchantRecognitionId=recognition))
    if not are_read_together:
        await apply_all()
        assert world.open_cases() == ["in_review"]
    await keep_and_apply(order_of(2, DELIVERED, merchantRecognitionId=recognition))
    assert (world.balance(user), world.state(top_up)["status"]) == ((TEN, 0), "settled")
    assert world.open_cases() == []


async def test_a_mismatch_that_is_read_after_a_delivery_is_looked_at(world: World) -> None:
    top_up = world.top_up(world.user())
    recognition = recognition_id(world, top_up)
    await keep(order_of(1, DELIVERED, merchantRecognitionId=recognition))
    await keep_and_apply(order_of(2, MISMATCH, merchantRecognitionId=recognition))
    assert (world.state(top_up)["status"], world.open_cases()) == ("settled", ["failed_after_settled"])


@pytest.mark.parametrize("other", [None, CLAIMED, PAID])
async def test_what_was_paid_and_has_an_unknown_status_is_handed_over_after_a_day(
    world: World, other: int | None
) -> None:
    """Another order that somebody only says they have paid does not keep it open, one that was paid does."""
    top_up = world.top_up(world.user())
    recognition = recognition_id(world, top_up)
    world.run("UPDATE top_ups SET created_at = now() - interval '3 days'")
    await keep_and_apply(order_of(1, PAID, merchantRecognitionId=recognition))
    if other is not None:
        await keep_and_apply(order_of(2, other, merchantRecognitionId=recognition))
    await keep_and_apply(order_of(1, UNKNOWN, merchantRecognitionId=recognition))
    await run_clock(now() + timedelta(days=30))
    assert world.state(top_up)["status"] == ("processing" if other == PAID else "in_review")
