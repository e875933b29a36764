"""The meter: every limit that applies to a person's next top-up, and what is left of each.

The limits are of three kinds: the amounts that a payment method takes, which the provider enforces; what the
provider publishes for a currency, which promises nothing and refuses nothing here; and our own limits for the
person's tier. All are in the requested currency. The meter only informs: the binding check is made again
under the person's lock.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from onramp_app.accounts.views import Viewer
from onramp_app.accounts.words import DEFAULT_CURRENCY, KycTier, currency_of_country
from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.payments import AmountLimits
from onramp_app.pricing.catalogue import get_options, preferred
from onramp_app.providers.connection import ADAPTER
from onramp_app.providers.errors import ProviderUnavailable, UnsupportedCurrency
from onramp_app.providers.port import FiatType
from onramp_app.setting_forms import TierLimits
from onramp_app.top_ups import limits


class LimitRule(StrEnum):
    """Whose limit it is. A `PROVIDER` limit is only published: nothing here enforces it."""

    METHOD = "method"
    PROVIDER = "provider"
    TIER = "tier"


class LimitPeriod(StrEnum):
    """What a limit covers: one top-up, a UTC day, or a UTC month."""

    TOP_UP = "top_up"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class MeterLine:
    """One limit, in whole units of the requested currency.

    `used` is None for a single top-up, and where nobody is signed in. `raised_by` is the lowest tier under
    which this limit is higher, None where no tier raises it. `min`: the smallest amount that the payment
    method takes. `later`: the limit that the provider publishes for payments after its longer verification.
    """

    rule: LimitRule
    period: LimitPeriod
    max: Decimal
    used: Decimal | None
    left: Decimal
    raised_by: KycTier | None = None
    min: Decimal | None = None
    later: Decimal | None = None


@dataclass(frozen=True, slots=True)
class TierRoom:
    """How much a person could add now under a higher tier; None: our limits would not restrict it."""

    tier: KycTier
    most: Decimal | None


@dataclass(frozen=True, slots=True)
class Meter:
    """All limits of one person, or of an anonymous visitor, in a currency. `higher`: the lowest tier first.

    `is_whole`: our own limits are included, if there are any.
    """

    currency: str
    lines: tuple[MeterLine, ...]
    higher: tuple[TierRoom, ...] = ()
    is_whole: bool = True

    @property
    def binding(self) -> MeterLine | None:
        """The enforced limit with the least left."""
        refusing = [line for line in self.lines if line.rule is not LimitRule.PROVIDER]
        return min(refusing, key=lambda line: line.left, default=None)

    @property
    def most_by_tier(self) -> Decimal | None:
        """The most that our own limits allow now; None: there are none."""
        return min((line.left for line in self.lines if line.rule is LimitRule.TIER), default=None)

    @property
    def first_payment(self) -> Decimal | None:
        """The limit that the provider publishes for a first payment; None: it publishes none."""
        published = (line for line in self.lines if line.rule is LimitRule.PROVIDER)
        return next((line.max for line in published if line.period is LimitPeriod.TOP_UP), None)

    @property
    def later_payment(self) -> Decimal | None:
        """The limit that the provider publishes for payments after its longer verification, if it differs."""
        return next((line.later for line in self.lines if line.later is not None), None)

    def tier_for(self, amount: Decimal) -> KycTier | None:
        """Return the lowest higher tier that allows an amount the person's own tier does not, or None."""
        most = self.most_by_tier
        if most is None or amount <= most:
            return None
        fitting = (room.tier for room in self.higher if room.most is None or amount <= room.most)
        return next(fitting, None)


async def read_meter(
    viewer: Viewer | None, currency: str, *, decimals: int, method: AmountLimits | None
) -> Meter:
    """Return the limits for a person's next top-up.

    Args:
        viewer: the person; None for an anonymous visitor, whose tier and use are not known.
        currency: the requested currency (ISO 4217).
        decimals: how many digits the currency has after the decimal point.
        method: what may be paid at once by the payment method, or in the currency where none is chosen.

    Raises:
        ProviderUnavailable: our limits are in another currency, and there is no exchange rate.
        DatabaseUnavailable: what was used could not be read.
    """
    first = [*_of_method(method)]
    if viewer is None:
        return Meter(currency, (*first, *_published(currency, used=None)), is_whole=False)
    use = await _Use.of(viewer, currency, at=clock.now())
    own = [*_of_tier(viewer.kyc_tier, use, decimals=decimals)]
    published = _published(currency, used=use.this_month_in(currency, decimals=decimals))
    higher = tuple(
        TierRoom(tier, use.room(tier, decimals=decimals))
        for tier in limits.higher_tiers(viewer.kyc_tier)
        if own  # Without a limit for the own tier there is nothing to raise.
    )
    return Meter(currency, (*first, *published, *own), higher)


async def meter_of_person(
    viewer: Viewer, *, currency: str | None = None, country: str | None = None, has_ours: bool = True
) -> Meter:
    """Return a person's limits in a currency; by default in that of their country.

    The amounts that payment methods take are left out while the provider does not answer.

    Args:
        viewer: the person.
        currency: ISO 4217; None: the currency of the person's country, else their display currency.
        country: which entry of the currency to use, where the provider has one for several countries.
        has_ours: False leaves out our own limits, and with them the need for an exchange rate.

    Raises:
        UnsupportedCurrency: the provider does not know the currency that was asked for.
        ProviderUnavailable, DatabaseUnavailable: as in `read_meter`.
    """
    row = _row_of(viewer, currency, country)
    try:
        method = (await get_options().options(row.currency, country=row.country)).limits
    except ProviderUnavailable:
        method = None
    whose = viewer if has_ours else None
    return await read_meter(whose, row.currency, decimals=row.decimals, method=method)


def _row_of(viewer: Viewer, currency: str | None, country: str | None) -> FiatType:
    at_home = currency_of_country(viewer.country) if viewer.country else viewer.display_currency
    own = (at_home, viewer.display_currency, DEFAULT_CURRENCY)
    for wanted in own if currency is None else (currency,):
        rows = [row for row in ADAPTER.fiat_types.values() if row.currency == wanted]
        if rows:
            return preferred(rows, country or viewer.country, is_usable=lambda row: row.can_buy)
    raise UnsupportedCurrency("This currency is not supported.")


@dataclass(frozen=True, slots=True)
class _Use:
    """What a person has used, and the rates to convert it; `rate` is that of the requested currency."""

    already: Mapping[str, limits.UsedAmounts]
    rates: Mapping[str, Decimal]
    rate: Decimal | None

    @classmethod
    async def of(cls, viewer: Viewer, currency: str, *, at: datetime) -> "_Use":
        async with transaction() as db:
            already, kept = await limits.used_amounts(db, viewer.user_id, at=at), await limits.kept_rates(db)
        is_limited = limits.is_limited(limits.tier_limits(get_settings().limits, viewer.kyc_tier))
        rates = await limits.base_rates(already, currency, kept=kept) if is_limited else kept
        return cls(already, rates, rates.get(currency))

    def sums(self) -> tuple[Decimal, Decimal]:
        return limits.sums(self.already, self.rates)

    def asked(self, base_amount: Decimal, decimals: int) -> Decimal:
        if self.rate is None:
            raise ProviderUnavailable("There is no exchange rate for the limits.", retry_after_seconds=60)
        return limits.in_asked(max(Decimal(0), base_amount), rate=self.rate, decimals=decimals)

    def room(self, tier: KycTier, *, decimals: int) -> Decimal | None:
        of_tier = limits.tier_limits(get_settings().limits, tier)
        if not limits.is_limited(of_tier):
            return None
        rest = limits.left(of_tier, self.already, rates=self.rates)
        return None if rest is None else self.asked(rest, decimals)

    def this_month_in(self, currency: str, *, decimals: int) -> Decimal | None:
        """Return what was used this month; None without a rate, since this figure only informs."""
        if set(self.already) <= {currency}:
            return sum((used.this_month for used in self.already.values()), Decimal(0))
        try:
            return self.asked(self.sums()[1], decimals)
        except ProviderUnavailable:
            return None


def _of_method(bounds: AmountLimits | None) -> Iterator[MeterLine]:
    if bounds is not None and bounds.max is not None:
        yield MeterLine(LimitRule.METHOD, LimitPeriod.TOP_UP, bounds.max, None, bounds.max, min=bounds.min)


def _published(currency: str, *, used: Decimal | None) -> Sequence[MeterLine]:
    found = ADAPTER.published_limits.get(currency)
    if found is None:
        return ()
    first = MeterLine(
        LimitRule.PROVIDER, LimitPeriod.TOP_UP, found.first, None, found.first, later=found.later
    )
    lines = [first]
    if found.month is not None:
        left = max(Decimal(0), found.month - (used or Decimal(0)))
        lines.append(MeterLine(LimitRule.PROVIDER, LimitPeriod.MONTH, found.month, used, left))
    return lines


def _of_tier(tier: str, use: _Use, *, decimals: int) -> Iterator[MeterLine]:
    own = limits.tier_limits(get_settings().limits, tier)
    if not limits.is_limited(own):
        return
    today, this_month = use.sums()
    for period, name, spent in (
        (LimitPeriod.TOP_UP, "per_top_up", None),
        (LimitPeriod.DAY, "per_day", today),
        (LimitPeriod.MONTH, "per_month", this_month),
    ):
        limit = getattr(own, name)
        if limit is None:
            continue
        yield MeterLine(
            LimitRule.TIER,
            period,
            max=use.asked(limit, decimals),
            used=None if spent is None else use.asked(spent, decimals),
            left=use.asked(limit - (spent or Decimal(0)), decimals),
            raised_by=_raising(tier, name, limit),
        )


def _raising(tier: str, name: str, limit: Decimal) -> KycTier | None:
    def of(higher: KycTier) -> Decimal | None:
        found: TierLimits = limits.tier_limits(get_settings().limits, higher)
        value: Decimal | None = getattr(found, name)
        return value

    for higher in limits.higher_tiers(tier):
        more = of(higher)
        if more is None or more > limit:
            return higher
    return None
