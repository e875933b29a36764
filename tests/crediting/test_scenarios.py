"""Every simulator scenario that concerns money, driven over HTTP, ends as the contract says."""

from decimal import Decimal
from typing import Any

import pytest

from onramp_app.config import get_settings
from tests.crediting.pages import CHARGED, IN_BALANCE, REVIEW, UNSURE, page_for
from tests.crediting.world import World

SCALE = 10**18


def transfers(world: World) -> list[tuple[str, str]]:
    rows = world.rows("SELECT kind, reference FROM ledger_transfers ORDER BY created_at, id")
    return [(row["kind"], row["reference"]) for row in rows]


def delivered_of(world: World, order_id: int) -> int:
    """Return the amount that the simulator says it delivered, in minor units."""
    order = world.simulator.order(order_id)
    delivered = Decimal(str(order["actualCryptoAmount"])) - Decimal(str(order["gasFee"]))
    return int(delivered * SCALE)


def all_arrived(world: World, order_id: int) -> bool:
    return {hook["state"] for hook in world.simulator.order(order_id)["webhooks"]} == {"delivered"}


async def paid(world: World, *, steps: tuple[int, ...] = (1, 2, 4), **scenario: Any) -> tuple[str, str, int]:
    user = world.user()
    top_up = world.top_up(user)
    if scenario:
        world.simulator.scenario(**scenario)
    order = world.open_order(top_up)
    for status in steps:
        world.simulator.move(order, status)
    return user, top_up, order


def assert_credited_once(world: World, user: str, top_up: str, order: int) -> None:
    assert world.balance(user) == (delivered_of(world, order), 0)
    assert world.state(top_up)["received_minor"] == delivered_of(world, order)
    of_user = "SELECT kind, reference FROM ledger_transfers WHERE user_id = %s"
    assert world.rows(of_user, user) == [{"kind": "receive", "reference": f"onramp:buy:{order}:receive"}]


@pytest.mark.parametrize(
    "scenario",
    [
        {},
        {"name": "api_down", "times": None, "value": 2},
        {"name": "api_slow", "value": 1, "times": 3},
        {"name": "rate_limited", "value": 1, "times": 2},
        {"name": "clock_skew", "times": 3},
        {"name": "history_lags", "value": 2, "times": 3},
    ],
    ids=lambda scenario: scenario.get("name", "none"),
)
async def test_what_was_delivered_is_credited_once(world: World, scenario: dict[str, Any]) -> None:
    async with world.running():
        user, top_up, order = await paid(world, **scenario)
        await world.ends(top_up, "settled")
    assert_credited_once(world, user, top_up, order)
    assert len(transfers(world)) == 1
    page = await page_for(user, top_up)
    assert (page.title, page.charged) == (IN_BALANCE, CHARGED)


# Everything that can happen to an order's webhooks, by scenario and its value.
OF_WEBHOOKS: dict[str, Any] = {
    "lost_webhook": None,
    "duplicate_webhooks": 20,
    "out_of_order": None,
    "delayed_webhook": 1,
    "forged_signature": None,
    "stale_timestamp": None,
    "header_without_body": None,
    "body_differs": None,
    "short_delivery": None,
}
KEPT: dict[str, list[dict[str, bool]]] = {
    "lost_webhook": [],
    "forged_signature": [],
    "stale_timestamp": [{"is_old": True, "differs": False}],
    "body_differs": [{"is_old": False, "differs": True}],
}


async def test_whatever_becomes_of_its_webhooks_what_was_delivered_is_credited_once(
    world: World, monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests
) -> None:
    monkeypatch.setenv("ONRAMP_WEBHOOK_MAX_AGE_SECONDS", "3600")
    get_settings.cache_clear()
    paid_with: dict[str, tuple[str, str, int]] = {}
    async with world.running():
        for name, value in OF_WEBHOOKS.items():
            user = world.user()
            top_up = world.top_up(user)
            order = world.open_order(top_up)
            world.simulator.scenario(name, order_id=order, value=value)
            for status in (1, 2, 4):
                world.simulator.move(order, status)
            paid_with[name] = user, top_up, order
        for name, (_, top_up, order) in paid_with.items():
            await world.ends(top_up, "settled")
            if name in ("duplicate_webhooks", "out_of_order"):
                await world.until(lambda order=order: all_arrived(world, order))
        await world.until(lambda: world.rows("SELECT FROM webhook_refusals"))
    assert len(transfers(world)) == len(OF_WEBHOOKS)
    for name, (user, top_up, order) in paid_with.items():
        with subtests.test(name):
            assert_credited_once(world, user, top_up, order)
            page = await page_for(user, top_up)
            assert (page.title, page.charged) == (IN_BALANCE, CHARGED)
            if name in KEPT:
                told = "SELECT is_old, differs FROM webhook_events WHERE order_id = %s"
                assert world.rows(told, str(order)) == KEPT[name]
    settled_by = "SELECT source FROM top_up_steps WHERE status = 'settled' AND top_up_id = %s"
    assert world.rows(settled_by, paid_with["lost_webhook"][1]) == [{"source": "poll"}]


async def test_a_webhook_signed_with_either_secret_is_taken_while_rotating(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONRAMP_API_SECRET_PREVIOUS", "simulator-secret-next")
    get_settings.cache_clear()
    async with world.running():
        user, top_up, _ = await paid(world, name="rotated_key")
        await world.ends(top_up, "settled")
        assert (await page_for(user, top_up)).title == IN_BALANCE
        await world.until(lambda: world.rows("SELECT FROM webhook_events WHERE secret = 'previous'"))


@pytest.mark.parametrize("name", ["amount_mismatch", "name_mismatch", "wrong_address"])
async def test_what_a_person_must_look_at_is_in_review_without_an_entry(world: World, name: str) -> None:
    async with world.running():
        user, top_up, _ = await paid(world, name=name)
        ended = await world.ends(top_up, "in_review")
    assert (ended["reason"], ended["has_entry"]) == (name, False)
    assert world.balance(user) == (0, 0)
    assert not transfers(world)
    assert world.open_cases() == ["in_review"]


@pytest.mark.parametrize(
    ("name", "asset"), [("over_delivery", "USDT"), ("wrong_asset", "USDC"), ("over_limit", "USDT")]
)
async def test_what_may_not_be_used_yet_is_held(
    world: World, name: str, asset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMITS", '{"currency": "USD", "none": {"per_top_up": "100"}}')
    get_settings.cache_clear()
    user = world.user()
    top_up = world.top_up(user, base_amount=Decimal(12), base_currency="USD")
    async with world.running():
        world.simulator.scenario(name)
        order = world.open_order(top_up)
        for status in (1, 2, 4):
            world.simulator.move(order, status)
        ended = await world.ends(top_up, "in_review")
    assert (ended["reason"], ended["has_entry"], ended["received_asset"]) == (name, True, asset)
    page = await page_for(user, top_up)
    assert (page.title, page.charged) == (REVIEW, CHARGED)
    available, held = world.balance(user, asset)
    assert (available, held > 0) == (0, True)
    assert world.open_cases() == ["held"]


@pytest.mark.parametrize(
    ("person", "reason"),
    [({"kyc_status": "rejected"}, "kyc_rejected"), ({"frozen_at": "now"}, "account_frozen")],
)
async def test_money_for_somebody_who_may_not_use_it_is_held(
    world: World, person: dict[str, str], reason: str
) -> None:
    user = world.user(**person)
    top_up = world.top_up(user)
    async with world.running():
        order = world.open_order(top_up)
        world.simulator.move(order, 4)
        ended = await world.ends(top_up, "in_review")
    assert (ended["reason"], world.balance(user)) == (reason, (0, delivered_of(world, order)))


async def test_everything_is_held_in_the_first_days(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONRAMP_SETTLEMENT", "review")
    get_settings.cache_clear()
    async with world.running():
        user, top_up, order = await paid(world)
        ended = await world.ends(top_up, "in_review")
    assert (ended["reason"], world.balance(user)) == ("settlement_review", (0, delivered_of(world, order)))


async def test_an_order_of_nobody_goes_to_suspense(world: World) -> None:
    async with world.running():
        user, top_up, order = await paid(world, name="unknown_order")
        await world.until(lambda: transfers(world))
        assert (await page_for(user, top_up)).kind == "offered"  # The payment belongs to nobody.
    assert transfers(world) == [("receive", f"onramp:buy:{order}:receive")]
    assert world.open_cases() == ["suspense"]
    assert (world.balance(user), world.state(top_up)["status"]) == ((0, 0), "created")


async def test_an_unknown_status_moves_nothing_and_makes_an_alarm(world: World) -> None:
    async with world.running():
        user, top_up, order = await paid(world, steps=(1,), name="unknown_status")
        await world.ends(top_up, "awaiting_payment")
        world.simulator.move(order, 3)
        await world.until(world.open_cases)
        assert world.open_cases() == ["unknown_status"]
        assert world.state(top_up)["status"] == "awaiting_payment"
        assert (await page_for(user, top_up)).charged == UNSURE
        world.simulator.move(order, 4)
        await world.ends(top_up, "settled")
        assert not world.open_cases()


async def test_before_a_claim_an_unknown_status_leaves_open_whether_somebody_was_charged(
    world: World,
) -> None:
    async with world.running():
        _, top_up, order = await paid(world, steps=(), name="unknown_status")
        opened = await world.ends(top_up, "awaiting_payment")
        assert opened["charged"] == "no"
        world.simulator.move(order, 3)
        await world.until(world.open_cases)
        state = world.state(top_up)
    assert (state["status"], state["charged"]) == ("awaiting_payment", "unknown")


async def test_a_link_that_is_paid_twice_makes_two_credits_and_two_records(world: World) -> None:
    async with world.running():
        user, top_up, first = await paid(world, name="second_payment")
        await world.until(lambda: len(transfers(world)) == 2)
    (linked,) = world.rows("SELECT * FROM top_ups WHERE linked_to = %s", top_up)
    assert (world.state(top_up)["status"], linked["status"]) == ("settled", "settled")
    orders = world.rows(
        "SELECT order_id FROM provider_orders WHERE top_up_id = ANY(%s)", [top_up, linked["id"]]
    )
    assert len(orders) == 2
    assert str(first) in {row["order_id"] for row in orders}
    assert world.balance(user)[0] == sum(delivered_of(world, int(row["order_id"])) for row in orders)


async def test_an_order_that_fails_after_it_settled_stays_settled_with_a_case(world: World) -> None:
    async with world.running():
        user, top_up, order = await paid(world, name="settled_then_failed")
        await world.until(lambda: world.open_cases() == ["failed_after_settled"])
    assert world.state(top_up)["status"] == "settled"
    assert (await page_for(user, top_up)).title == IN_BALANCE
    assert world.balance(user) == (delivered_of(world, order), 0)


@pytest.mark.parametrize("name", ["late_payment", "late_after_cancel"])
async def test_a_late_payment_is_credited(world: World, name: str) -> None:
    user = world.user()
    top_up = world.top_up(user)
    async with world.running():
        world.simulator.scenario(name, value=2 if name == "late_after_cancel" else None)
        order = world.open_order(top_up)
        await world.ends(top_up, "awaiting_payment")
        if name == "late_after_cancel":
            world.run("UPDATE top_ups SET status = 'canceled' WHERE id = %s", top_up)
        world.simulator.move(order, 2)
        if name == "late_payment":
            expired = "SELECT FROM top_up_steps WHERE top_up_id = %s AND status = 'expired'"
            await world.until(lambda: world.rows(expired, top_up))
        await world.ends(top_up, "settled")
    page = await page_for(user, top_up)
    assert (page.title, page.charged) == (IN_BALANCE, CHARGED)
    assert world.balance(user) == (delivered_of(world, order), 0)
