"""A provider that receives too many requests says so; that is counted in a metric, and reading continues."""

from onramp_app.config import get_settings
from onramp_app.provider_orders.observed import busy_answers
from onramp_app.running import provider_checks
from tests.crediting.world import World


async def test_answers_that_we_read_too_much_are_counted(world: World) -> None:
    top_up = world.top_up(world.user())
    said = await provider_checks.reading(get_settings())
    assert said.startswith("Lists with open top-ups: 1, each read every 1 s, about 60 of 10000 requests")
    assert "never answered that this is too much" in said
    order = world.open_order(top_up)
    async with world.running():
        world.simulator.scenario("rate_limited", value=1, times=None)
        await world.until(lambda: world.rows("SELECT FROM provider_busy"))
        world.simulator.control("scenario", method="DELETE")
        world.simulator.move(order, 4)
        await world.ends(top_up, "settled")
    found = await busy_answers()
    assert found is not None
    assert f"answered {found.times} times" in await provider_checks.reading(get_settings())
