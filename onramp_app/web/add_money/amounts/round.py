"""Round amounts to choose with one tap: in the currency's own round numbers, within all limits."""

from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal

from onramp_app.domain.payments import AmountLimits

# In dollars, before rounding; the wizard proposes the second one.
_DOLLARS = (Decimal(25), Decimal(50), Decimal(100), Decimal(250))
# Without an exchange rate: these multiples of the minimum.
_TIMES_THE_LEAST = (Decimal(5), Decimal(10), Decimal(25), Decimal(50))
# Where the maximum leaves fewer than two of those: these parts of the maximum.
_OF_THE_MOST = (Decimal("0.1"), Decimal("0.25"), Decimal("0.5"), Decimal(1))
_ROUND = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))
_ENOUGH = 2


def round_amounts(*, price: Decimal | None, decimals: int, bounds: AmountLimits) -> list[Decimal]:
    """Return up to four amounts that are easy to say (1, 2, 2.5 or 5 times a power of ten).

    In ascending order, within the bounds and with no more decimals than the currency. Empty where neither the
    price of a dollar nor a limit is known.
    """
    if price is not None:
        wanted = [_nearest(dollars * price) for dollars in _DOLLARS]
    elif bounds.min:
        wanted = [_nearest(times * bounds.min) for times in _TIMES_THE_LEAST]
    else:
        wanted = []
    found = _within(wanted, decimals=decimals, bounds=bounds)
    if len(found) < _ENOUGH and bounds.max:
        found = _within(
            [_below(part * bounds.max) for part in _OF_THE_MOST], decimals=decimals, bounds=bounds
        )
    return found


def _nearest(amount: Decimal) -> Decimal:
    unit = Decimal(1).scaleb(amount.adjusted())
    return min((factor * unit for factor in _ROUND), key=lambda one: abs(one - amount))


def _below(amount: Decimal) -> Decimal:
    unit = Decimal(1).scaleb(amount.adjusted())
    return max(factor * unit for factor in _ROUND if factor * unit <= amount)


def _within(amounts: Sequence[Decimal], *, decimals: int, bounds: AmountLimits) -> list[Decimal]:
    step = Decimal(1).scaleb(-decimals)
    return sorted(
        amount
        for amount in set(amounts)
        if amount == amount.quantize(step, ROUND_DOWN)
        and (bounds.min is None or amount >= bounds.min)
        and (bounds.max is None or amount <= bounds.max)
    )
