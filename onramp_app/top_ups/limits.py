"""Our own limits (`LIMITS`): how much a person of a tier may add per top-up, UTC day and UTC month.

Money that may still arrive counts as if it had arrived: open top-ups and those in review, whenever they were
created. Settled top-ups count in the period in which they settled, with the amount that was actually paid.
The person's row stays locked from the check until the insert or the credit, so that no two checks see the
same remainder.

The limits are checked twice: when a top-up is begun, and again before money is credited, because people
change the amount on the provider's page and pay late.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal, localcontext

from sqlalchemy import text
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import User
from onramp_app.accounts.words import KycTier
from onramp_app.config import get_settings
from onramp_app.db.engine import execute
from onramp_app.pricing.rates import get_rates, rates_into, read_kept
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.providers.errors import AmountOutOfLimits, ProviderUnavailable
from onramp_app.setting_forms import Limits, TierLimits
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import OPEN_SQL, Reason

_PRECISION = 80
# A payment that cannot be counted is held until an operator has looked at it; this text tells them why.
UNCOUNTED = f"{Reason.OVER_LIMIT.value}: it cannot be counted, since no exchange rate was ever known"

# The statuses are literals, not parameters, because the indexes have the same literals in their conditions.
USED = text(f"""
SELECT currency, sum(paid) FILTER (WHERE counts_today) AS today, sum(paid) AS this_month FROM (
    SELECT CASE WHEN o.fiat_currency <> t.fiat_currency THEN o.fiat_currency
                ELSE coalesce(t.base_currency, t.fiat_currency) END AS currency,
           t.status <> 'settled' OR t.settled_at >= :day AS counts_today,
           CASE WHEN o.fiat_currency <> t.fiat_currency THEN o.fiat_amount
                ELSE coalesce(t.base_amount, t.fiat_amount) * CASE
                    WHEN o.fiat_amount IS NULL OR t.fiat_amount = 0 THEN 1
                    WHEN t.status = 'settled' THEN o.fiat_amount / t.fiat_amount
                    ELSE greatest(1, o.fiat_amount / t.fiat_amount) END END AS paid
      FROM top_ups t
      LEFT JOIN provider_orders o
             ON o.id = t.best_order_id AND o.fiat_currency IS NOT NULL AND o.fiat_amount IS NOT NULL
     WHERE t.user_id = :user_id AND t.id IS DISTINCT FROM :except_id
       AND (t.status IN ({OPEN_SQL}, 'in_review')
            OR (t.status = 'settled' AND t.settled_at >= :month))
) AS counted GROUP BY currency
""")  # noqa: S608 - the words are our own  # nosec B608


@dataclass(frozen=True, slots=True)
class UsedAmounts:
    """How much of the daily and monthly limits a person has used, in one currency."""

    today: Decimal
    this_month: Decimal


async def lock_person(db: AsyncSession, user_id: str) -> User:
    """Return the person's row, locked until the end of the transaction.

    Raises:
        sqlalchemy.exc.NoResultFound: there is no such person.
    """
    query = select(User).where(User.id == user_id).with_for_update(key_share=True)
    return (await db.exec(query.execution_options(populate_existing=True))).one()


async def used_amounts(
    db: AsyncSession, user_id: str, *, at: datetime, except_id: str | None = None
) -> dict[str, UsedAmounts]:
    """Return what the person has used, by the currency in which it is known.

    That is usually the limits' base currency at the top-up's creation; the requested currency, where no rate
    was known then; or the currency that was paid, where it was changed on the provider's page. Amounts in
    different currencies are never added up here: `left` converts each of them.

    Args:
        at: the moment whose UTC day and month count.
        except_id: the top-up to leave out, because it is the one being checked.
    """
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    parameters = {"user_id": user_id, "day": day, "month": day.replace(day=1), "except_id": except_id}
    rows = await execute(db, USED, parameters)
    return {row.currency: UsedAmounts(row.today or Decimal(0), row.this_month) for row in rows}


def in_base(amount: Decimal, currency: str, *, rates: Mapping[str, Decimal]) -> Decimal:
    """Return an amount in the base currency; `rates[C]` is how much of it one unit of C is worth.

    Raises:
        ProviderUnavailable: there is no rate. An amount that cannot be counted is not let through.
    """
    rate = rates.get(currency)
    if rate is None:
        raise ProviderUnavailable(
            "There is no exchange rate for the limits at the moment. Try again shortly.",
            retry_after_seconds=60,
        )
    with localcontext(prec=_PRECISION):
        return amount * rate


def tier_limits(limits: Limits, tier: str) -> TierLimits:
    """Return the limits of a tier: `none`, `basic` or `full`."""
    return {"none": limits.none, "basic": limits.basic, "full": limits.full}[tier]


def is_limited(limits: TierLimits) -> bool:
    """Return whether the tier has any limit of ours."""
    return any(limit is not None for limit in (limits.per_top_up, limits.per_day, limits.per_month))


def left(
    limits: TierLimits, already: Mapping[str, UsedAmounts], *, rates: Mapping[str, Decimal]
) -> Decimal | None:
    """Return the most that may be added now, in the base currency; None: there is no limit.

    Raises:
        ProviderUnavailable: a used amount is in a currency without a rate.
    """
    today, this_month = sums(already, rates)
    rests = [
        limits.per_top_up,
        None if limits.per_day is None else limits.per_day - today,
        None if limits.per_month is None else limits.per_month - this_month,
    ]
    known = [rest for rest in rests if rest is not None]
    return max(Decimal(0), min(known)) if known else None


def sums(already: Mapping[str, UsedAmounts], rates: Mapping[str, Decimal]) -> tuple[Decimal, Decimal]:
    """Return what was used today and this month, in the base currency. Raises what `in_base` raises."""
    today = sum((in_base(u.today, c, rates=rates) for c, u in already.items()), Decimal(0))
    this_month = sum((in_base(u.this_month, c, rates=rates) for c, u in already.items()), Decimal(0))
    return today, this_month


async def base_rates(
    already: Mapping[str, UsedAmounts], currency: str, *, kept: Mapping[str, Decimal]
) -> Mapping[str, Decimal]:
    """Return what one unit of `currency`, and of each currency in `already`, is worth in the base currency.

    Args:
        already: what the person has used, by currency.
        currency: the currency of the new top-up.
        kept: last known rates, for a currency without a current one, such as one no longer sold in.

    Raises:
        ProviderUnavailable: there are no exchange rates at all.
    """
    base = get_settings().limits.currency
    currencies = {currency, *already} - {base}
    if not currencies:
        return {base: Decimal(1)}
    return {**kept, **rates_into(base, await get_rates().book(), currencies)}


async def kept_rates(db: AsyncSession) -> Mapping[str, Decimal]:
    """Return what one unit of each currency and asset is worth in the base currency, by the last known rates.

    Reads only the database, so this may be called while rows are locked.
    """
    base = get_settings().limits.currency
    book = await read_kept(db)
    return {**(rates_into(base, book, book.per_stable) if book else {}), base: Decimal(1)}


def count_in_base(top_up: TopUp, *, rates: Mapping[str, Decimal]) -> None:
    """Set a new top-up's amount in the base currency, which later limit checks count.

    Without a rate for its currency the amount stays unset, and is converted each time it is counted.
    """
    if top_up.fiat_currency in rates:
        top_up.base_amount = in_base(top_up.fiat_amount, top_up.fiat_currency, rates=rates)
        top_up.base_currency = get_settings().limits.currency


def tier_that_allows(
    base_amount: Decimal, tier: str, already: Mapping[str, UsedAmounts], *, rates: Mapping[str, Decimal]
) -> KycTier | None:
    """Return the lowest tier above this one under which the amount may be added now; None: none does.

    Args:
        base_amount: the amount in the base currency of `LIMITS`.
        tier: the person's current tier.
        already: what the person has used.
        rates: as for `left`.
    """
    for higher in higher_tiers(tier):
        rest = left(tier_limits(get_settings().limits, higher), already, rates=rates)
        if rest is None or base_amount <= rest:
            return higher
    return None


def higher_tiers(tier: str) -> tuple[KycTier, ...]:
    """Return the tiers above this one, the lowest first."""
    every = tuple(KycTier)
    return every[every.index(KycTier(tier)) + 1 :]


def in_asked(base_amount: Decimal, *, rate: Decimal, decimals: int) -> Decimal:
    """Convert an amount in the base currency to the requested currency, rounded down to its decimals.

    Args:
        rate: how much of the base currency one unit of the requested currency is worth.
        decimals: how many decimals the requested currency has.
    """
    with localcontext(prec=_PRECISION):
        return (base_amount / rate).quantize(Decimal(1).scaleb(-decimals), ROUND_DOWN)


def over_limit_refusal(
    rest: Decimal, *, rate: Decimal, decimals: int, least: Decimal | None
) -> AmountOutOfLimits:
    """Return the error for an amount over our limits; its `max` is what is left in the requested currency."""
    most = in_asked(rest, rate=rate, decimals=decimals)
    extra = {"max": format(most, "f")} | ({} if least is None else {"min": format(least, "f")})
    return AmountOutOfLimits("The amount is more than you may add at the moment.", extra=extra)


def paid_in_base(
    order: OrderRecord, top_up: TopUp, *, rates: Mapping[str, Decimal], delivered: tuple[Decimal, str]
) -> Decimal | None:
    """Return what was actually paid, in the base currency of the limits; None: no rate was ever known.

    Args:
        order: the provider's record of the payment.
        top_up: what was asked for. A payment in its currency is converted at the rate of its creation.
        rates: the last known rates, as `kept_rates` returns them.
        delivered: how much of which asset arrived; counts when the payment's own amount cannot be converted.
    """
    known = [delivered]
    if order.fiat_amount is not None and order.fiat_currency is not None:
        known.insert(0, (order.fiat_amount, order.fiat_currency))
        is_asked = order.fiat_currency == top_up.fiat_currency and top_up.fiat_amount > 0
        if is_asked and top_up.base_amount is not None and top_up.base_currency is not None:
            with localcontext(prec=_PRECISION):
                at_first_rate = top_up.base_amount * order.fiat_amount / top_up.fiat_amount
            known.insert(0, (at_first_rate, top_up.base_currency))
    with localcontext(prec=_PRECISION):
        return next((amount * rates[unit] for amount, unit in known if unit in rates), None)


async def why_over_limit(  # noqa: PLR0913 - who, for what, how much, by which rates and when
    db: AsyncSession,
    user: User,
    *,
    top_up: TopUp,
    paid: Decimal | None,
    rates: Mapping[str, Decimal],
    at: datetime,
) -> str:
    """Return in words why crediting would exceed the limits of the user's tier; empty if it would not.

    Args:
        user: the owner, whose row is locked.
        top_up: the top-up that was paid. If it is in the ledger already, this is a second payment for it, and
            both count.
        paid: what was actually paid, as `paid_in_base` returns it.
        rates: the last known rates, as `kept_rates` returns them.
        at: the moment whose UTC day and month count.
    """
    if paid is None:
        return UNCOUNTED
    await db.flush()  # Earlier changes of this transaction count as well.
    already = await used_amounts(db, user.id, at=at, except_id=None if top_up.has_entry else top_up.id)
    try:
        rest = left(tier_limits(get_settings().limits, user.kyc_tier), already, rates=rates)
    except ProviderUnavailable:
        return UNCOUNTED
    return Reason.OVER_LIMIT.value if rest is not None and paid > rest else ""
