"""Reconciling repairs what was missed and lists what still differs."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from typer.testing import CliRunner

from onramp_app.__main__ import app
from onramp_app.config import get_settings
from onramp_app.crediting import reconciliation
from onramp_app.crediting.reconciliation import reconcile
from onramp_app.domain.clock import now
from onramp_app.providers.connection import get_provider
from onramp_app.providers.errors import ProviderBusy
from onramp_app.providers.port import HistoryPage
from onramp_app.running import lifecycle
from tests.crediting.reads import keep, order_of
from tests.crediting.world import World


async def test_what_nobody_read_is_found_and_credited(world: World) -> None:
    top_up = world.top_up(world.user())
    world.simulator.move(world.open_order(top_up), 4)
    found = await reconcile(get_provider(), since=now() - timedelta(hours=1))
    assert (found.provider_orders, found.our_orders, found.booked_orders) == (1, 1, 1)
    assert (found.changed_by_reading, found.drifts) == (1, ())
    assert world.state(top_up)["status"] == "settled"


@pytest.mark.parametrize("rule", ["actual_minus_gas", "actual"])
async def test_what_was_credited_is_what_is_compared_by_each_rule(
    world: World, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    monkeypatch.setenv("ONRAMP_DELIVERED_RULE", rule)
    get_settings.cache_clear()
    user = world.user()
    # The float's tail is always cut off; the network fee is deducted by only one of the rules.
    world.simulator.move(
        world.open_order(world.top_up(user, asset="USDC")), 4, actualCryptoAmount="11.030000000000001"
    )
    found = await reconcile(get_provider(), since=now() - timedelta(hours=1))
    fee = world.one("SELECT gas_fee FROM provider_orders")
    credited = Decimal("11.03") - (fee if rule == "actual_minus_gas" else 0)
    assert fee
    assert Decimal(sum(world.balance(user, "USDC"))).scaleb(-6) == credited
    assert found.drifts == ()


async def test_each_difference_is_named(world: World) -> None:
    user = world.user()
    top_ups = [world.top_up(user) for _ in range(2)]
    orders = [world.open_order(top_up) for top_up in top_ups]
    for order in orders:
        world.simulator.move(order, 4, actualCryptoAmount="12")
    since = now() - timedelta(hours=1)
    assert (await reconcile(get_provider(), since=since)).drifts == ()
    world.simulator.move(orders[0], -2)
    world.simulator.move(orders[1], 4, actualCryptoAmount="11.5")
    await keep(order_of(99, 2, createdAt=now().isoformat()))
    found = await reconcile(get_provider(), since=since)
    world.is_sound = False
    assert {drift.order_id: drift.what for drift in found.drifts} == {
        str(orders[0]): "booked, and not delivered by the last read",
        str(orders[1]): "booked with another amount",
        "99": "the provider does not tell of it any more",
    }


async def test_the_command_prints_the_report_and_ends_with_one_on_a_difference(world: World) -> None:
    order = world.open_order(world.top_up(world.user()))
    world.simulator.move(order, 4)
    await reconcile(get_provider(), since=now() - timedelta(hours=1))
    world.simulator.move(order, -1)
    since = (now() - timedelta(hours=1)).isoformat()
    await lifecycle.disconnect()  # Each command runs its own event loop.
    ended = await asyncio.to_thread(CliRunner().invoke, app, ["reconcile", "--since", since, "--json"])
    assert ended.exit_code == 1, ended.output
    report = json.loads(ended.stdout)
    assert [drift["order_id"] for drift in report["drifts"]] == [str(order)]


async def test_a_slow_clock_of_this_machine_hides_no_change(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    top_up = world.top_up(world.user())
    order = world.open_order(top_up)
    await keep(order_of(order, 1))
    world.simulator.move(order, 4)
    since, until = now() - timedelta(hours=2), now() + timedelta(hours=1)
    monkeypatch.setattr(reconciliation, "now", lambda: now() - timedelta(hours=1))
    found = await reconcile(get_provider(), since=since, until=until)
    assert (found.booked_orders, found.drifts) == (1, ())


async def test_orders_on_both_sides_are_counted_until_the_same_moment(world: World) -> None:
    world.simulator.move(world.open_order(world.top_up(world.user())), 4)
    past = now() - timedelta(minutes=30)
    found = await reconcile(get_provider(), since=past - timedelta(hours=1), until=past)
    assert (found.provider_orders, found.our_orders) == (0, 0)


async def test_a_record_that_cannot_be_read_becomes_a_case(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.open_order(world.top_up(world.user()))
    provider = get_provider()
    history = provider.history

    async def with_a_broken_record(**walk: Any) -> AsyncIterator[HistoryPage]:
        async for page in history(**walk):
            yield replace(page, unreadable=('{"orderId": null}',))

    monkeypatch.setattr(provider, "history", with_a_broken_record)
    await reconcile(provider, since=now() - timedelta(hours=1))
    assert world.open_cases() == ["record_unreadable"]


async def test_a_provider_that_stays_busy_ends_the_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "_MOST_REFUSALS", 1)
    world.simulator.scenario("rate_limited", times=None, value=1)
    with pytest.raises(ProviderBusy):
        await reconcile(get_provider(), since=now() - timedelta(hours=1))
