"""Limits how many tasks of one process read at once to refresh pages that nobody has asked to reload."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from onramp_app.db.engine import BACKGROUND, connections_for


class ReadingPlaces:
    """A limited number of places for readers. A reader that keeps a tab waiting goes first.

    Each reader holds a connection of the pool, which requests need too, so by default there are as many
    places as background work may have connections.
    """

    def __init__(self, number: int | None = None) -> None:
        self._free = connections_for(BACKGROUND) if number is None else number
        self._with_tab: deque[asyncio.Future[None]] = deque()
        self._without: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def take(self, *, holds_tab: bool) -> AsyncIterator[None]:
        """Hold a place while the context lasts, waiting for one if none is free."""
        if self._free:
            self._free -= 1
        else:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            (self._with_tab if holds_tab else self._without).append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if not turn.cancelled():
                    self._give_back()
                raise
        try:
            yield
        finally:
            self._give_back()

    def _give_back(self) -> None:
        for line in (self._with_tab, self._without):
            while line:
                if not (turn := line.popleft()).done():
                    turn.set_result(None)
                    return
        self._free += 1
