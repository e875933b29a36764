"""The fleet's one reader: it holds a lease, listens for notifications, and reads orders that are due or open.

It also walks the last weeks' history. A separate loop looks for due orders among the newest ones, where a
payment that has just arrived is found: with many orders, reading everything open takes minutes, and no credit
should have to wait for that.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import Counter, Gauge

from onramp_app.config import get_settings
from onramp_app.db.direct import Connection, Use, connect
from onramp_app.db.moments import database_time
from onramp_app.db.outages import outages
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.fleet import channels
from onramp_app.fleet.lease import Lease, LeaseLost
from onramp_app.fleet.watch import keep_running, made_progress, rest
from onramp_app.provider_orders.freshness import note_read
from onramp_app.provider_orders.observed import note_busy
from onramp_app.provider_orders.walked_lists import due_history, note_walked
from onramp_app.provider_orders.walks import (
    Due,
    Walk,
    due_walks,
    front_walks,
    handle_events,
    make_walks,
    open_walks,
    sought_back,
)
from onramp_app.providers.errors import OwnRateSpent, ProviderBusy, ProviderUnavailable
from onramp_app.providers.port import Provider
from onramp_app.telemetry.faults import Fault

LEASE = "reader"
LEASE_SECONDS = 4.0
RENEW_EVERY_SECONDS = 1.0
# Renewing the lease is one statement. The other loops wait for locks, and for the provider, whose client has
# its own time-outs.
RENEW_WITHIN_SECONDS = 2.0
LEASE_WITHIN_SECONDS = 5.0
READ_WITHIN_SECONDS = 15.0
TICK_SECONDS = 1.0
GATHER_SECONDS = 0.05
HISTORY_EVERY_SECONDS = 3600
HISTORY_LOOK_SECONDS = 60
CLOCK_EVERY_SECONDS = 60
MAX_BACKOFF_SECONDS = 15
# The share of our request rate that reading may use; the rest is for operators' commands. Reading due orders
# and reading everything open divide it while both are under way.
READING_SHARE = 0.6
DUE_SHARE = 0.4
OPEN_SHARE = 0.2
HISTORY_SHARE = 0.3
# How many pages may be requested at once after a pause: one for each of a few currencies.
PAGES_AT_ONCE = 5

_IS_READER = Gauge("reader_here", "1 while this process is the fleet's reader.")
_LAST_READ = Gauge(
    "reader_last_read_timestamp_seconds", "Unix time of the last complete read of what is open."
)
_FAILURES = Counter("reader_failures", "Reads that the provider did not answer.")
_log = structlog.get_logger(__name__)
provider_away = Fault("provider", lasts="the provider cannot be read", is_over="the provider is read again")


class Reader:
    """Reads orders while it holds the lease. Each process has one, for its event loop."""

    def __init__(self, provider: Provider, *, run_clock: Callable[[], Awaitable[object]]) -> None:
        """`run_clock` moves what time alone moves; the fleet's reader calls it once a minute."""
        self._provider = provider
        self._run_clock = run_clock
        self._lease = Lease(LEASE, seconds=LEASE_SECONDS)
        self._was_reader = False
        self._read_at: float | None = None
        self._next_open = 0.0
        self._open_asked = channels.Bell()
        self._away_until = 0.0
        self._failures = 0
        self._due_pace, self._open_pace = Pace(PAGES_AT_ONCE), Pace(PAGES_AT_ONCE)
        self._reads_open = False
        self._looked_in_front_at = float("-inf")
        # Due orders that were not found among the newest ones; they are read with the open ones.
        self._not_in_front: set[Due] = set()

    async def run(self) -> None:
        """Wait for the lease, then read, until cancelled; a loop that fails or stalls is restarted."""
        loops = (
            ("reader lease", self._keep_lease, LEASE_WITHIN_SECONDS),
            ("due orders", self._read_due, READ_WITHIN_SECONDS),
            ("reader", self._read, READ_WITHIN_SECONDS),
            ("history", self._read_history, READ_WITHIN_SECONDS),
            ("clock", self._watch_clock, READ_WITHIN_SECONDS),
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, loop, within_seconds in loops:
                    tasks.create_task(keep_running(name, loop, within_seconds=within_seconds))
        finally:
            await self._leave()

    async def _keep_lease(self) -> None:
        """Hold the lease and listen for due orders on one connection, which each renewal tests."""
        connection = await connect(Use.READER)
        try:
            await self._listen(connection)
        finally:
            self._note(is_reader=False)
            await connection.close()

    async def _listen(self, connection: Connection) -> None:
        with outages():
            made_progress(next_within_seconds=RENEW_WITHIN_SECONDS)
            await connection.execute(f"LISTEN {channels.ORDER_DUE}")
            while True:
                made_progress(next_within_seconds=RENEW_WITHIN_SECONDS)
                self._note(is_reader=await self._renew(connection))
                made_progress()
                async for notification in connection.notifies(timeout=RENEW_EVERY_SECONDS):
                    if notification.payload == channels.READ_OPEN:
                        self._open_asked.ring()
                    channels.order_due.ring()

    async def _renew(self, connection: Connection) -> bool:
        ago = None if self._read_at is None else time.monotonic() - self._read_at
        return await self._lease.take(connection, worked_seconds_ago=ago)

    def _note(self, *, is_reader: bool) -> None:
        if is_reader != self._was_reader:
            _log.info("reader begins" if is_reader else "reader ends")
        self._was_reader = is_reader
        _IS_READER.set(is_reader)

    async def _leave(self) -> None:
        """Release the lease, so that the next process reads at once; without a database it expires."""
        with contextlib.suppress(DatabaseUnavailable, TimeoutError):
            async with asyncio.timeout(RENEW_WITHIN_SECONDS), await connect(Use.READER) as connection:
                await self._lease.leave(connection)

    async def _await_lease(self) -> None:
        """Wait until this process is the reader."""
        made_progress(next_within_seconds=float("inf"))
        await self._lease.held()
        made_progress()

    async def _await_turn(self) -> None:
        """Wait until this process is the reader and the back-off from the provider has ended."""
        await self._await_lease()
        await rest(max(0.0, self._away_until - time.monotonic()))

    async def _read_due(self) -> None:
        """Look for due orders among the newest ones, as soon as an order becomes due."""
        while True:
            await self._await_turn()
            with contextlib.suppress(LeaseLost):
                await self._look_in_front()
            if await channels.order_due.wait(TICK_SECONDS):
                await asyncio.sleep(GATHER_SECONDS)

    async def _look_in_front(self) -> None:
        while await handle_events():
            made_progress()
        walks = await due_walks(newest_first=True)
        self._not_in_front &= {due for walk in walks for due in walk.due_orders()}
        front = front_walks(walks, self._not_in_front)
        for walk in front:
            # An order without a known currency may be on any of many lists; new webhooks do not wait for all.
            while await handle_events():
                made_progress()
            if not await self._make([walk], self._pause_in_front):
                return
        seen = set[Due]().union(*(walk.seen() for walk in front))
        left = sought_back(walks).union(*(walk.left() for walk in front)) - seen
        if left - self._not_in_front:
            self._not_in_front |= left
            self._open_asked.ring()

    async def _read(self) -> None:
        """Read everything open every ONRAMP_POLL_SECONDS, and with it the due orders not among the newest."""
        is_asked = False
        while True:
            await self._await_turn()
            if is_asked or time.monotonic() >= self._next_open:
                with contextlib.suppress(LeaseLost):
                    await self._read_open()
            wait = min(TICK_SECONDS, max(0.0, self._next_open - time.monotonic()))
            if is_asked := await self._open_asked.wait(wait):
                await asyncio.sleep(GATHER_SECONDS)

    async def _read_open(self) -> None:
        began_at, began = await database_time(), time.monotonic()
        # Due orders first: somebody's money has arrived.
        walks = _merged_walks(await due_walks(), await open_walks())
        self._reads_open = True
        try:
            is_read = await self._make(walks, self._pause_in_open)
        finally:
            self._reads_open = False
        if is_read:
            await note_read(
                [walk.fiat_type for walk in walks if walk.is_made and walk.sought is None], began_at
            )
            self._read_at = began
            self._next_open = time.monotonic() + get_settings().onramp_poll_seconds
            _LAST_READ.set_to_current_time()

    def _pause_in_front(self) -> float:
        self._looked_in_front_at = time.monotonic()
        return self._due_pace.pause(_seconds_a_page(DUE_SHARE if self._reads_open else READING_SHARE))

    def _pause_in_open(self) -> float:
        looks_in_front = time.monotonic() - self._looked_in_front_at < 2 * TICK_SECONDS
        return self._open_pace.pause(_seconds_a_page(OPEN_SHARE if looks_in_front else READING_SHARE))

    async def _make(self, walks: list[Walk], pause: Callable[[], float]) -> bool:
        """Make the walks, and return whether the provider answered; if not, due and open reads back off."""
        if not walks:
            return True
        try:
            await make_walks(self._provider, walks, pause=pause, before_keeping=self._lease.check)
        except ProviderUnavailable as error:
            self._failures += 1
            _FAILURES.inc()
            # The client itself observes the provider's `Retry-After`, and refuses at once until then.
            wait = min(MAX_BACKOFF_SECONDS, 2 ** min(self._failures - 1, 10))
            self._away_until = time.monotonic() + wait
            provider_away.happened(error=type(error).__name__, wait_seconds=wait)
            if isinstance(error, ProviderBusy) and not isinstance(error, OwnRateSpent):
                await note_busy()
            return False
        self._failures = 0
        provider_away.over()
        return True

    async def _read_history(self) -> None:
        """Read the last weeks once an hour, a page at a time, so that open top-ups never wait for it.

        The lists that were read are recorded, so that the next reader continues with the others.
        """
        while True:
            await self._await_lease()
            wait = float(HISTORY_LOOK_SECONDS)
            try:
                for walk in await due_history(HISTORY_EVERY_SECONDS):
                    await make_walks(
                        self._provider,
                        [walk],
                        pause=lambda: _seconds_a_page(HISTORY_SHARE),
                        before_keeping=self._lease.check,
                    )
                    await note_walked(walk)
            except LeaseLost:
                continue
            except ProviderUnavailable as error:
                provider_away.happened(error=type(error).__name__, wait_seconds=5 * MAX_BACKOFF_SECONDS)
                wait = 5 * MAX_BACKOFF_SECONDS
            await rest(wait)

    async def _watch_clock(self) -> None:
        while True:
            await self._await_lease()
            await self._run_clock()
            await rest(CLOCK_EVERY_SECONDS)


class Pace:
    """Spreads page requests over time: a few at once after a pause, then one per interval.

    Args:
        at_once: how many pages may be requested without waiting.
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, at_once: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._at_once = at_once
        self._clock = clock
        self._next = float("-inf")

    def pause(self, seconds_a_page: float) -> float:
        """Count one more page, and return how many seconds to wait before requesting it."""
        now = self._clock()
        self._next = max(self._next, now - (self._at_once - 1) * seconds_a_page)
        wait = max(0.0, self._next - now)
        self._next += seconds_a_page
        return wait


def _seconds_a_page(share: float) -> float:
    return 60 / (get_settings().onramp_requests_per_minute * share)


def _merged_walks(first: list[Walk], then: list[Walk]) -> list[Walk]:
    """Merge walks of the same list of the provider's into one that begins at the earlier moment."""
    back = [walk for walk in first if walk.sought is not None]
    walks = {(walk.flow, walk.fiat_type): walk for walk in first if walk.sought is None}
    for walk in then:
        known = walks.setdefault((walk.flow, walk.fiat_type), walk)
        known.since = min(known.since, walk.since)
    return back + list(walks.values())
