"""Finds how much has to be paid for a wanted amount to arrive: the provider quotes only by the amount paid.

Its fees are a percentage of the payment plus a fixed amount for the network, so what arrives grows almost
linearly, and two or three quotes reach the wanted amount. The last quote is the one that is shown: no figure
is shown that the provider did not give (docs/decisions/0025).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal, localcontext

from onramp_app.domain.payments import AmountLimits
from onramp_app.pricing.quotes import Quote
from onramp_app.providers.port import ProviderQuote

MOST_QUOTES = 4
_FEW_STEPS = 1000
_PRECISION = 60


@dataclass(frozen=True, slots=True)
class Found:
    """An amount to pay and its quote. `quote` is None where the amount is outside the bounds."""

    fiat_amount: Decimal
    quote: Quote | None


async def amount_for(
    expected: Decimal,
    *,
    ask: Callable[[Decimal], Awaitable[Quote]],
    first: Decimal,
    decimals: int,
    bounds: AmountLimits,
) -> Found:
    """Return the smallest amount whose quote delivers `expected` or more; approximate after four quotes.

    Args:
        expected: what is to arrive, in whole units of the asset; above zero.
        ask: requests the quote for an amount to pay; its errors are passed on.
        first: the amount to begin with; the closer it is, the fewer quotes are needed.
        decimals: the number of decimals of the currency.
        bounds: what may be paid at once.
    """
    step = Decimal(1).scaleb(-decimals)
    amount = _into(bounds, first)
    before: ProviderQuote | None = None
    for number in range(MOST_QUOTES):
        quote = await ask(amount)
        quoted = quote.quoted
        needed = _needed(expected, quoted, before, step=step)
        has_arrived = quoted.expected_amount >= expected
        if (has_arrived and needed > amount - 2 * step) or needed == amount or number == MOST_QUOTES - 1:
            break
        if needed != _into(bounds, needed):
            return Found(needed, None)
        amount, before = needed, quoted
    return Found(amount, quote)


def _into(bounds: AmountLimits, amount: Decimal) -> Decimal:
    if bounds.min is not None and amount < bounds.min:
        return bounds.min
    if bounds.max is not None and amount > bounds.max:
        return bounds.max
    return amount


def _needed(
    expected: Decimal, quoted: ProviderQuote, before: ProviderQuote | None, *, step: Decimal
) -> Decimal:
    """Return the amount at which the straight line through the quotes reaches `expected`."""
    with localcontext(prec=_PRECISION):
        cost_of_one = _cost_of_one(quoted, before, step=step)
        return (quoted.fiat_amount + (expected - quoted.expected_amount) * cost_of_one).quantize(
            step, ROUND_UP
        )


def _cost_of_one(quoted: ProviderQuote, before: ProviderQuote | None, *, step: Decimal) -> Decimal:
    """Return how much more has to be paid for one more unit to arrive."""
    # Between quotes that are only a few steps apart, the difference is mostly rounding.
    if before is not None and abs(quoted.fiat_amount - before.fiat_amount) > _FEW_STEPS * step:
        more = quoted.expected_amount - before.expected_amount
        measured = (quoted.fiat_amount - before.fiat_amount) / more if more else Decimal(0)
        # If the price moved between the two quotes, their difference says nothing.
        if quoted.rate / 2 < measured < quoted.rate * 2:
            return measured
    share = (quoted.provider_fee + quoted.gateway_fee + quoted.client_fee) / quoted.fiat_amount
    return quoted.rate / (1 - share) if share < 1 else quoted.rate
