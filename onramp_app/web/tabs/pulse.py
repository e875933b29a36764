"""The pulse of a page's socket: that something still passes, and that nothing late is carried out.

A proxy that freezes keeps the socket open, and passes on later what was sent into it. By then the page has
said that it is offline, so a click of theirs may not be carried out any more. The page therefore
asks every second whether somebody answers, and dates what it sends by the clock of this process.
"""

import time

LATE_AFTER_MS = 3_000  # As long as the page waits for an answer before it says that it is offline.


def now_ms() -> int:
    """Return the time of this process. It means nothing to any other."""
    return int(time.monotonic() * 1_000)


class Pulses:
    """Knows which sockets were held up on their way, and until when."""

    def __init__(self) -> None:
        self._held_up_until: dict[str, int] = {}

    def is_late(self, socket_id: str, sent_at: object) -> bool:
        """Note when a message was sent, and return whether the page has given it up by now.

        Args:
            sent_at: by `now_ms`, as the page knows it from our last answer. A page has none before the first
                answer, and what a hostile one says harms itself alone.
        """
        if type(sent_at) is not int:
            return False
        now = now_ms()
        if now - sent_at > LATE_AFTER_MS:
            # What was sent after this one was held up with it, and comes with it.
            self._held_up_until[socket_id] = now
        return sent_at <= self._held_up_until.get(socket_id, sent_at - 1)

    def forget(self, socket_id: str) -> None:
        """Forget a socket that has closed."""
        self._held_up_until.pop(socket_id, None)
