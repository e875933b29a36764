"""Keeps a book of exchange rates in this process: gathering one takes a quote for every currency."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta

import structlog

from onramp_app.domain import clock
from onramp_app.domain.errors import ApplicationError
from onramp_app.domain.exchange_rates import RateBook
from onramp_app.domain.provider_errors import ProviderUnavailable
from onramp_app.providers.port import Provider
from onramp_app.services.exchange_rates import read_rates
from onramp_app.services.options import OptionsReader

REFRESHED_AFTER = timedelta(minutes=5)
# Older than this, a rate says nothing about today.
USABLE = timedelta(hours=24)
# Who asks is not kept waiting for a slow provider: older rates now are better than new ones later.
WAIT_SECONDS = 2.0

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
        """Return a book, read anew in the background after five minutes; for a stale one this waits a little.

        Raises:
            ProviderUnavailable: nothing younger than a day is known.
        """
        kept, now = self._kept, clock.now()
        if kept is None or now - kept.as_of > REFRESHED_AFTER:
            reading = self._read()
            if kept is None or kept.is_stale(now):
                await asyncio.wait({reading}, timeout=WAIT_SECONDS if kept else None)
        if self._kept is None or now - self._kept.as_of > USABLE:
            raise ProviderUnavailable("There are no exchange rates at the moment.", retry_after_seconds=60)
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
            found = await read_rates(self._provider, catalogue, assets=self._assets)
        except ApplicationError as error:
            _log.warning("rates not read", code=error.code)
            return
        # A provider that is just coming back prices a few currencies and refuses the rest.
        if self._kept is None or len(found.per_stable) * 2 >= len(self._kept.per_stable):
            self._kept = found
