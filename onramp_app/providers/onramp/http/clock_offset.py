"""The difference between the provider's clock and ours: measured regularly, applied to every signature."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

from onramp_app.domain.clock import now

REMEASURE_SECONDS = 3600.0
RETRY_MEASURE_SECONDS = 60.0
MAX_OFFSET_MS = 10 * 365 * 86_400_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def now_ms() -> int:
    """Return our own time in milliseconds since the Unix epoch."""
    return (now() - _EPOCH) // _MILLISECOND


class ProviderClock:
    """The provider's time, estimated from ours.

    `ask` returns the provider's current timestamp in milliseconds. Because the provider reads its clock
    before we receive the answer, the estimate is late by the answer's travel time. That is the safe side:
    the provider refuses a signature whose timestamp is ahead of its own clock.
    """

    def __init__(self, ask: Callable[[], Awaitable[int]], *, clock: Callable[[], float] = monotonic) -> None:
        self._ask = ask
        self._clock = clock
        self._lock = asyncio.Lock()
        self._due_at = float("-inf")
        self._measurements = 0
        self.offset_ms = 0

    @property
    def measurements(self) -> int:
        """How often the offset was measured; shows a refused call whether its offset was already stale."""
        return self._measurements

    def timestamp_ms(self) -> int:
        """Return the provider's estimated time in milliseconds, for a signature."""
        return now_ms() + self.offset_ms

    @property
    def is_due(self) -> bool:
        """Whether the offset was never measured, or too long ago."""
        return self._clock() >= self._due_at

    async def measure(self, *, unless_newer_than: int | None = None) -> None:
        """Measure the offset; concurrent callers share one measurement.

        Args:
            unless_newer_than: the value of `measurements` when a refused signature was made. If the offset
                has been measured since, it is not measured again.

        Raises what `ask` raises; the last offset then stays, and a new measurement is due after a minute.
        """
        seen = self._measurements if unless_newer_than is None else unless_newer_than
        async with self._lock:
            if self._measurements != seen:
                return
            self._due_at = self._clock() + RETRY_MEASURE_SECONDS
            provider_ms = await self._ask()
            offset = provider_ms - now_ms()
            if abs(offset) < MAX_OFFSET_MS:
                self.offset_ms = offset
            self._measurements += 1
            self._due_at = self._clock() + REMEASURE_SECONDS
