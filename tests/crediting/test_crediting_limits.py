"""Credited money counts against our limits in one unit only, converted at the stored rates."""

from decimal import Decimal
from typing import Any

import pytest

from onramp_app.config import get_settings
from onramp_app.operators.mandate import Mandate
from onramp_app.review.attribution import attribute
from tests.crediting.reads import keep_and_apply, order_of, recognition_id
from tests.crediting.world import World
from tests.people import operator_code

TEN = 10 * 10**18
A_HUNDRED_DOLLARS = '{"currency": "USD", "none": {"per_day": "100"}}'


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Any:
    def limit(limits: str = A_HUNDRED_DOLLARS) -> None:
        monkeypatch.setenv("LIMITS", limits)
        get_settings.cache_clear()

    return limit


def keep_rates(world: World, *, days_old: int = 0, **prices: str) -> None:
    """Store exchange rates, by currency or asset, some days old."""
    for symbol, price in prices.items():
        world.run(
            "INSERT INTO exchange_rates VALUES ('simulator', %s, %s, now() - %s * interval '1 day')",
            symbol,
            price,
            days_old,
        )


async def paid_500_rupees(world: World, user: str, order: int = 900, **columns: Any) -> dict[str, Any]:
    top_up = world.top_up(user, fiat_amount=500, **columns)
    fields = {"fiatAmount": 500, "merchantRecognitionId": recognition_id(world, top_up)}
    await keep_and_apply(order_of(order, 4, **fields))
    return world.state(top_up)


async def test_after_an_attribution_little_payments_settle(world: World, limited: Any) -> None:
    keep_rates(world, USDT="1", USD="1", INR="88")
    user, operator = world.user(), world.user(role="operator")
    code = operator_code(world.owner, operator)
    await keep_and_apply(order_of(1, 4, merchantRecognitionId="nobody", fiatAmount=500))
    done = await attribute("1", user, mandate=Mandate(operator, "it was theirs", code))
    attributed = world.state(str(done.top_up_id))
    assert (round(attributed["base_amount"], 2), attributed["base_currency"]) == (Decimal("5.68"), "USD")
    limited()
    assert (await paid_500_rupees(world, user))["status"] == "settled"


async def test_what_was_made_before_there_were_limits_counts_at_the_kept_rate(
    world: World, limited: Any
) -> None:
    """The last known rates are weeks old, but nearer to the truth than rupees taken for dollars."""
    keep_rates(world, days_old=40, USDT="1", USD="1", INR="88")
    user = world.user()
    await keep_and_apply(
        order_of(1, 4, fiatAmount=8000, merchantRecognitionId=recognition_id(world, world.top_up(user)))
    )
    limited()
    assert (await paid_500_rupees(world, user))["status"] == "settled"
    over = await paid_500_rupees(world, user, 901, base_amount=Decimal(20), base_currency="USD")
    assert (over["status"], over["reason"]) == ("in_review", "over_limit")


async def test_another_currency_of_the_limits_is_reached_by_rates(world: World, limited: Any) -> None:
    keep_rates(world, USDT="1", USD="1", INR="88", EUR="0.9")
    user = world.user()
    limited('{"currency": "EUR", "none": {"per_day": "12"}}')
    in_dollars = {"base_amount": Decimal(6), "base_currency": "USD"}
    assert (await paid_500_rupees(world, user, 1, **in_dollars))["status"] == "settled"  # 5.40 EUR
    assert (await paid_500_rupees(world, user, 2, **in_dollars))["status"] == "settled"  # 10.80 EUR
    assert (await paid_500_rupees(world, user, 3, **in_dollars))["reason"] == "over_limit"


async def test_what_was_paid_in_another_currency_counts_in_that_currency(world: World, limited: Any) -> None:
    keep_rates(world, USDT="1", USD="1", INR="88", BRL="5")
    user = world.user()
    limited()
    for number, reals, ends in ((1, 450, "settled"), (2, 60, "in_review")):  # 90 USD, then 12 of the 10 left
        recognition = recognition_id(world, world.top_up(user, base_amount=Decimal(6), base_currency="USD"))
        await keep_and_apply(
            order_of(number, 4, fiatType=7, fiatAmount=reals, merchantRecognitionId=recognition)
        )
        found = world.rows(
            "SELECT t.status, o.fiat_currency FROM top_ups t JOIN provider_orders o ON o.top_up_id = t.id"
            " WHERE order_id = %s",
            str(number),
        )
        assert found == [{"status": ends, "fiat_currency": "BRL"}]


async def test_an_order_that_does_not_say_what_was_paid_counts_as_what_arrived(
    world: World, limited: Any
) -> None:
    keep_rates(world, USDT="1", USD="1")
    user = world.user()
    limited('{"currency": "USD", "none": {"per_day": "15"}}')
    for number, ends in ((1, "settled"), (2, "in_review")):
        recognition = recognition_id(world, world.top_up(user, base_amount=Decimal(9), base_currency="USD"))
        await keep_and_apply(order_of(number, 4, fiatAmount=None, merchantRecognitionId=recognition))
        assert world.one("SELECT status FROM top_ups ORDER BY created_at DESC LIMIT 1") == ends


async def test_what_nobody_can_count_is_held_and_says_so(world: World, limited: Any) -> None:
    user = world.user()
    limited()
    state = await paid_500_rupees(world, user)
    assert (state["status"], state["reason"], world.balance(user)) == ("in_review", "over_limit", (0, TEN))
    assert "no exchange rate was ever known" in world.one("SELECT detail FROM exceptions")


async def test_a_second_payment_keeps_its_own_amount_in_the_base_currency(world: World) -> None:
    keep_rates(world, USDT="1", USD="1", INR="88")
    recognition = recognition_id(world, world.top_up(world.user()))
    await keep_and_apply(order_of(1, 4, merchantRecognitionId=recognition))
    await keep_and_apply(order_of(2, 4, fiatAmount=500, merchantRecognitionId=recognition))
    (linked,) = world.rows("SELECT base_amount, base_currency FROM top_ups WHERE linked_to IS NOT NULL")
    assert (round(linked["base_amount"], 2), linked["base_currency"]) == (Decimal("5.68"), "USD")
