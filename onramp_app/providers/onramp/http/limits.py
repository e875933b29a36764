"""Our own rate limit per endpoint, which refuses requests rather than delaying them."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from onramp_app.domain.shares import Asker, TakenPlaces

# Requests may arrive closer together than they were sent, so our window is longer than the provider's minute.
WINDOW_SECONDS = 61.0


@dataclass(frozen=True, slots=True)
class Wait:
    """How long nothing may be sent: the seconds to wait (≥ 1), and whether that concerns only this asker."""

    seconds: int
    is_share: bool = False


class _Window:
    """The requests sent to one endpoint within the window, and for which askers."""

    def __init__(self) -> None:
        self.sent: deque[tuple[float, Asker | None]] = deque()
        self.taken = TakenPlaces()

    def forget_until(self, moment: float) -> None:
        while self.sent and self.sent[0][0] <= moment:
            self.taken.give_back(self.sent.popleft()[1])

    def first_of(self, who: Asker) -> float:
        """Return when the oldest request of the asker's network or person was sent."""
        return next(
            at
            for at, other in self.sent
            if other and (other.network == who.network or (who.person and other.person == who.person))
        )


class RequestRate:
    """Sliding windows that cap the requests to each endpoint in any minute.

    One network may take at most half of an endpoint's requests, and one person a quarter (`domain.shares`).

    The windows belong to one process. Endpoints with a documented limit have shared answers, so each process
    asks for the same answer at most once a minute, and ten processes stay within the limit.
    """

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._windows: dict[str, _Window] = {}
        self._held_until: dict[str, float] = {}

    def take(self, name: str, per_minute: int, who: Asker | None = None) -> Wait | None:
        """Take one request to the endpoint for `who` (None: for everybody); return the wait if refused."""
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
        """Send nothing to the endpoint for these seconds, because the provider asked us to wait."""
        until = self._clock() + seconds
        self._held_until[name] = max(until, self._held_until.get(name, 0.0))
