"""Our own request rate per endpoint, which refuses rather than waits, and answers that callers share."""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")

# Requests may arrive closer together than they were sent, so our minute is a little longer than theirs.
WINDOW_SECONDS = 61.0


class RequestRate:
    """Sliding windows: at most the allowed number of requests of an endpoint in any minute.

    The windows belong to one process. The endpoints with a documented limit are asked at most once a
    minute by each process because their answers are shared, so ten processes stay within it.
    """

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._sent: dict[str, deque[float]] = {}
        self._held_until: dict[str, float] = {}

    def take(self, name: str, per_minute: int) -> int | None:
        """Take one request of the endpoint. Returns None, or the seconds (≥ 1) until one is free."""
        now = self._clock()
        wait = self._held_until.get(name, 0.0) - now
        sent = self._sent.setdefault(name, deque())
        while sent and sent[0] <= now - WINDOW_SECONDS:
            sent.popleft()
        if len(sent) >= per_minute:
            wait = max(wait, sent[-per_minute] + WINDOW_SECONDS - now)
        if wait > 0:
            return max(1, math.ceil(wait))
        sent.append(now)
        return None

    def hold(self, name: str, seconds: float) -> None:
        """Send nothing to the endpoint for so long: it said `Retry-After`."""
        until = self._clock() + seconds
        self._held_until[name] = max(until, self._held_until.get(name, 0.0))


class SharedAnswers(Generic[T]):
    """One request in flight per key, and its answer for everybody for a while. Errors are never kept."""

    MAX_KEYS = 256

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, T]] = {}
        self._in_flight: dict[str, asyncio.Task[T]] = {}

    async def get(self, key: str, seconds: float, *, ask: Callable[[], Awaitable[T]]) -> T:
        """Return the kept answer, that of the request in flight, or that of a new one.

        A caller that is canceled leaves the request to the others. Raises what the request raises.
        """
        kept = self._kept.get(key)
        if kept and kept[0] > self._clock():
            return kept[1]
        task = self._in_flight.get(key)
        if task is None:
            task = asyncio.ensure_future(self._ask(key, seconds, ask=ask))
            self._in_flight[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    async def _ask(self, key: str, seconds: float, *, ask: Callable[[], Awaitable[T]]) -> T:
        answer = await ask()
        if len(self._kept) >= self.MAX_KEYS:
            self._kept.clear()
        self._kept[key] = (self._clock() + seconds, answer)
        return answer

    def _forget(self, key: str, task: asyncio.Task[T]) -> None:
        self._in_flight.pop(key, None)
        if not task.cancelled():
            task.exception()  # Marks it as seen: all its callers may have been canceled.
