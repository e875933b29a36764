"""What amounts are worth in another currency, by the exchange rates there are."""

import asyncio
import contextlib
from collections.abc import Awaitable, Iterable, Mapping
from decimal import Decimal

from onramp_app.pricing.rate_book import RateBook, UnknownSymbol
from onramp_app.pricing.rates import get_rates
from onramp_app.providers.errors import ProviderUnavailable

WAIT_SECONDS = 2.5


def worth(book: RateBook, symbols: Iterable[str], *, base: str) -> Mapping[str, Decimal]:
    """Return how much of the base one unit of each symbol is worth; one without a price is missing."""
    found: dict[str, Decimal] = {}
    for symbol in symbols:
        with contextlib.suppress(UnknownSymbol):
            found[symbol] = book.rates(symbol, [base])[base]
    return found


async def book_within(seconds: float) -> RateBook | None:
    """Return the rates if there are any after so long: a page is not kept waiting for an estimate."""
    return await _if_any(get_rates().book(), seconds)


async def book_after(kept: RateBook | None) -> RateBook | None:
    """Return the rates that a page waits for at most, where the stored ones were read along with it."""
    return await _if_any(get_rates().book_after(kept), WAIT_SECONDS)


async def _if_any(book: Awaitable[RateBook], seconds: float) -> RateBook | None:
    with contextlib.suppress(TimeoutError, ProviderUnavailable):
        async with asyncio.timeout(seconds):  # not `wait_for`, which makes a task of it
            return await book
    return None
