"""Converts amounts to and from whole numbers of minor units at their asset's scale, without floats.

An asset has one scale: the largest number of decimals among its networks. An amount with more decimals is
refused and never rounded, because somebody would lose the difference.
"""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation, localcontext

MAX_MINOR = 10**38 - 1  # NUMERIC(38,0)
_PRECISION = 80  # enough for any amount that fits the column, shifted by its scale


class AmountUnreadable(ValueError):
    """The amount cannot be written in minor units exactly."""


def to_minor(amount: Decimal, *, scale: int) -> int:
    """Return `amount` in minor units of an asset with `scale` decimals.

    Raises:
        AmountUnreadable: it is not finite, negative, has more decimals than `scale`, or is too large for the
            ledger.
    """
    if not amount.is_finite() or amount < 0 or amount.adjusted() > len(str(MAX_MINOR)):
        raise AmountUnreadable("the amount is not a number from zero up to what the ledger holds")
    with localcontext(prec=_PRECISION):
        minor = amount.scaleb(scale)
        if minor != minor.to_integral_value():
            raise AmountUnreadable(f"the amount has more than {scale} decimals")
        if minor > MAX_MINOR:
            raise AmountUnreadable("the amount is larger than the ledger holds")
        return int(minor)


def without_tail(amount: Decimal, *, decimals: int) -> Decimal:
    """Return the amount without the tail of digits that printed binary floats have: 11.030000000000001.

    Args:
        amount: the amount as it was read.
        decimals: the decimals of the asset on its network, so nothing smaller can have been sent.

    Digits are a tail if rounding to these decimals changes the amount by at most one part in 10⁹. Any other
    amount is returned unchanged.
    """
    if not amount.is_finite():
        return amount
    with localcontext(prec=_PRECISION) as context:
        context.traps[InvalidOperation] = True
        try:
            rounded = amount.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
        except InvalidOperation:  # more digits than any ledger holds
            return amount
        return rounded if abs(rounded - amount) * 10**9 <= abs(amount) else amount


def from_minor(minor: int, *, scale: int) -> Decimal:
    """Return an amount of minor units in whole units, with exactly `scale` decimals."""
    with localcontext(prec=_PRECISION):
        return Decimal(minor).scaleb(-scale)


def amount_text(minor: int, *, scale: int) -> str:
    """Return an amount of minor units as a decimal string in whole units: no exponent, no trailing zeros."""
    return decimal_text(from_minor(minor, scale=scale))


def decimal_text(amount: Decimal) -> str:
    """Return an exact amount as a decimal string of the public contract: no exponent, no trailing zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
