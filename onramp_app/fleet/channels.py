"""Bells, which wake background loops of this process, and NOTIFY channels, which reach other processes."""

import asyncio
import contextlib

# An order should be read soon. Listened to by the reader, wherever in the fleet it runs.
ORDER_DUE = "order_due"
READ_OPEN = "open"  # the payload that asks for everything open to be read
# The id of a session that was ended. Listened to by every instance.
SESSION_ENDED = "session_ended"
# Ids of users whose top-ups or balances have changed, joined by commas. Listened to by every instance.
USER_CHANGED = "user_changed"

# Credits: user id, span of a trace and time, as `id/trace/milliseconds`, joined by commas. A channel of its
# own, because the previous release understands only ids. Sent before `USER_CHANGED`.
USER_CREDITED = "user_credited"


class Bell:
    """Wakes one waiting task. A ring while no task waits is kept for the next task that waits."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake the waiting task, or the next one to wait."""
        self._rung.set()

    async def wait(self, timeout_seconds: float) -> bool:
        """Wait up to `timeout_seconds` for a ring. Returns whether there was one, and resets the bell."""
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
