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

# Whose money was credited, by which span of which trace and when: `id/trace/milliseconds`, joined by commas.
# A channel of its own, because the release before knows nothing but ids. Comes before `USER_CHANGED`.
USER_CREDITED = "user_credited"


class Bell:
    """Wakes one waiting task. A ring while no task waits is kept for the next one that does."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake the waiting task, or the next one to wait."""
        self._rung.set()

    async def wait(self, timeout_seconds: float) -> bool:
        """Wait for a ring, at most `timeout_seconds`. Returns whether there was one, and clears the bell."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._rung.wait()
        was_rung = self._rung.is_set()
        self._rung.clear()
        return was_rung


# Rung in the process that stored a webhook, and in the one that stored a read.
order_due = Bell()
order_read = Bell()
# Rung in the process that wrote a mail into the outbox.
mail_due = Bell()
# Rung in the process that stored a request for a link to set a password.
reset_asked = Bell()
# Rung in the process that wrote a webhook for a program.
webhook_due = Bell()
