"""A circuit breaker: while the provider is down, callers are refused at once and nothing is sent."""

import math
import random
from collections.abc import Callable
from enum import Enum, StrEnum, auto
from time import monotonic


class BreakerState(StrEnum):
    """Closed: requests pass. Open: none passes. Half open: one request at a time tries the provider."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Pass(Enum):
    """Permission for one request; while the breaker is half open, only one `TRIAL` is given out."""

    ORDINARY = auto()
    TRIAL = auto()


class CircuitBreaker:
    """Opens after `failures_to_open` failures in a row, then admits single trials at growing intervals.

    Each pass that `begin` returns must be returned through exactly one of `succeed`, `fail`, `give_up`.
    """

    def __init__(
        self,
        *,
        failures_to_open: int = 5,
        open_seconds: float = 2.0,
        max_open_seconds: float = 30.0,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._failures_to_open = failures_to_open
        self._first_open_seconds = open_seconds
        self._max_open_seconds = max_open_seconds
        self._clock = clock
        self._failures = 0
        self._times_opened = 0
        self._open_until: float | None = None
        self._is_trying = False

    @property
    def state(self) -> BreakerState:
        """The state that the next caller will find."""
        if self._open_until is None:
            return BreakerState.CLOSED
        if self._is_trying or self._clock() >= self._open_until:
            return BreakerState.HALF_OPEN
        return BreakerState.OPEN

    @property
    def retry_after_seconds(self) -> int:
        """Whole seconds, at least 1, until a request may pass."""
        return max(1, math.ceil((self._open_until or 0.0) - self._clock()))

    def begin(self) -> Pass | None:
        """Return a pass for one request, or None when none may be sent now."""
        if self._open_until is None:
            return Pass.ORDINARY
        if self._is_trying or self._clock() < self._open_until:
            return None
        self._is_trying = True
        return Pass.TRIAL

    def succeed(self, used: Pass) -> None:
        """Close the breaker: the provider answered, even if to a request from before the opening."""
        self._failures = self._times_opened = 0
        self._open_until = None
        self.give_up(used)

    def fail(self, used: Pass) -> None:
        """Count a failure: the provider did not answer, or not in the documented form."""
        self._failures += 1
        self.give_up(used)
        must_open = self._open_until is None and self._failures >= self._failures_to_open
        if used is Pass.TRIAL or must_open:
            seconds = min(self._first_open_seconds * 2**self._times_opened, self._max_open_seconds)
            self._times_opened = min(self._times_opened + 1, 16)
            # Processes that saw the same outage must not all retry at the same moment.
            self._open_until = self._clock() + seconds * random.uniform(0.8, 1.0)  # noqa: S311 - not a secret  # nosec B311

    def give_up(self, used: Pass) -> None:
        """Return a pass whose request revealed nothing about the provider (its caller was canceled)."""
        if used is Pass.TRIAL:
            self._is_trying = False
