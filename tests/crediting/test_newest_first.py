"""A payment that has just arrived is found among the newest orders first, however many orders there are."""

from datetime import timedelta
from typing import Any

import pytest

from onramp_app.domain.clock import now
from onramp_app.provider_orders.reader import Pace
from onramp_app.provider_orders.walks import due_walks, front_walks, handle_events, make_walks, sought_back
from onramp_app.providers.port import ProviderOrder
from tests.crediting.reads import apply_all, order_of, recognition_id
from tests.crediting.test_late_hints import ListingProvider, hint, old
from tests.crediting.world import World

__all__ = ["old"]

A_PAGE = 10


def listed(world: World, number: int) -> tuple[ListingProvider, list[ProviderOrder], list[str]]:
    """Return a provider with one person's orders, a second apart and newest last; the orders; the top-ups."""
    user = world.user()
    top_ups = [world.top_up(user) for _ in range(number)]
    began = now() - timedelta(minutes=10)
    orders = [
        order_of(
            n + 1,
            4,
            merchantRecognitionId=recognition_id(world, top_up),
            createdAt=(began + timedelta(seconds=n)).isoformat(),
        )
        for n, top_up in enumerate(top_ups)
    ]
    return ListingProvider(*orders, size=A_PAGE), orders, top_ups


async def test_a_new_order_is_found_on_the_first_page_and_no_other_is_asked_for(world: World) -> None:
    provider, orders, top_ups = listed(world, 35)
    hint(world, orders[-1])
    await handle_events()
    walks = front_walks(await due_walks(newest_first=True), set())
    await make_walks(provider, walks)  # type: ignore[arg-type]
    assert provider.pages == 1
    assert [walk.left() for walk in walks] == [set()]
    assert await due_walks() == []
    await apply_all()
    assert world.state(top_ups[-1])["status"] == "settled"
    assert world.state(top_ups[0])["status"] == "created"


async def test_an_order_behind_the_newest_ones_is_left_to_the_whole_walk(world: World) -> None:
    provider, orders, top_ups = listed(world, 35)
    hint(world, orders[0])
    await handle_events()
    walks = front_walks(await due_walks(newest_first=True), set())
    await make_walks(provider, walks)  # type: ignore[arg-type]
    assert provider.pages == 2
    (left,) = walks[0].left()
    assert left[:2] == ("buy", "1")
    assert world.one("SELECT read_failures FROM provider_orders WHERE order_id = '1'") == 0
    again = await due_walks()
    assert front_walks(again, {left}) == []
    await make_walks(provider, again)  # type: ignore[arg-type]
    await apply_all()
    assert world.state(top_ups[0])["status"] == "settled"
    assert await due_walks() == []


async def test_an_order_that_one_of_many_lists_shows_is_left_to_no_other(world: World) -> None:
    """The webhook names no currency: two lists are read, and finding the order in one ends neither walk."""
    provider, orders, _ = listed(world, 35)
    world.top_up(world.user(), fiat_type=2, fiat_currency="TRY")
    hint(world, order_of(35, 4, fiatType=None, createdAt=orders[-1].created_at.isoformat()))
    await handle_events()
    walks = front_walks(await due_walks(newest_first=True), set())
    assert {walk.fiat_type for walk in walks} == {1, 2}
    await make_walks(provider, walks)  # type: ignore[arg-type]
    seen = set().union(*(walk.seen() for walk in walks))
    assert [due[:2] for due in seen] == [("buy", "35")]
    assert set().union(*(walk.left() for walk in walks)) - seen == set()


async def test_what_is_sought_back_to_its_date_is_not_looked_for_in_front(world: World, old: Any) -> None:
    _, fields = old
    hint(world, order_of(1, 4, **fields))
    await handle_events()
    walks = await due_walks(newest_first=True)
    assert [due[:2] for due in sought_back(walks)] == [("buy", "1")]
    assert front_walks(walks, set()) == []


async def test_an_order_behind_the_newest_ones_is_settled_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over HTTP, thanks to its webhook alone: open orders are polled only once an hour here."""
    monkeypatch.setenv("ONRAMP_POLL_SECONDS", "3600")
    world.simulator.scenario("short_pages", times=None)
    others, top_up = (world.top_up(world.user()) for _ in range(2))
    order = world.open_order(top_up)
    for _ in range(45):
        world.open_order(others)
    async with world.running():
        await world.until(lambda: world.rows("SELECT FROM provider_reads"))
        world.simulator.move(order, 4)
        await world.ends(top_up, "settled", seconds=5)


async def test_a_payment_does_not_wait_until_everything_open_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are ten pages, at a limit of some 36 a minute, so the whole walk takes a while."""
    monkeypatch.setenv("ONRAMP_REQUESTS_PER_MINUTE", "60")
    world.simulator.scenario("short_pages", times=None)
    others, top_up = (world.top_up(world.user()) for _ in range(2))
    for _ in range(190):
        world.open_order(others)
    async with world.running():
        # The first pages, which are requested without a pause, have been read.
        await world.until(lambda: world.one("SELECT count(*) FROM provider_orders") >= 80)
        assert not world.rows("SELECT FROM provider_reads")
        order = world.open_order(top_up)
        world.simulator.move(order, 4)
        await world.ends(top_up, "settled", seconds=4)
        assert not world.rows("SELECT FROM provider_reads")


def test_a_few_pages_are_asked_for_at_once_and_the_others_one_by_one() -> None:
    at = 100.0
    pace = Pace(3, clock=lambda: at)
    assert [pace.pause(2) for _ in range(5)] == [0, 0, 0, 2, 4]
    at = 104.0
    assert pace.pause(2) == 2  # the two that were waiting have had their turns
    at = 1_000.0
    assert [pace.pause(2) for _ in range(4)] == [0, 0, 0, 2]
