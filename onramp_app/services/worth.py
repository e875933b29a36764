"""What amounts are worth in another currency, by the exchange rates there are."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from decimal import Decimal

from onramp_app.domain.exchange_rates import RateBook, UnknownSymbol
from onramp_app.domain.provider_errors import ProviderUnavailable
from onramp_app.services.provider import get_rates

WAIT_SECONDS = 2.5


def worth(book: RateBook, symbols: Iterable[str], *, base: str) -> Mapping[str, Decimal]:
    """Return how much of the base one unit of each symbol is worth; one without a price is missing."""
    found: dict[str, Decimal] = {}
    for symbol in symbols:
        with contextlib.suppress(UnknownSymbol):
            found[symbol] = book.rates(symbol, [base])[base]
    return found


# What a page asks for rates: without waiting long, and without failing.
Rates = Callable[[], Awaitable[RateBook | None]]


async def book_within(seconds: float) -> RateBook | None:
    """Return the rates if there are any after so long: a page is not kept waiting for an estimate."""
    with contextlib.suppress(TimeoutError, ProviderUnavailable):
        return await asyncio.wait_for(get_rates().book(), seconds)
    return None


async def book_now() -> RateBook | None:
    """Return the rates that a page waits for at most."""
    return await book_within(WAIT_SECONDS)
