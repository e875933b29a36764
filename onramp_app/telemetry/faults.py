"""Logs lasting faults: a warning at first, then at most one a minute with a count, and a line at the end.

A service that is down is retried every second by several loops of a process. Each failure is counted; a log
line for each would bury everything else.
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
    """A fault that may last for a while, such as a service that is down. Each process has one of each kind.

    Args:
        name: the label in the metrics.
        lasts: the log message while it lasts, such as "the database is away".
        is_over: the log message when it is over.
        clock: returns this process's time in seconds.
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
        self._lock = Lock()  # threads of libraries report failures too
        _LASTS.labels(name).set(0)

    def happened(self, **why: object) -> None:
        """Count a failure, and log a warning unless one was logged within the last minute.

        Args:
            why: further fields of the warning; nothing secret or personal.
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
        """End the fault, if there is one; logs that if a warning was logged. Otherwise costs nothing."""
        if not self._failures:
            return
        with self._lock:
            was_said, failures = self._was_said, self._failures
            self._failures, self._was_said = 0, False
            _LASTS.labels(self._name).set(0)
        if was_said:
            lasted = round(self._clock() - self._began, 1)
            _log.info(self._is_over, failures=failures, lasted_seconds=lasted)
