"""A cache of the provider's answers that all callers share, with one request in flight per key."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Generic, TypeVar

from onramp_app.providers.errors import ShareSpent

T = TypeVar("T")


class SharedAnswers(Generic[T]):
    """One request in flight per key, whose answer is cached for all callers. Errors are never cached."""

    MAX_KEYS = 256

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, T]] = {}
        self._in_flight: dict[str, asyncio.Task[T]] = {}

    async def get(self, key: str, seconds: float, *, ask: Callable[[], Awaitable[T]]) -> T:
        """Return the cached answer, else that of the request in flight, else that of a new request.

        Canceling a caller does not cancel the request, which others may share. Raises what it raises.
        """
        while True:
            kept = self._kept.get(key)
            if kept and kept[0] > self._clock():
                return kept[1]
            task = self._in_flight.get(key)
            # A finished task stays until its callback runs. It is not reused: its error was another caller's.
            is_mine = task is None or task.done()
            if task is None or task.done():
                task = asyncio.ensure_future(self._ask(key, seconds, ask=ask))
                self._in_flight[key] = task
                task.add_done_callback(lambda done: self._forget(key, done))
            try:
                return await asyncio.shield(task)
            except ShareSpent:
                # The share of the caller who started the request is spent; this caller's may not be.
                if is_mine:
                    raise

    async def close(self) -> None:
        """Cancel the requests in flight and wait until they have ended."""
        tasks = [*self._in_flight.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, key: str, seconds: float, *, ask: Callable[[], Awaitable[T]]) -> T:
        answer = await ask()
        if len(self._kept) >= self.MAX_KEYS:
            self._kept.clear()
        self._kept[key] = (self._clock() + seconds, answer)
        return answer

    def _forget(self, key: str, task: asyncio.Task[T]) -> None:
        if self._in_flight.get(key) is task:
            del self._in_flight[key]
        if not task.cancelled():
            task.exception()  # Marks it as seen: all its callers may have been canceled.
