"""Machines' clocks that are wrong for a while delay no payment and expire nothing too early."""

from datetime import datetime, timedelta, tzinfo
from typing import Self

import pytest

from onramp_app.crediting.apply import retry_some
from onramp_app.crediting.delivery import DOCUMENTED
from onramp_app.provider_orders.walks import due_walks, handle_events
from onramp_app.top_ups.moves import run_clock
from tests.crediting.reads import order_of, recognition_id
from tests.crediting.test_late_hints import ListingProvider, hint, read_due
from tests.crediting.world import World


def wrong_by(difference: timedelta) -> type[datetime]:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) + difference

    return Wrong


@pytest.mark.parametrize("hours", [5, -5])
async def test_what_was_read_by_a_wrong_clock_is_read_again_by_a_right_one_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    top_up = world.top_up(world.user())
    fields = {"merchantRecognitionId": recognition_id(world, top_up)}
    with monkeypatch.context() as patch:
        patch.setattr("onramp_app.domain.clock.datetime", wrong_by(timedelta(hours=hours)))
        hint(world, order_of(1, 4, **fields))
        await read_due(ListingProvider(order_of(1, 2, **fields)))
    assert world.state(top_up)["status"] == "processing"
    world.run("UPDATE provider_orders SET due_at = due_at - interval '1 second' WHERE due_at IS NOT NULL")
    assert await due_walks()
    await read_due(ListingProvider(order_of(1, 4, **fields)))
    assert world.state(top_up)["status"] == "settled"


async def test_what_could_not_be_applied_waits_no_longer_for_a_clock_that_was_ahead(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    top_up = world.top_up(world.user())
    world.run("ALTER TABLE top_ups ADD CONSTRAINT poison CHECK (status <> 'settled')")
    with monkeypatch.context() as patch:
        patch.setattr("onramp_app.domain.clock.datetime", wrong_by(timedelta(hours=5)))
        hint(world, order_of(1, 4, merchantRecognitionId=recognition_id(world, top_up)))
        await handle_events()
        await read_due(ListingProvider(order_of(1, 4, merchantRecognitionId=recognition_id(world, top_up))))
    assert world.one("SELECT apply_after < now() + interval '1 hour' FROM provider_orders")
    world.run("ALTER TABLE top_ups DROP CONSTRAINT poison")
    world.run("UPDATE provider_orders SET apply_after = now()")
    assert (await retry_some(DOCUMENTED)).orders == 1


async def test_a_clock_that_is_a_year_ahead_ends_no_top_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.top_up(world.user())
    monkeypatch.setattr("onramp_app.domain.clock.datetime", wrong_by(timedelta(days=365)))
    assert await run_clock() == 0
