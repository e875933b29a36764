"""Keeps a book of exchange rates in this process: gathering one takes a quote for every currency."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal

import structlog

from onramp_app.domain import clock
from onramp_app.domain.errors import ApplicationError
from onramp_app.domain.exchange_rates import RateBook, UnknownSymbol
from onramp_app.domain.provider_errors import ProviderUnavailable
from onramp_app.providers.port import Provider
from onramp_app.services.exchange_rates import read_rates
from onramp_app.services.options import OptionsReader

REFRESHED_AFTER = timedelta(minutes=5)
# Older than this, a rate says nothing about today.
USABLE = timedelta(hours=24)

_log = structlog.get_logger(__name__)


class RatesReader:
    """Keeps the newest book. One for each process; belongs to one event loop."""

    def __init__(self, provider: Provider, options: OptionsReader, *, assets: Iterable[str]) -> None:
        self._provider = provider
        self._options = options
        self._assets = tuple(assets)
        self._kept: RateBook | None = None
        self._reading: asyncio.Task[None] | None = None

    async def book(self) -> RateBook:
        """Return a book: the kept one, or a new one when that is stale; an older one while that fails.

        Raises:
            ProviderUnavailable: nothing younger than a day is known.
        """
        kept, now = self._kept, clock.now()
        if kept is None or kept.is_stale(now):
            await asyncio.shield(self._read())
        elif now - kept.as_of > REFRESHED_AFTER:
            self._read()
        if self._kept is None or now - self._kept.as_of > USABLE:
            raise ProviderUnavailable("There are no exchange rates at the moment.", retry_after_seconds=60)
        return self._kept

    async def book_within(self, seconds: float) -> RateBook | None:
        """Return what there is after at most so long: a page is not kept waiting for its estimate."""
        with contextlib.suppress(TimeoutError, ProviderUnavailable):
            return await asyncio.wait_for(self.book(), seconds)
        return self._kept

    async def close(self) -> None:
        """End a reading that is under way."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def _read(self) -> asyncio.Task[None]:
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._gather())
        return self._reading

    async def _gather(self) -> None:
        try:
            catalogue = await self._options.catalogue()
            self._kept = await read_rates(self._provider, catalogue, assets=self._assets)
        except ApplicationError as error:
            _log.warning("rates not read", code=error.code)


def worth(book: RateBook, currencies: Iterable[str], *, base: str) -> Mapping[str, Decimal]:
    """Return how much of the base one unit of each currency is worth; one without a price is missing."""
    found: dict[str, Decimal] = {}
    for currency in currencies:
        with contextlib.suppress(UnknownSymbol):
            found[currency] = book.rates(currency, [base])[base]
    return found
