"""Attempts counted by all instances together, in Redis: the rules of `local_counts`, in one script."""

import time
from collections.abc import Sequence

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from onramp_app.throttle.local_counts import MAX_NAMES, Rules, kind_of, longest_window, most_moments, name_of

_PREFIX = "onramp_app:limit"
_TIMEOUT_SECONDS = 1
# The log of a name is a list, the newest moment first. All names stand in one set by when their log is over,
# since what strangers call themselves must not fill this memory either.
_COUNT = """
local wait, now = 0, tonumber(ARGV[1])
for n = 6, #ARGV, 2 do
  local first = redis.call('LINDEX', KEYS[1], tonumber(ARGV[n]) - 1)
  if first then wait = math.max(wait, tonumber(first) + tonumber(ARGV[n + 1]) - now) end
end
if wait > 0 or ARGV[2] == 'look' then return tostring(wait) end
redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('LTRIM', KEYS[1], 0, tonumber(ARGV[3]) - 1)
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('ZADD', KEYS[2], now + tonumber(ARGV[4]), KEYS[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local beyond = redis.call('ZCARD', KEYS[2]) - tonumber(ARGV[5])
if beyond > 0 then
  local gone = redis.call('ZPOPMIN', KEYS[2], beyond)
  for n = 1, #gone, 2 do redis.call('DEL', gone[n]) end
end
return '0'
"""


class SharedCounts:
    """Counts in moving windows, in a single Redis. Belongs to one event loop.

    All methods raise `redis.exceptions.RedisError` when it does not answer within a second.
    """

    def __init__(self, url: str) -> None:
        self._redis = Redis.from_url(
            url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 1),  # a connection that was kept may have been ended meanwhile
        )
        self._script = self._redis.register_script(_COUNT)

    async def count(self, rules: Rules, who: Sequence[str]) -> float:
        """Count an attempt unless a rule refuses it. Returns the seconds to wait, 0 when it was counted."""
        return await self._run(rules, who, "count")

    async def seconds_to_wait(self, rules: Rules, who: Sequence[str]) -> float:
        """Return in how many seconds all rules allow another attempt, 0 if now. Counts nothing."""
        return await self._run(rules, who, "look")

    async def forget(self, rules: Rules, who: Sequence[str]) -> None:
        """Forget all attempts of a caller."""
        await self._redis.delete(_key(rules, who))

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def _run(self, rules: Rules, who: Sequence[str], what: str) -> float:
        given: list[str | int] = [
            repr(time.time()),
            what,
            most_moments(rules),
            longest_window(rules),
            MAX_NAMES,
        ]
        for rule in rules:
            given += [rule.amount, rule.get_expiry()]
        return float(await self._script(keys=[_key(rules, who), f"{_PREFIX}:names"], args=given))


def _key(rules: Rules, who: Sequence[str]) -> str:
    return f"{_PREFIX}:{kind_of(rules)}:{name_of(who).hex()}"
