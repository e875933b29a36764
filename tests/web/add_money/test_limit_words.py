"""The amount step names the binding limit and what raises it, before a wrong amount is typed."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from onramp_app.accounts.words import KycTier
from onramp_app.config import get_settings
from onramp_app.pricing.catalogue import get_options
from onramp_app.providers.errors import ProviderUnavailable
from onramp_app.top_ups import limits
from onramp_app.top_ups.meter import LimitPeriod, LimitRule, Meter, MeterLine, TierRoom
from onramp_app.web.add_money.words import binding_text, raises_text

METHOD = MeterLine(LimitRule.METHOD, LimitPeriod.TOP_UP, Decimal(9000), None, Decimal(9000))
PUBLISHED = MeterLine(LimitRule.PROVIDER, LimitPeriod.TOP_UP, Decimal(5), None, Decimal(5))


def own(period: LimitPeriod, left: int) -> MeterLine:
    used = None if period is LimitPeriod.TOP_UP else Decimal(5000 - left)
    return MeterLine(LimitRule.TIER, period, Decimal(5000), used, Decimal(left), KycTier.BASIC)


def meter(*lines: MeterLine) -> Meter:
    return Meter("INR", (METHOD, PUBLISHED, *lines), (TierRoom(KycTier.BASIC, Decimal(8000)),))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((), "Onramp's limit applies: up to ₹9,000 at a time."),
        ((own(LimitPeriod.TOP_UP, 5000),), "Your limit for each top-up applies: up to ₹5,000."),
        (
            (own(LimitPeriod.TOP_UP, 5000), own(LimitPeriod.DAY, 700)),
            "Your daily limit applies: up to ₹700 more today.",
        ),
        (
            (own(LimitPeriod.DAY, 700), own(LimitPeriod.MONTH, 300)),
            "Your monthly limit applies: up to ₹300 more this month.",
        ),
        ((own(LimitPeriod.DAY, 0),), "You've reached your daily limit. It starts again at midnight UTC."),
        ((own(LimitPeriod.MONTH, 0),), "You've reached your monthly limit. It starts again next month."),
    ],
)
def test_the_limit_that_applies_first_is_named(lines: tuple[MeterLine, ...], said: str) -> None:
    assert binding_text(meter(*lines)) == said


def test_what_raises_it_is_said_of_ours_and_not_of_the_providers() -> None:
    assert raises_text(meter(own(LimitPeriod.DAY, 700))) == "See how to raise your limits."
    assert raises_text(meter()) == ""


async def test_a_refusal_in_words_only_is_told_in_ours(visit: Any, street: Any) -> None:
    """The provider refuses with status 400 an amount for which it has published no limit."""
    reader = get_options()
    kept = await reader.catalogue()
    reader._catalogue = replace(kept, limits={})
    reader._minimums[1] = (kept.read_at, {})
    street.simulator.scenario("plain_400", times=None)
    await visit.open("?step=pay&amount=1&currency=INR")
    page = visit.page
    assert (page.step, page.bill.pay) == ("amount", "")
    assert page.amount_problem == "The provider doesn't accept this amount."


def test_limits_that_cannot_be_counted_are_not_passed_over() -> None:
    nobodys = Meter("INR", (METHOD, PUBLISHED), is_whole=False)
    assert binding_text(nobodys).startswith("Your limits can't be shown right now.")
    assert (raises_text(nobodys), binding_text(Meter("INR", (PUBLISHED,)))) == ("", "")


async def test_without_an_exchange_rate_the_page_says_that_it_does_not_know(
    visit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none_known(*_arguments: Any, **_named: Any) -> Any:
        raise ProviderUnavailable("There are no exchange rates.", retry_after_seconds=60)

    monkeypatch.setattr(limits, "base_rates", none_known)
    monkeypatch.setenv("LIMITS", '{"currency": "USD", "none": {"per_day": "10"}}')
    get_settings.cache_clear()
    await visit.open("?amount=5000&currency=INR")
    assert visit.page.offer.binding.startswith("Your limits can't be shown right now.")
    assert visit.page.offer.published.endswith("first payment: ₹500,000")
