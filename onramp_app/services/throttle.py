"""How often something may be tried: counted in Redis when there is one, otherwise in this process.

Counting is a help against guessing and never a reason to refuse everybody: when Redis does not answer,
this process counts for itself. What can be guessed is then asked slowly and counted more strictly, because
other processes count for themselves too.
"""

import asyncio
import math
import time
from dataclasses import dataclass
from functools import lru_cache

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.errors import StorageError

from onramp_app.config import get_settings
from onramp_app.domain.errors import RateLimited
from onramp_app.services.local_counts import LocalCounts

Rules = tuple[RateLimitItem, ...]
_Limiter = MovingWindowRateLimiter | LocalCounts


@dataclass(frozen=True, slots=True)
class Guesses:
    """How often something secret may be guessed: usually, and `alone` while Redis is set and away."""

    together: Rules
    alone: Rules


def _rounds(size: int, *, a_day: int, namespace: str) -> Rules:
    """Return rules that allow rounds of `size` guesses with waits of 5, 10, 20, 40 … minutes between them.

    The nth round may begin when all waits before it have passed, 5 · (2ⁿ - 1) minutes after the first.
    """
    doubling = (
        RateLimitItemPerMinute(size * n, 5 * (2**n - 1), namespace=f"{namespace}-round") for n in range(1, 9)
    )
    return (*doubling, RateLimitItemPerDay(a_day, namespace=f"{namespace}-day"))


def _guesses(namespace: str) -> Guesses:
    return Guesses(
        _rounds(10, a_day=100, namespace=namespace), _rounds(5, a_day=50, namespace=f"{namespace}-alone")
    )


# By account and address, or by account and known device. A success forgets the attempts before it, so
# these count failures.
SIGN_IN = _guesses("sign-in")
# By account, from all places where it is not known together. Only failures are counted.
SIGN_IN_TO_ACCOUNT = (
    RateLimitItemPerHour(100, namespace="sign-in-account"),
    RateLimitItemPerDay(300, namespace="sign-in-account-day"),
)
# One address that tries one password on many accounts. Successes count too, so it is generous.
SIGN_IN_FROM_ADDRESS = (RateLimitItemPerMinute(300, 5, namespace="sign-in-address"),)
REGISTER = (RateLimitItemPerHour(30, namespace="register"),)
# Each one costs queries, and a quote of the provider's where nothing speaks against it beforehand.
TOP_UP = (RateLimitItemPerMinute(60, namespace="top-up"),)
# Each one asks the provider, and its answers are counted for all users together.
QUOTE = (RateLimitItemPerMinute(30, namespace="quote"),)
# Each one has the provider read anew, and looks at the database until that was done.
READ_ANEW = (RateLimitItemPerMinute(20, namespace="read-anew"),)
# A program refreshes every ten minutes; each refresh leaves a row that stays as long as its session.
REFRESH = (RateLimitItemPerMinute(30, namespace="refresh"),)
PASSWORD = _guesses("password")
# Each one leaves a line in the audit log for good.
OPERATOR_CODE = (RateLimitItemPerHour(30, namespace="operator-code"),)
ALONE_DELAY_SECONDS = 1.0
_ASK_REDIS_AGAIN_SECONDS = 3

_away_until = 0.0  # Until then Redis is not asked: each question could cost a time-out of a second.


@lru_cache(maxsize=1)
def _local() -> LocalCounts:
    return LocalCounts()


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
    global _away_until  # noqa: PLW0603 - one process, one Redis
    _local.cache_clear()
    _shared.cache_clear()
    _away_until = 0.0


def _limiter() -> _Limiter:
    return _local() if time.monotonic() < _away_until else _shared() or _local()


def _notice_redis_away() -> None:
    global _away_until  # noqa: PLW0603 - one process, one Redis
    _away_until = time.monotonic() + _ASK_REDIS_AGAIN_SECONDS


async def _seconds_to_wait(limiter: _Limiter, rules: Rules, *who: str) -> int:
    """Return how long until all rules allow one more, 0 when they do. Counts nothing."""
    wait_seconds = 0
    for rule in rules:
        if not await limiter.test(rule, *who):
            window = await limiter.get_window_stats(rule, *who)
            wait_seconds = max(wait_seconds, 1, math.ceil(window.reset_time - time.time()))
    return wait_seconds


async def _count(limiter: _Limiter, rules: Rules, *who: str) -> int:
    """Count one attempt unless a rule refuses it. Returns the seconds to wait, 0 when it is allowed."""
    # A refused attempt must not use up the longer windows, so all are looked at before any is counted.
    if len(rules) > 1 and (wait_seconds := await _seconds_to_wait(limiter, rules, *who)):
        return wait_seconds
    for rule in rules:
        if not await limiter.hit(rule, *who):  # others were counted meanwhile
            return await _seconds_to_wait(limiter, (rule,), *who) or 1
    return 0


def _refuse(wait_seconds: int) -> None:
    if wait_seconds:
        raise RateLimited("Too many attempts. Wait a little and try again.", retry_after_seconds=wait_seconds)


async def attempt(rules: Rules, *who: str) -> None:
    """Count an attempt by `who` before it is made, so that parallel ones cannot slip through.

    Raises:
        RateLimited: there were too many; `retry_after_seconds` says when the next is allowed.
    """
    try:
        wait_seconds = await _count(_limiter(), rules, *who)
    except StorageError:
        _notice_redis_away()
        wait_seconds = await _count(_local(), rules, *who)
    _refuse(wait_seconds)


async def attempt_guess(guesses: Guesses, *who: str) -> None:
    """Count a guess by `who` before it is made. While Redis is set and away it takes a second longer.

    Raises:
        RateLimited: as `attempt`.
    """
    if _shared() is not None and _limiter() is not _local():
        try:
            _refuse(await _count(_limiter(), guesses.together, *who))
        except StorageError:
            _notice_redis_away()
        else:
            return
    is_alone = _shared() is not None
    _refuse(await _count(_local(), guesses.alone if is_alone else guesses.together, *who))
    if is_alone:
        await asyncio.sleep(ALONE_DELAY_SECONDS)


async def refuse_if_spent(rules: Rules, *who: str) -> None:
    """Refuse when `who` has used up the rules; counts nothing.

    Raises:
        RateLimited: as `attempt`.
    """
    try:
        wait_seconds = await _seconds_to_wait(_limiter(), rules, *who)
    except StorageError:
        _notice_redis_away()
        wait_seconds = await _seconds_to_wait(_local(), rules, *who)
    _refuse(wait_seconds)


async def failed(rules: Rules, *who: str) -> None:
    """Count a failure after it happened."""
    for rule in rules:
        try:
            await _limiter().hit(rule, *who)
        except StorageError:
            _notice_redis_away()
            await _local().hit(rule, *who)


async def guessed_right(guesses: Guesses, *who: str) -> None:
    """Forget the guesses of `who`: the last one was right."""
    for rule in (*guesses.together, *guesses.alone):
        await _local().clear(rule, *who)
    if (shared := _shared()) is not None and _limiter() is shared:
        try:
            for rule in guesses.together:
                await shared.clear(rule, *who)
        except StorageError:
            _notice_redis_away()
