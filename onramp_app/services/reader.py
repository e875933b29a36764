"""The one reader of the fleet: holds a lock, listens, and reads when it is time or when something is due."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import structlog
from prometheus_client import Counter, Gauge

from onramp_app.config import get_settings
from onramp_app.db.direct import Connection, Use, connect
from onramp_app.db.locks import Lock
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.domain.provider_errors import ProviderUnavailable
from onramp_app.providers.port import Provider
from onramp_app.services import wake
from onramp_app.services.clock_events import run_clock
from onramp_app.services.last_read import database_time, note_read
from onramp_app.services.reading import (
    Walk,
    due_walks,
    handle_events,
    history_walks,
    make_walks,
    open_walks,
)

TAKE_OVER_SECONDS = 2
TICK_SECONDS = 1.0
GATHER_SECONDS = 0.05
HISTORY_EVERY_SECONDS = 3600
CLOCK_EVERY_SECONDS = 60
MAX_BACKOFF_SECONDS = 15
# The share of our request rate that reading by itself may use; the rest is for people who wait.
READING_SHARE = 0.6
HISTORY_SHARE = 0.3

_IS_READER = Gauge("reader_here", "1 while this process is the fleet's reader.")
_LAST_READ = Gauge("reader_last_read_seconds", "Unix time of the last complete read of what is open.")
_FAILURES = Counter("reader_failures", "Reads that the provider did not answer.")
_log = structlog.get_logger(__name__)


class Reader:
    """Reads while it holds the lock. `is_asked` says that everything open is wanted now."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._next_open = 0.0
        self._not_before = 0.0
        self._failures = 0

    async def run(self) -> None:
        """Wait for the lock, then read until cancelled.

        Raises:
            DatabaseUnavailable: the lock's connection was lost, so another reader may have begun.
        """
        async with _lock_held() as connection:
            _IS_READER.set(1)
            _log.info("reader begins")
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._listen(connection))
                    tasks.create_task(self._read())
                    tasks.create_task(self._read_history())
                    tasks.create_task(self._watch_clock())
            finally:
                _IS_READER.set(0)

    async def _listen(self, connection: Connection) -> None:
        try:
            await connection.execute(f"LISTEN {wake.ORDER_DUE}")
            async for notification in connection.notifies():
                if notification.payload == wake.READ_OPEN:
                    self._next_open = 0.0
                wake.order_due.ring()
        except psycopg.Error as error:
            raise DatabaseUnavailable("The reader's connection was lost.", retry_after_seconds=5) from error
        raise DatabaseUnavailable("The reader's connection was closed.", retry_after_seconds=5)

    async def _read(self) -> None:
        """Read what is due at once, what is open every ONRAMP_POLL_SECONDS, within our share of the rate."""
        while True:
            await asyncio.sleep(max(0.0, self._not_before - time.monotonic()))
            await _handle_all_events()
            if time.monotonic() >= self._next_open:
                began_at = await database_time()
                # What is due first: somebody's money has arrived.
                walks = _together(await due_walks(), await open_walks())
                if await self._make(walks):
                    await note_read([walk.fiat_type for walk in walks if walk.is_made], began_at)
                    self._next_open = time.monotonic() + get_settings().onramp_poll_seconds
                    _LAST_READ.set_to_current_time()
            else:
                await self._make(await due_walks())
            wait = min(TICK_SECONDS, max(0.0, self._next_open - time.monotonic()))
            if await wake.order_due.wait(wait):
                await asyncio.sleep(GATHER_SECONDS)

    async def _make(self, walks: list[Walk]) -> bool:
        if not walks:
            return True
        began = time.monotonic()
        try:
            pages = await make_walks(self._provider, walks)
        except ProviderUnavailable as error:
            self._failures += 1
            _FAILURES.inc()
            # The client itself keeps what the provider asked for, and refuses at once while it does.
            wait = min(MAX_BACKOFF_SECONDS, 2 ** min(self._failures - 1, 10))
            self._not_before = time.monotonic() + wait
            _log.warning("provider not read", error=type(error).__name__, wait_seconds=wait)
            return False
        self._failures = 0
        self._not_before = began + pages * _seconds_a_page(READING_SHARE)
        return True

    async def _read_history(self) -> None:
        """Read the last weeks once an hour, a page at a time, so that what is open is never behind it."""
        while True:
            wait = HISTORY_EVERY_SECONDS
            for walk in await history_walks():
                pause = _seconds_a_page(HISTORY_SHARE)
                try:
                    await make_walks(self._provider, [walk], pause_seconds=pause)
                except ProviderUnavailable as error:
                    _log.warning("history not read", error=type(error).__name__)
                    wait = 5 * MAX_BACKOFF_SECONDS
                    break
                await asyncio.sleep(pause)
            await asyncio.sleep(wait)

    async def _watch_clock(self) -> None:
        while True:
            await run_clock()
            await asyncio.sleep(CLOCK_EVERY_SECONDS)


def _seconds_a_page(share: float) -> float:
    return 60 / (get_settings().onramp_requests_per_minute * share)


def _together(first: list[Walk], then: list[Walk]) -> list[Walk]:
    """Return one walk for each list of the provider's, beginning with the earlier moment."""
    walks = {(walk.flow, walk.fiat_type): walk for walk in first}
    for walk in then:
        known = walks.setdefault((walk.flow, walk.fiat_type), walk)
        known.since = min(known.since, walk.since)
    return list(walks.values())


async def _handle_all_events() -> None:
    while await handle_events():
        pass


@asynccontextmanager
async def _lock_held() -> AsyncIterator[Connection]:
    """Hold the reader's lock on a connection of its own: it ends with the process, however that ends."""
    connection = await connect(Use.READER)
    try:
        while not await _try_lock(connection):  # noqa: ASYNC110 - another process holds it
            await asyncio.sleep(TAKE_OVER_SECONDS)
        yield connection
    finally:
        await connection.close()


async def _try_lock(connection: Connection) -> bool:
    try:
        cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", (Lock.READER,))
        row = await cursor.fetchone()
    except psycopg.Error as error:
        raise DatabaseUnavailable("The reader's connection was lost.", retry_after_seconds=5) from error
    return bool(row and row[0])
