"""The check of an amount against its limits: one rule for quotes, and for pages before they request one."""

from decimal import Decimal
from enum import Enum

from onramp_app.domain.payments import AmountLimits

_MAX_EXPONENT = 15


class AmountFault(Enum):
    """Why an amount may not be paid."""

    INVALID = "no amount above zero"
    TOO_PRECISE = "more decimals than the currency has"
    TOO_LITTLE = "below the least amount"
    TOO_MUCH = "above the most"


def bounds_of(
    limits: AmountLimits | None, *, least: Decimal | None = None, most: Decimal | None = None
) -> AmountLimits:
    """Return limits narrowed to `least` and `most` where these are tighter. None means unknown."""
    given = limits or AmountLimits(None, None)
    return AmountLimits(
        max((amount for amount in (given.min, least) if amount is not None), default=None),
        min((amount for amount in (given.max, most) if amount is not None), default=None),
    )


def fault_of(amount: Decimal, *, decimals: int, bounds: AmountLimits) -> AmountFault | None:
    """Return why an amount in a currency with these decimals may not be paid, or None where it may."""
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or amount <= 0 or amount.adjusted() > _MAX_EXPONENT:
        return AmountFault.INVALID
    if -exponent > decimals:
        return AmountFault.TOO_PRECISE
    if bounds.min is not None and amount < bounds.min:
        return AmountFault.TOO_LITTLE
    if bounds.max is not None and amount > bounds.max:
        return AmountFault.TOO_MUCH
    return None
