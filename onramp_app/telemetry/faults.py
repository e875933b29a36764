"""Faults that go on: a warning at the beginning, at most one a minute with a count, and a line at the end.

What is away is tried again each second, by several loops of a process at once. Each failure is counted; a
line in the log for each would bury everything else.
"""

from collections.abc import Callable
from threading import Lock
from time import monotonic

import structlog
from prometheus_client import Counter, Gauge

SAY_EVERY_SECONDS = 60.0

_FAILURES = Counter("fault_failures", "Failures of what is counted and not logged each time.", ["fault"])
_LASTS = Gauge("fault_active", "1 while the fault lasts, as this process sees it.", ["fault"])
_log = structlog.get_logger(__name__)


class Fault:
    """One thing that may be away for a while. Each process has one of each.

    Args:
        name: the label of the metrics.
        lasts: the line while it lasts, as in "the database is away".
        is_over: the line when it is over.
    """

    def __init__(
        self, name: str, *, lasts: str, is_over: str, clock: Callable[[], float] = monotonic
    ) -> None:
        self._name = name
        self._lasts, self._is_over = lasts, is_over
        self._clock = clock
        self._failures = 0
        self._began = 0.0
        self._said_at = float("-inf")
        self._was_said = False
        self._lock = Lock()  # Threads of libraries report too.
        _LASTS.labels(name).set(0)

    def happened(self, **why: object) -> None:
        """Count a failure, and log a warning unless one was logged within the last minute.

        Args:
            why: fields of the warning; nothing secret or personal.
        """
        at = self._clock()
        with self._lock:
            if not self._failures:
                self._began = at
                _LASTS.labels(self._name).set(1)
            self._failures += 1
            _FAILURES.labels(self._name).inc()
            if at - self._said_at < SAY_EVERY_SECONDS:
                return
            self._said_at, self._was_said = at, True
            failures, seconds = self._failures, round(at - self._began, 1)
        _log.warning(self._lasts, failures=failures, for_seconds=seconds, **why)

    def over(self) -> None:
        """Note that it works again; logs that once where a warning was logged. Costs nothing otherwise."""
        if not self._failures:
            return
        with self._lock:
            was_said, failures = self._was_said, self._failures
            self._failures, self._was_said = 0, False
            _LASTS.labels(self._name).set(0)
        if was_said:
            lasted = round(self._clock() - self._began, 1)
            _log.info(self._is_over, failures=failures, lasted_seconds=lasted)
