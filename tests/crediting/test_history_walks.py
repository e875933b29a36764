"""The last weeks of orders are read once an hour, however often readers are replaced."""

import asyncio

from onramp_app.provider_orders.walked_lists import due_history, note_walked
from onramp_app.running.worker import background_work
from tests.crediting.world import World

HOUR = 3600
WALKED = "SELECT count(*) FROM history_walks"


def asked(world: World) -> int:
    """Return how many pages of orders were requested from the simulator."""
    items = world.simulator.control("requests", method="GET")["items"]
    return sum(int(row["total"]) for row in items if row["path"].endswith("merchantHistory"))


async def test_a_reader_that_begins_again_goes_on_where_the_last_one_was(world: World) -> None:
    lists = await due_history(HOUR)
    assert lists
    await note_walked(lists[0])
    async with background_work():
        await world.until(lambda: world.one(WALKED) == len(lists))
    pages = asked(world)
    assert pages == len(lists) - 1
    async with background_work():
        await asyncio.sleep(0.5)
    assert asked(world) == pages


async def test_a_list_is_due_again_after_an_hour(world: World) -> None:
    lists = await due_history(HOUR)
    for walk in lists:
        await note_walked(walk)
    assert await due_history(HOUR) == []
    world.run("UPDATE history_walks SET walked_at = now() - interval '61 minutes' WHERE fiat_type = 1")
    assert [(walk.flow, walk.fiat_type) for walk in await due_history(HOUR)] == [("buy", 1)]
