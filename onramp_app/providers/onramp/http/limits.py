"""Our own request rate per endpoint, which refuses rather than waits."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from onramp_app.domain.shares import Asker, TakenPlaces

# Requests may arrive closer together than they were sent, so this minute is longer than the provider's.
WINDOW_SECONDS = 61.0


@dataclass(frozen=True, slots=True)
class Wait:
    """Why nothing may be sent now: the seconds to wait (≥ 1), and whether only the asker has to."""

    seconds: int
    is_share: bool = False


class _Window:
    """What was sent to one endpoint within the window, and for whom."""

    def __init__(self) -> None:
        self.sent: deque[tuple[float, Asker | None]] = deque()
        self.taken = TakenPlaces()

    def forget_until(self, moment: float) -> None:
        while self.sent and self.sent[0][0] <= moment:
            self.taken.give_back(self.sent.popleft()[1])

    def first_of(self, who: Asker) -> float:
        """Return when the oldest of the network's or the person's requests was sent."""
        return next(
            at
            for at, other in self.sent
            if other and (other.network == who.network or (who.person and other.person == who.person))
        )


class RequestRate:
    """Sliding windows: at most the allowed number of requests of an endpoint in any minute.

    Of that number one network takes at most half, and one person a quarter (`domain.shares`).

    The windows belong to one process. The endpoints with a documented limit are asked at most once a
    minute by each process because their answers are shared, so ten processes stay within it.
    """

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._windows: dict[str, _Window] = {}
        self._held_until: dict[str, float] = {}

    def take(self, name: str, per_minute: int, who: Asker | None = None) -> Wait | None:
        """Take one request of the endpoint for `who` (None: for everybody). Returns None, or the wait."""
        now = self._clock()
        wait = self._held_until.get(name, 0.0) - now
        window = self._windows.setdefault(name, _Window())
        window.forget_until(now - WINDOW_SECONDS)
        if window.taken.all >= per_minute:
            wait = max(wait, window.sent[-per_minute][0] + WINDOW_SECONDS - now)
        if wait > 0:
            return Wait(max(1, math.ceil(wait)))
        if who is not None and window.taken.is_spent(who, per_minute):
            return Wait(max(1, math.ceil(window.first_of(who) + WINDOW_SECONDS - now)), is_share=True)
        window.sent.append((now, who))
        window.taken.take(who)
        return None

    def hold(self, name: str, seconds: float) -> None:
        """Send nothing to the endpoint for these seconds, because an answer had `Retry-After`."""
        until = self._clock() + seconds
        self._held_until[name] = max(until, self._held_until.get(name, 0.0))
