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
    """Return our own time in milliseconds since 1970."""
    return (now() - _EPOCH) // _MILLISECOND


class ProviderClock:
    """The provider's time, as far as we know it.

    `ask` returns the provider's current timestamp in milliseconds. The provider read its clock before we
    have the answer, so the difference taken at that moment errs towards the past by the way back: a
    signature is never ahead of the provider's time. The provider would refuse such a signature.
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
        """How often the offset was measured; a signature remembers it to tell whether it is stale."""
        return self._measurements

    def timestamp_ms(self) -> int:
        """Return the provider's time for a signature."""
        return now_ms() + self.offset_ms

    @property
    def is_due(self) -> bool:
        """Whether the offset was never measured, or too long ago."""
        return self._clock() >= self._due_at

    async def measure(self, *, unless_newer_than: int | None = None) -> None:
        """Measure the offset; callers at the same time share one measurement.

        Args:
            unless_newer_than: the `measurements` a refused signature was made with; when somebody has
                measured since, there is nothing to do.

        Raises what `ask` raises, and keeps the last offset; the next try comes after a minute.
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
