"""The meter of limits: its rules, which one binds, what is left, and what raises it."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from onramp_app.accounts.views import Viewer
from onramp_app.accounts.words import KycTier
from onramp_app.config import get_settings
from onramp_app.domain.payments import AmountLimits
from onramp_app.ledger.assets import enable_assets
from onramp_app.pricing import catalogue
from onramp_app.providers.errors import ProviderUnavailable, UnsupportedCurrency
from onramp_app.top_ups import limits as limits_module
from onramp_app.top_ups.meter import LimitPeriod, LimitRule, Meter, meter_of_person, read_meter
from tests import rows
from tests.databases import owner_of

BOUNDS = AmountLimits(Decimal(100), Decimal(500_000))


def viewer(user_id: str, tier: str = "none", country: str | None = "IN") -> Viewer:
    return Viewer(
        user_id=user_id, session_id="s", email="a@b.test", display_name="Ada", country=country,
        display_currency="INR", language="en", role="user", kyc_status="none", kyc_tier=tier,
        is_email_confirmed=True,
        created_at=datetime.now(UTC),
    )  # fmt: skip


@pytest.fixture
async def owner(database: str) -> Any:
    await enable_assets()
    connection = owner_of(database)
    for symbol, price in (("USDT", 1), ("USD", 1), ("INR", 80)):
        connection.execute(b"INSERT INTO exchange_rates VALUES ('simulator', %s, %s, now())", (symbol, price))
    return connection


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch) -> Any:
    def limit(**settings: Any) -> None:
        monkeypatch.setenv("LIMITS", json.dumps({"currency": "INR", **settings}))
        get_settings.cache_clear()

    return limit


def settled(owner: Any, user_id: str, amount: str) -> None:
    rows.top_up(
        owner, user_id, fiat_amount=amount, status="settled", settled_at=datetime.now(UTC), has_entry=True,
        received_minor=1, received_asset="USDT",
    )  # fmt: skip


def told(meter: Meter) -> list[tuple[Any, ...]]:
    return [
        (line.rule.value, line.period.value, line.max, line.used, line.left, line.raised_by)
        for line in meter.lines
    ]


async def test_a_person_has_every_rule_with_what_is_used_and_left(owner: Any, limited: Any) -> None:
    limited(
        none={"per_top_up": "5000", "per_day": "8000", "per_month": "20000"},
        basic={"per_top_up": "5000", "per_day": "16000"},
        full={"per_top_up": "9000"},
    )
    user_id = rows.user(owner)
    rows.top_up(owner, user_id, fiat_amount="3000", status="created")
    settled(owner, user_id, "4000")
    meter = await read_meter(viewer(user_id), "INR", decimals=2, method=BOUNDS)
    assert told(meter) == [
        ("method", "top_up", 500_000, None, 500_000, None),
        ("provider", "top_up", 500_000, None, 500_000, None),
        ("provider", "month", 2_000_000, 7000, 1_993_000, None),
        ("tier", "top_up", 5000, None, 5000, KycTier.FULL),
        ("tier", "day", 8000, 7000, 1000, KycTier.BASIC),
        ("tier", "month", 20_000, 7000, 13_000, KycTier.BASIC),
    ]
    binding = meter.binding
    assert binding is not None
    assert (binding.rule, binding.period, binding.raised_by) == (
        LimitRule.TIER, LimitPeriod.DAY, KycTier.BASIC,
    )  # fmt: skip
    assert meter.most_by_tier == 1000
    needed = {amount: meter.tier_for(Decimal(amount)) for amount in (1000, 1001, 5000, 5001, 9000, 9001)}
    assert needed == {
        1000: None, 1001: KycTier.BASIC, 5000: KycTier.BASIC, 5001: KycTier.FULL, 9000: KycTier.FULL,
        9001: None,
    }  # fmt: skip


async def test_the_rule_that_binds_is_the_providers_where_ours_leaves_more(owner: Any, limited: Any) -> None:
    limited(none={"per_day": "900000"})
    bounds = AmountLimits(None, Decimal(700))
    meter = await read_meter(viewer(rows.user(owner)), "INR", decimals=2, method=bounds)
    assert meter.binding is not None
    assert (meter.binding.rule, meter.binding.left) == (LimitRule.METHOD, 700)


async def test_what_is_published_refuses_nothing(owner: Any, limited: Any) -> None:
    limited()
    bounds = AmountLimits(None, Decimal(8_000_000))
    meter = await read_meter(viewer(rows.user(owner)), "EUR", decimals=2, method=bounds)
    assert meter.first_payment == 100_000
    assert meter.binding is not None
    assert meter.binding.left == 8_000_000


async def test_nobody_in_particular_has_no_tier_and_no_use(database: str, limited: Any) -> None:
    limited(none={"per_day": "10"})
    meter = await read_meter(None, "INR", decimals=2, method=BOUNDS)
    assert {line.rule for line in meter.lines} == {LimitRule.METHOD, LimitRule.PROVIDER}
    assert {line.used for line in meter.lines} == {None}
    assert not meter.is_whole
    assert meter.higher == ()


async def test_limits_in_another_currency_are_shown_in_the_asked_one(owner: Any, limited: Any) -> None:
    limited(currency="USD", none={"per_day": "100"}, full={"per_day": "200"})
    user_id = rows.user(owner)
    rows.top_up(owner, user_id, fiat_amount="800", status="created", base_amount=10, base_currency="USD")
    meter = await read_meter(viewer(user_id), "INR", decimals=2, method=None)
    (line,) = (line for line in meter.lines if line.rule is LimitRule.TIER)
    assert (line.max, line.used, line.left, line.raised_by) == (8000, 800, 7200, KycTier.BASIC)
    rooms = {room.tier: room.most for room in meter.higher}
    assert rooms == {KycTier.BASIC: None, KycTier.FULL: 15_200}


async def test_without_a_rate_nothing_is_guessed(owner: Any, limited: Any, monkeypatch: Any) -> None:
    limited(currency="USD", none={"per_day": "100"})

    async def none_known(*_arguments: Any, **_named: Any) -> dict[str, Decimal]:
        return {"USD": Decimal(1)}

    monkeypatch.setattr(limits_module, "base_rates", none_known)
    with pytest.raises(ProviderUnavailable):
        await read_meter(viewer(rows.user(owner)), "INR", decimals=2, method=None)


async def test_the_currency_is_that_of_the_country_unless_another_is_asked_for(
    owner: Any, limited: Any, simulator: Any
) -> None:
    limited()
    user_id = rows.user(owner)
    assert (await meter_of_person(viewer(user_id))).currency == "INR"
    assert (await meter_of_person(viewer(user_id, country="BR"))).currency == "BRL"
    assert (await meter_of_person(viewer(user_id, country=None))).currency == "INR"
    assert (await meter_of_person(viewer(user_id), currency="EUR")).currency == "EUR"
    with pytest.raises(UnsupportedCurrency):
        await meter_of_person(viewer(user_id), currency="XXX")


async def test_while_the_provider_is_away_its_methods_are_left_out(
    owner: Any, limited: Any, simulator: Any
) -> None:
    limited(none={"per_day": "100"})
    simulator.scenario("api_down", times=None)
    catalogue.forget()
    meter = await meter_of_person(viewer(rows.user(owner)))
    assert {line.rule for line in meter.lines} == {LimitRule.PROVIDER, LimitRule.TIER}
