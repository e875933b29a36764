"""Amounts as whole numbers of minor units with their asset's scale. No float is involved.

An asset has one scale, the largest number of decimals of its networks. An amount with more decimals than
that is refused, never rounded: somebody would lose the difference.
"""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation, localcontext

MAX_MINOR = 10**38 - 1  # NUMERIC(38,0)
_PRECISION = 80  # Enough for any amount that fits the column, times its scale.


class AmountUnreadable(ValueError):
    """The amount cannot be written in minor units exactly."""


def to_minor(amount: Decimal, *, scale: int) -> int:
    """Return `amount` in minor units of an asset with `scale` decimals.

    Raises:
        AmountUnreadable: not finite, negative, with more decimals than `scale`, or too large for the ledger.
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
    """Return the amount without the tail that binary floats leave when they are printed: 11.030000000000001.

    Args:
        decimals: how many the network has, so nothing smaller can have been sent.

    The digits are a tail when rounding to these decimals changes the amount by no more than a part in 10⁹.
    Any other amount comes back unchanged.
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
    """Return minor units as the amount they are, with exactly `scale` decimals."""
    with localcontext(prec=_PRECISION):
        return Decimal(minor).scaleb(-scale)


def amount_text(minor: int, *, scale: int) -> str:
    """Return minor units as the decimal string of the public contract: no exponent, no idle zeros."""
    return decimal_text(from_minor(minor, scale=scale))


def decimal_text(amount: Decimal) -> str:
    """Return an exact amount as the decimal string of the public contract: no exponent, no idle zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
