"""Our limits once more before money is credited: people change the amount in the widget, and pay late."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, localcontext

from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import User
from onramp_app.config import get_settings
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.providers.errors import ProviderUnavailable
from onramp_app.top_ups.limits import left, tier_limits, used
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import Reason

_PRECISION = 80
# What nobody can count is held until a person has looked: these words say so to them.
UNCOUNTED = f"{Reason.OVER_LIMIT.value}: it cannot be counted, since no exchange rate was ever known"


def paid_in_base(
    order: OrderRecord, top_up: TopUp, *, rates: Mapping[str, Decimal], delivered: tuple[Decimal, str]
) -> Decimal | None:
    """Return what was truly paid, in the base currency of the limits; None: no rate was ever known.

    Args:
        top_up: its own rate, that of its creation, comes first where its currency was paid.
        rates: the last known ones, as of `limits.kept_rates`.
        delivered: how much of which asset arrived, for an order that does not say what was paid.
    """
    known = [delivered]
    if order.fiat_amount is not None and order.fiat_currency is not None:
        known.insert(0, (order.fiat_amount, order.fiat_currency))
        is_asked = order.fiat_currency == top_up.fiat_currency and top_up.fiat_amount > 0
        if is_asked and top_up.base_amount is not None and top_up.base_currency is not None:
            with localcontext(prec=_PRECISION):
                at_its_rate = top_up.base_amount * order.fiat_amount / top_up.fiat_amount
            known.insert(0, (at_its_rate, top_up.base_currency))
    with localcontext(prec=_PRECISION):
        return next((amount * rates[unit] for amount, unit in known if unit in rates), None)


async def over_limits(  # noqa: PLR0913 - who, for what, how much, by which rates and when
    db: AsyncSession,
    user: User,
    *,
    top_up: TopUp,
    paid: Decimal | None,
    rates: Mapping[str, Decimal],
    at: datetime,
) -> str:
    """Say in words why crediting would go over the limits of the user's tier; empty where it would not.

    Args:
        top_up: what was paid; one that is in the ledger already was paid again, and counts by itself.
        paid: what was truly paid, by `paid_in_base`.
        rates: the last known ones, as of `limits.kept_rates`.

    The user's row is locked.
    """
    if paid is None:
        return UNCOUNTED
    await db.flush()  # What the same transaction did before counts as well.
    already = await used(db, user.id, at=at, except_id=None if top_up.has_entry else top_up.id)
    try:
        rest = left(tier_limits(get_settings().limits, user.kyc_tier), already, rates=rates)
    except ProviderUnavailable:
        return UNCOUNTED
    return Reason.OVER_LIMIT.value if rest is not None and paid > rest else ""
