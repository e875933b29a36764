"""Bells that wake the background loops of this process, and the channels that wake those of others."""

import asyncio
import contextlib

# Somebody wants an order to be read soon. Listened to by the reader, wherever in the fleet it runs.
ORDER_DUE = "order_due"
READ_OPEN = "open"  # Its payload where everything open is meant.
# The id of a session that was ended. Listened to by every instance.
SESSION_ENDED = "session_ended"
# Ids of users whose top-ups or balances changed, joined by commas. Listened to by every instance.
USER_CHANGED = "user_changed"


class Bell:
    """Wakes the task that waits; rung before one waits, it wakes the next to wait at once."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake the one waiting, or the next to wait."""
        self._rung.set()

    async def wait(self, timeout_seconds: float) -> bool:
        """Wait until the bell is rung, at most so long. Returns whether it was, and silences it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._rung.wait()
        was_rung = self._rung.is_set()
        self._rung.clear()
        return was_rung


# Rung in the process that stored a webhook, and in the one that stored a read.
order_due = Bell()
order_read = Bell()
