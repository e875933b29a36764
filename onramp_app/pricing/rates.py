"""Exchange rates: stored in the database with their age, and read again from the provider when they are due.

Reading them costs a quote for every currency, so only one process of the fleet does it at a time.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from time import monotonic

import structlog
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.config import get_settings
from onramp_app.db.direct import Use, connect
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.environment import current_environment
from onramp_app.domain.errors import ApplicationError, DatabaseUnavailable
from onramp_app.domain.shares import ask_for_all
from onramp_app.fleet.lease import Lease
from onramp_app.pricing.catalogue import OptionsReader, get_options
from onramp_app.pricing.provider_prices import read_rates
from onramp_app.pricing.rate_book import RateBook, UnknownSymbol
from onramp_app.pricing.tables import ExchangeRate
from onramp_app.providers.connection import get_provider
from onramp_app.providers.errors import ProviderUnavailable
from onramp_app.providers.port import Provider

REFRESHED_AFTER = timedelta(minutes=5)
# Older than this, a rate says nothing about today.
USABLE = timedelta(hours=24)
LOOK_EVERY_SECONDS = 30
# Callers do not wait long for a slow provider: old rates now are better than new ones later.
WAIT_SECONDS, WAIT_WITHOUT_ANY_SECONDS = 2.0, 15.0
PAGE_WAIT_SECONDS = 2.5
# The rates are public: without this pause, each request would call the provider again while it is down.
REST_AFTER_FAILURE_SECONDS = 60.0
_LEASE = "rates"
# Longer than a reading takes. Where one is slower, another process reads too, which only costs requests.
_LEASE_SECONDS = 60.0
_LEASE_WAIT_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.25

_log = structlog.get_logger(__name__)

# Every update and every page of a wallet reads all rates: as plain rows, with queries that are built once.
_KEPT = select(col(ExchangeRate.symbol), col(ExchangeRate.per_stable), col(ExchangeRate.as_of)).where(
    col(ExchangeRate.environment) == bindparam("environment")
)
_USABLE = _KEPT.where(col(ExchangeRate.as_of) > bindparam("since"))


class RatesReader:
    """Answers with the stored rates and reads new ones when due. One for each process and its event loop."""

    def __init__(self, provider: Provider, options: OptionsReader, *, assets: Iterable[str]) -> None:
        self._provider = provider
        self._options = options
        self._assets = tuple(assets)
        self._reading: asyncio.Task[None] | None = None
        self._rests_until = float("-inf")

    async def book(self) -> RateBook:
        """Return the latest rates. If they are older than five minutes, read new ones in the background.

        If they are older than 15 minutes, or there are none, wait a little for the new ones.

        Raises:
            ProviderUnavailable: no rates from the last 24 hours are known.
            DatabaseUnavailable: the rates could not be looked up.
        """
        return await self.book_after(await stored_book())

    async def book_after(self, kept: RateBook | None) -> RateBook:
        """Do the same as `book`, with the stored rates (`kept`) that the caller has just read."""
        if _is_due(kept):
            reading = self._read()
            if reading is not None and (kept is None or kept.is_stale(clock.now())):
                await asyncio.wait({reading}, timeout=WAIT_SECONDS if kept else WAIT_WITHOUT_ANY_SECONDS)
                kept = await stored_book()
        if kept is None:
            raise ProviderUnavailable("There are no exchange rates at the moment.", retry_after_seconds=30)
        return kept

    async def run(self) -> None:
        """Read the rates whenever they are due, until cancelled."""
        while True:
            if (reading := self._read()) is not None:
                await asyncio.wait({reading})
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def close(self) -> None:
        """Cancel a reading that is in progress."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def _read(self) -> asyncio.Task[None] | None:
        if self._reading is not None and not self._reading.done():
            return self._reading
        if monotonic() < self._rests_until:
            return None
        self._reading = asyncio.create_task(self._read_alone())
        return self._reading

    async def _read_alone(self) -> None:
        # A person's request may have begun this task, but the rates are for everybody and use nobody's share.
        ask_for_all()
        try:
            if not _is_due(await stored_book()):
                return
            async with _alone_in_the_fleet():
                if _is_due(await stored_book()):  # otherwise another process has just read them
                    catalogue = await self._options.catalogue()
                    await _store(await read_rates(self._provider, catalogue, assets=self._assets))
        except ApplicationError as error:
            self._rests_until = monotonic() + REST_AFTER_FAILURE_SECONDS
            _log.warning("exchange rates not read", code=error.code)
        except Exception:  # noqa: BLE001 - nobody waits for this task, and its loop must go on
            self._rests_until = monotonic() + REST_AFTER_FAILURE_SECONDS
            _log.exception("reading exchange rates failed")


def _is_due(kept: RateBook | None) -> bool:
    return kept is None or clock.now() - kept.as_of > REFRESHED_AFTER


def rates_into(base: str, book: RateBook, symbols: Iterable[str]) -> Mapping[str, Decimal]:
    """Return how much of `base` one unit of each symbol is worth, without the symbols that have no price."""
    found: dict[str, Decimal] = {}
    for symbol in symbols:
        with contextlib.suppress(UnknownSymbol):
            found[symbol] = book.rates(symbol, [base])[base]
    return found


async def book_within(seconds: float) -> RateBook | None:
    """Return the rates, or None if there are none within `seconds`, so that a page does not wait longer.

    Raises:
        DatabaseUnavailable: the rates could not be looked up.
    """
    return await _unless_late(get_rates().book(), seconds)


async def book_after(kept: RateBook | None) -> RateBook | None:
    """Do the same as `book_within`, with the stored rates (`kept`) that the page has just read."""
    return await _unless_late(get_rates().book_after(kept), PAGE_WAIT_SECONDS)


async def _unless_late(book: Awaitable[RateBook], seconds: float) -> RateBook | None:
    with contextlib.suppress(TimeoutError, ProviderUnavailable):
        async with asyncio.timeout(seconds):  # not `wait_for`, which would create a task
            return await book
    return None


async def stored_book() -> RateBook | None:
    """Return the stored rates of the last 24 hours, or None when there are none.

    Raises:
        DatabaseUnavailable: the rates could not be looked up.
    """
    async with transaction() as db:
        return await read_stored(db)


async def read_stored(db: AsyncSession) -> RateBook | None:
    """Return the stored rates of the last 24 hours, or None when there are none."""
    values = {"environment": current_environment().value, "since": clock.now() - USABLE}
    return _book((await db.exec(_USABLE, params=values)).all())


async def read_kept(db: AsyncSession) -> RateBook | None:
    """Return the last price of each symbol, however old, or None when there never was one.

    Nothing is shown or sold at these prices. They are for counting against limits, where an old rate is
    better than none.
    """
    return _book((await db.exec(_KEPT, params={"environment": current_environment().value})).all())


def _book(rows: Sequence[tuple[str, Decimal, datetime]]) -> RateBook | None:
    if not rows:
        return None
    latest = max(as_of for _symbol, _price, as_of in rows)
    return RateBook(
        {symbol: price for symbol, price, _as_of in rows},
        latest,
        {symbol: as_of for symbol, _price, as_of in rows if as_of < latest},
    )


async def _store(book: RateBook) -> None:
    rows = [
        {
            "environment": current_environment(),
            "symbol": symbol,
            "per_stable": price,
            "as_of": book.as_of,
        }
        for symbol, price in sorted(book.per_stable.items())
    ]
    upsert = insert(ExchangeRate).values(rows)
    newest = upsert.on_conflict_do_update(
        index_elements=["environment", "symbol"],
        set_={"per_stable": upsert.excluded.per_stable, "as_of": upsert.excluded.as_of},
        # A process that outlived its lease does not put older prices in the place of newer ones.
        where=col(ExchangeRate.as_of) < upsert.excluded.as_of,
    )
    async with transaction() as db:
        await db.exec(newest)


@asynccontextmanager
async def _alone_in_the_fleet() -> AsyncIterator[None]:
    """Hold the lease for reading. No transaction or connection stays open while the provider is asked.

    Raises:
        DatabaseUnavailable: no connection, or another process still holds the lease after 10 s.
    """
    lease = Lease(_LEASE, seconds=_LEASE_SECONDS)
    async with await connect(Use.RATES) as connection:
        end = monotonic() + _LEASE_WAIT_SECONDS
        while not await lease.take(connection):
            if monotonic() > end:
                raise DatabaseUnavailable("Another process reads the rates.", retry_after_seconds=5)
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    try:
        yield
    finally:
        async with await connect(Use.RATES) as connection:
            await lease.leave(connection)


@lru_cache(maxsize=1)
def get_rates() -> RatesReader:
    """Return this process's reader of exchange rates."""
    return RatesReader(get_provider(), get_options(), assets=get_settings().assets)


async def close() -> None:
    """Cancel a reading of the rates, at shutdown or before another event loop needs them."""
    if get_rates.cache_info().currsize:
        await get_rates().close()
        get_rates.cache_clear()
