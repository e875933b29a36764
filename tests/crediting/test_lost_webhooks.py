"""Three of ten webhooks never come and the provider is down for a while: all orders settle afterwards."""

import asyncio
import time

import pytest

from onramp_app.provider_orders import reader
from tests.crediting.world import World

EURO = {"fiat_type": 12, "fiat_currency": "EUR", "payment_method": "SEPA_BANK_TRANSFER"}
EURO_LINK = {"fiatType": 12, "paymentMethod": 2}
WITHIN_SECONDS = 60
SIZES = [
    pytest.param(40, 2, id="short"),
    pytest.param(5_000, 60, id="full", marks=pytest.mark.full),
]


def _orders(world: World, number: int, *, lost_of_ten: int = 3) -> list[int]:
    """Open orders for a few people, alternating two currencies; `lost_of_ten` in ten lose their webhook."""
    users = [world.user() for _ in range(max(10, number // 50))]
    opened = []
    for n in range(number):
        user = users[n % len(users)]
        if n % 2:
            opened.append(world.open_order(world.top_up(user, **EURO), **EURO_LINK))
        else:
            opened.append(world.open_order(world.top_up(user)))
        if n % 10 < lost_of_ten:
            world.simulator.scenario("lost_webhook", order_id=opened[-1])
    return opened


def _settled(world: World) -> int:
    return int(world.one("SELECT count(*) FROM top_ups WHERE status = 'settled'"))


@pytest.mark.parametrize(("number", "away_seconds"), SIZES)
async def test_all_orders_settle_within_a_minute_of_the_providers_return(
    world: World, number: int, away_seconds: int
) -> None:
    orders = await asyncio.to_thread(_orders, world, number)
    async with world.running():
        world.simulator.scenario("api_down", value=away_seconds, times=None)
        away_until = time.monotonic() + away_seconds
        for order in orders:
            await asyncio.to_thread(world.simulator.move, order, 4)
        await asyncio.sleep(max(0.0, away_until - time.monotonic()))
        back = time.monotonic()
        await world.until(lambda: _settled(world) == number, seconds=WITHIN_SECONDS)
        took = time.monotonic() - back
    print(f"{number} orders settled within {took:.1f} s of the provider's return")  # noqa: T201 - a figure
    assert took <= WITHIN_SECONDS
    assert len(world.rows("SELECT FROM ledger_transfers WHERE kind = 'receive'")) == number
    currencies = world.rows("SELECT DISTINCT fiat_currency FROM provider_orders ORDER BY 1")
    assert [row["fiat_currency"] for row in currencies] == ["EUR", "INR"]


@pytest.mark.full
async def test_an_order_that_changes_after_600_newer_ones_is_seen(world: World) -> None:
    """It is on the second page of the list, behind 500 newer orders."""
    world.simulator.scenario("lost_webhook", times=None)
    owner, others = (world.top_up(world.user()) for _ in range(2))
    order = world.open_order(owner)
    for _ in range(600):
        await asyncio.to_thread(world.open_order, others)
    async with world.running():
        await world.until(lambda: world.one("SELECT count(*) FROM provider_orders") == 601, seconds=60)
        world.simulator.move(order, 4)
        await world.ends(owner, "settled", seconds=12)


async def test_control_without_reading_what_is_open_lost_ones_never_settle(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(*_: object) -> list[object]:
        return []

    for walks in ("open_walks", "due_history"):
        monkeypatch.setattr(reader, walks, nothing)
    # A single webhook would trigger a read of the whole list and find the others, so all are lost here.
    orders = await asyncio.to_thread(_orders, world, 10, lost_of_ten=10)
    async with world.running():
        for order in orders:
            await asyncio.to_thread(world.simulator.move, order, 4)
        await asyncio.sleep(3)  # three polls
    assert _settled(world) == 0
