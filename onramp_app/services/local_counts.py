"""What this process has counted within the windows of its rules: who tried what, and when.

The library's own store of this kind looks through everything it keeps, and hands each entry to a thread, with
nearly every attempt. Whoever tries many names would keep a processor busy with that for a day.
"""

import time
from bisect import bisect_right
from collections import OrderedDict

from limits import RateLimitItem, WindowStats

# Of one rule. Beyond that who tried the longest ago is forgotten, rather than the memory filled.
MAX_KEPT = 100_000


class LocalCounts:
    """Counts in moving windows, with the methods of `limits`' limiters. Belongs to one event loop."""

    def __init__(self) -> None:
        # By rule, whose own equality leaves out its namespace. The moments of each, oldest first; in each
        # rule, who tried the longest ago comes first.
        self._kept: dict[str, OrderedDict[tuple[str, ...], list[float]]] = {}

    async def hit(self, rule: RateLimitItem, *who: str) -> bool:
        """Count one, unless the rule refuses it. Returns whether it was counted."""
        now = time.time()
        kept = self._kept.setdefault(rule.key_for(), OrderedDict())
        self._drop_old(rule, kept, now)
        moments = self._within(rule, who, now)
        if len(moments) >= rule.amount:
            return False
        kept[who] = [*moments, now]
        kept.move_to_end(who)
        return True

    async def test(self, rule: RateLimitItem, *who: str) -> bool:
        """Say whether the rule allows one more. Counts nothing."""
        return len(self._within(rule, who, time.time())) < rule.amount

    async def get_window_stats(self, rule: RateLimitItem, *who: str) -> WindowStats:
        """Return when the oldest that counts counts no more (Unix time), and how many are left."""
        now = time.time()
        moments = self._within(rule, who, now)
        return WindowStats((moments[0] if moments else now) + rule.get_expiry(), rule.amount - len(moments))

    async def clear(self, rule: RateLimitItem, *who: str) -> None:
        """Forget what was counted."""
        self._kept.get(rule.key_for(), OrderedDict()).pop(who, None)

    def _within(self, rule: RateLimitItem, who: tuple[str, ...], now: float) -> list[float]:
        moments = self._kept.get(rule.key_for(), OrderedDict()).get(who, [])
        return moments[bisect_right(moments, now - rule.get_expiry()) :]

    def _drop_old(
        self, rule: RateLimitItem, kept: OrderedDict[tuple[str, ...], list[float]], now: float
    ) -> None:
        while kept and (len(kept) > MAX_KEPT or next(iter(kept.values()))[-1] <= now - rule.get_expiry()):
            kept.popitem(last=False)
