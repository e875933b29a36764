"""Attempts counted in this process: whose they were, what they tried, and when.

One log for each name and set of rules, however many rules there are: strangers choose the names.
"""

import hashlib
import time
from array import array
from bisect import bisect_right
from collections.abc import Sequence

from limits import RateLimitItem

Rules = tuple[RateLimitItem, ...]
# Of all rules together. Beyond that who tried the longest ago is forgotten, rather than the memory filled.
MAX_NAMES = 100_000


def kind_of(rules: Rules) -> str:
    """Return the name of a set of rules."""
    return rules[0].namespace


def name_of(who: Sequence[str]) -> bytes:
    """Return a key of one length for the names of a caller, which the caller may have chosen."""
    return hashlib.blake2b("\0".join(who).encode(errors="backslashreplace"), digest_size=16).digest()


def longest_window(rules: Rules) -> int:
    """Return for how many seconds a moment counts."""
    return max(rule.get_expiry() for rule in rules)


def most_moments(rules: Rules) -> int:
    """Return how many moments have to be kept."""
    return max(rule.amount for rule in rules)


class LocalCounts:
    """Counts in moving windows. Belongs to one event loop."""

    def __init__(self) -> None:
        # By kind and name. In each kind, who tried the longest ago comes first. Moments are oldest first.
        self._logs: dict[str, dict[bytes, array[float]]] = {}

    def __len__(self) -> int:
        """Return how many names are kept."""
        return sum(map(len, self._logs.values()))

    async def count(self, rules: Rules, who: Sequence[str]) -> float:
        """Count an attempt unless a rule refuses it. Returns the seconds to wait, 0 when it was counted."""
        now, name = time.time(), name_of(who)
        logs = self._logs.setdefault(kind_of(rules), {})
        moments = logs.get(name) or array("d")
        if wait := _seconds_to_wait(moments, rules, now):
            return wait
        logs.pop(name, None)  # so that it comes last
        since = bisect_right(moments, now - longest_window(rules))
        logs[name] = array("d", [*moments[since:], now][-most_moments(rules) :])
        self._drop_old(logs, now - longest_window(rules))
        return 0

    async def seconds_to_wait(self, rules: Rules, who: Sequence[str]) -> float:
        """Return in how many seconds all rules allow another attempt, 0 if now. Counts nothing."""
        moments = self._logs.get(kind_of(rules), {}).get(name_of(who))
        return 0 if moments is None else _seconds_to_wait(moments, rules, time.time())

    async def forget(self, rules: Rules, who: Sequence[str]) -> None:
        """Forget all attempts of a caller."""
        self._logs.get(kind_of(rules), {}).pop(name_of(who), None)

    def _drop_old(self, logs: dict[bytes, "array[float]"], until: float) -> None:
        while logs and logs[oldest := next(iter(logs))][-1] <= until:
            del logs[oldest]
        while len(self) > MAX_NAMES:
            largest = max(self._logs.values(), key=len)
            del largest[next(iter(largest))]


def _seconds_to_wait(moments: Sequence[float], rules: Rules, now: float) -> float:
    """Return how long until the strictest of the rules allows another attempt."""
    waits = (moments[-rule.amount] + rule.get_expiry() - now for rule in rules if len(moments) >= rule.amount)
    return max(0, *waits, 0)
