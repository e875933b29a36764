"""How often something may be tried: counted in Redis when there is one, otherwise in this process.

Counting is a help against guessing and never a reason to refuse everybody: when Redis does not
answer, this process counts for itself.
"""

import ipaddress
import math
import time
from functools import lru_cache

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from onramp_app.config import get_settings
from onramp_app.domain.errors import RateLimited

# A success forgets the attempts of its account and address, so these count failures.
SIGN_IN = (
    RateLimitItemPerMinute(10, 5, namespace="sign-in"),
    RateLimitItemPerDay(100, namespace="sign-in-day"),
)
# One address that tries one password on many accounts. Successes count too, so it is generous.
SIGN_IN_FROM_ADDRESS = (RateLimitItemPerMinute(300, 5, namespace="sign-in-address"),)
REGISTER = (RateLimitItemPerHour(30, namespace="register"),)
# Each one asks the provider for a quote, and those are counted for all users together.
TOP_UP = (RateLimitItemPerMinute(60, namespace="top-up"),)
# Each one asks the provider, and its answers are counted for all users together.
QUOTE = (RateLimitItemPerMinute(30, namespace="quote"),)
PASSWORD = (RateLimitItemPerMinute(10, 5, namespace="password"),)


@lru_cache(maxsize=1)
def _local() -> MovingWindowRateLimiter:
    return MovingWindowRateLimiter(MemoryStorage())


@lru_cache(maxsize=1)
def _shared() -> MovingWindowRateLimiter | None:
    redis_url = get_settings().redis_url
    if redis_url is None:
        return None
    return MovingWindowRateLimiter(
        RedisStorage(
            f"async+{redis_url.get_secret_value()}",
            wrap_exceptions=True,
            implementation="redispy",
            key_prefix="onramp_app:limit",
            socket_timeout=1,
            socket_connect_timeout=1,
        )
    )


def forget() -> None:
    """Start counting from nothing in this process, and read the settings again."""
    _local.cache_clear()
    _shared.cache_clear()


def network_of(address: str) -> str:
    """Return what one customer of a network provider has: an IPv4 address, or an IPv6 /64."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


async def _hit(limiter: MovingWindowRateLimiter, rule: RateLimitItem, *who: str) -> int:
    """Count one attempt. Returns the seconds to wait, 0 when the attempt is allowed."""
    if await limiter.hit(rule, *who):
        return 0
    window = await limiter.get_window_stats(rule, *who)
    return max(1, math.ceil(window.reset_time - time.time()))


async def attempt(rules: tuple[RateLimitItem, ...], *who: str) -> None:
    """Count an attempt by `who` before it is made, so that parallel ones cannot slip through.

    Raises:
        RateLimited: there were too many; `retry_after_seconds` says when the next is allowed.
    """
    for rule in rules:
        try:
            wait_seconds = await _hit(_shared() or _local(), rule, *who)
        except StorageError:
            wait_seconds = await _hit(_local(), rule, *who)
        if wait_seconds:
            raise RateLimited(
                "Too many attempts. Wait a little and try again.", retry_after_seconds=wait_seconds
            )


async def succeeded(rules: tuple[RateLimitItem, ...], *who: str) -> None:
    """Forget the attempts of `who`: the last one was right."""
    for rule in rules:
        await _local().clear(rule, *who)
        if (shared := _shared()) is not None:
            try:
                await shared.clear(rule, *who)
            except StorageError:
                return
