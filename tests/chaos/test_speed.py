"""How soon money is credited normally, when no webhook comes, and while Redis keeps dying."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.chaos.fleet import Fleet, running_fleet
from tests.chaos.payments import in_words, paid, percentile
from tests.crediting.world import World

POLL_SECONDS = 6  # as by default
A_SECOND = 20
WITHIN_SECONDS = 5
ABANDONED = -2

pytestmark = pytest.mark.full


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    with running_fleet(tmp_path, monkeypatch, poll_seconds=POLL_SECONDS) as fleet:
        yield fleet


async def test_of_twenty_payments_a_second_99_in_100_are_credited_within_5_s_of_their_webhooks(
    fleet: Fleet,
) -> None:
    world = World(fleet.database.url, fleet.provider)
    async with paid(world, 2_400, a_second=A_SECOND) as payments:
        pass
    delays = await payments.delays_of_webhooks()
    print(f"{payments.a_second:.0f} a second, from webhook to credit {in_words(delays)}")  # noqa: T201 - the figures
    assert len(delays) == 2_400
    assert percentile(delays, 99) <= WITHIN_SECONDS


@pytest.mark.parametrize(("status", "ends"), [(4, "settled"), (ABANDONED, "canceled")])
async def test_without_webhooks_payments_and_failures_are_seen_within_two_polls(
    fleet: Fleet, status: int, ends: str
) -> None:
    world = World(fleet.database.url, fleet.provider)
    world.simulator.scenario("lost_webhook", times=None)
    async with paid(world, 600, a_second=A_SECOND, status=status) as payments:
        pass
    delays = payments.delays(status=ends)
    print(f"{ends} without a webhook: {in_words(delays)}")  # noqa: T201 - the figures
    assert len(delays) == 600
    assert delays[-1] <= 2 * POLL_SECONDS


async def test_the_control_a_reader_that_never_polls_sees_no_payment_without_a_webhook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_fleet(tmp_path, monkeypatch, poll_seconds=3600) as fleet:
        world = World(fleet.database.url, fleet.provider)
        # After its first round only a webhook makes the reader read again.
        await world.until(
            lambda: world.rows("SELECT FROM leases WHERE name = 'reader' AND worked_at IS NOT NULL")
        )
        world.simulator.scenario("lost_webhook", times=None)
        order = world.open_order(world.top_up(world.user()))
        world.simulator.move(order, 4)
        await asyncio.sleep(3 * POLL_SECONDS)
        assert world.one("SELECT status FROM top_ups") == "created"


async def test_crediting_goes_on_at_its_speed_while_redis_is_killed_and_flushed_fifty_times(
    fleet: Fleet,
) -> None:
    world = World(fleet.database.url, fleet.provider)
    harms: list[Callable[[], object]] = [
        lambda: Redis.from_url(fleet.redis.url).flushall(), fleet.redis.kill
    ]  # fmt: skip
    async with paid(world, 2_400, a_second=A_SECOND) as payments:
        for number in range(50):
            await asyncio.to_thread(harms[number % 2])
            await asyncio.sleep(1)
            await asyncio.to_thread(fleet.redis.start)
            await asyncio.sleep(1)
    delays = await payments.delays_of_webhooks()
    print(f"while Redis dies, {payments.a_second:.0f} a second: {in_words(delays)}")  # noqa: T201 - the figures
    assert len(delays) == 2_400
    assert percentile(delays, 99) <= WITHIN_SECONDS
