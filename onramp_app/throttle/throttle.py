"""Limits on how often something may be tried, counted in Redis when there is one, else in this process.

Counting is a help against guessing and never a reason to refuse everybody: when Redis does not answer,
this process counts for itself. What can be guessed is then asked slowly and counted more strictly, because
other processes count for themselves too.
"""

import asyncio
import math
import time
from dataclasses import dataclass
from functools import lru_cache

from limits import RateLimitItemPerDay, RateLimitItemPerHour, RateLimitItemPerMinute
from redis.exceptions import RedisError

from onramp_app.config import get_settings
from onramp_app.domain.errors import RateLimited
from onramp_app.throttle.local_counts import LocalCounts, Rules
from onramp_app.throttle.shared_counts import SharedCounts

_Counts = SharedCounts | LocalCounts


@dataclass(frozen=True, slots=True)
class Guesses:
    """How often a secret may be guessed: usually, and `alone` while a configured Redis is away."""

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


def of_program(requests_per_minute: int) -> Rules:
    """Return the rule for all requests of one program of the operator's, by whichever of its keys."""
    return (RateLimitItemPerMinute(requests_per_minute, namespace="program"),)


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
# Each one costs queries, and a quote of the provider's where nothing speaks against it beforehand;
# and what was begun stays for good, also when it is canceled.
TOP_UP = (RateLimitItemPerMinute(60, namespace="top-up"), RateLimitItemPerDay(500, namespace="top-up-day"))
# Each one asks the provider, and its answers are counted for all users together.
QUOTE = (RateLimitItemPerMinute(30, namespace="quote"),)
# Each one has the provider read again, and looks at the database until that was done.
READ_AGAIN = (RateLimitItemPerMinute(20, namespace="read-anew"),)
# Each one asks the provider, which may charge for it and sends messages to the phone.
VERIFY = (
    RateLimitItemPerHour(10, namespace="verify"),
    RateLimitItemPerDay(30, namespace="verify-day"),
)
# Each number that is tried says whether the provider knows it, and sends a message to whoever has the phone.
VERIFY_PHONE = (RateLimitItemPerDay(5, namespace="verify-phone"),)
# A program refreshes every ten minutes; each refresh leaves a row that stays as long as its session.
REFRESH = (
    RateLimitItemPerMinute(30, namespace="refresh"),
    RateLimitItemPerDay(1_000, namespace="refresh-day"),
)
# Each one leaves a line that stays for good.
CHANGE_PASSWORD = (RateLimitItemPerDay(50, namespace="change-password"),)
PASSWORD = _guesses("password")
# By address as typed, whether or not there is such an account, and by network: each one sends a mail, and a
# stranger elsewhere does not use up the links of the owner.
FORGOT = (RateLimitItemPerHour(5, namespace="forgot"), RateLimitItemPerDay(20, namespace="forgot-day"))
# By address as typed, from all networks together.
FORGOT_FROM_ANYWHERE = (
    RateLimitItemPerHour(20, namespace="forgot-anywhere"),
    RateLimitItemPerDay(60, namespace="forgot-anywhere-day"),
)
# One network that asks for links of many accounts.
FORGOT_FROM_NETWORK = (RateLimitItemPerHour(30, namespace="forgot-network"),)
# By network: mailed links that are looked at or opened. Nobody guesses their secrets; this bounds the work.
LINK = (RateLimitItemPerHour(120, namespace="link"),)
# By add-money link: browsers that open it. Nobody guesses one; each leaves a row, and the oldest goes for it.
OPEN_LINK = (RateLimitItemPerHour(60, namespace="open-link"),)
# By network: receipts whose code is checked. Nobody guesses a code; this bounds the work, and trying.
RECEIPT_CHECK = (RateLimitItemPerHour(120, namespace="receipt-check"),)
# Each one is drawn by a thread that all share, or reads all that is known of a payment.
RECEIPT = (
    RateLimitItemPerMinute(20, namespace="receipt"),
    RateLimitItemPerHour(200, namespace="receipt-hour"),
)
# Each one sends a mail, to an address that may be a stranger's.
CONFIRMATION = (
    RateLimitItemPerHour(5, namespace="confirmation"),
    RateLimitItemPerDay(10, namespace="confirmation-day"),
)
CHANGE_EMAIL = (RateLimitItemPerDay(10, namespace="change-email"),)
# By the new address, from all accounts together: it may be a stranger's.
CHANGE_EMAIL_TO = (
    RateLimitItemPerHour(5, namespace="change-email-to"),
    RateLimitItemPerDay(10, namespace="change-email-to-day"),
)
# By account and place: a known device, a session, the mailbox, and all else together. Who gets this far knows
# the password, or has the mailbox.
SECOND_FACTOR = _guesses("second-factor")
# Each one stores a row or leaves a line that stays for good.
CHANGE_FACTORS = (RateLimitItemPerDay(50, namespace="change-factors"),)
# Each one reads the whole account.
EXPORT = (RateLimitItemPerHour(5, namespace="export"), RateLimitItemPerDay(10, namespace="export-day"))
# Each one counts what is left under the lock of the account.
CLOSE = (RateLimitItemPerHour(20, namespace="close"),)
# Each one leaves a line in the audit log for good.
OPERATOR_CODE = (RateLimitItemPerHour(30, namespace="operator-code"),)
# By network: API keys that do not work. Nobody guesses one; this bounds the work, and shows in the answers.
KEY_GUESS = (RateLimitItemPerMinute(30, namespace="key-guess"),)
# By program: each one stays for good, with a line in the audit log.
NEW_PEOPLE = (
    RateLimitItemPerMinute(300, namespace="new-people"),
    RateLimitItemPerDay(20_000, namespace="new-people-day"),
)
# By program: each has a line in the audit log.
ENDPOINTS = (
    RateLimitItemPerMinute(60, namespace="endpoints"),
    RateLimitItemPerDay(500, namespace="endpoints-day"),
)
REDELIVERIES = (
    RateLimitItemPerMinute(120, namespace="redeliveries"),
    RateLimitItemPerDay(5_000, namespace="redeliveries-day"),
)
# By program: each one may have 10,000 sent again.
ALL_REDELIVERIES = (
    RateLimitItemPerMinute(10, namespace="all-redeliveries"),
    RateLimitItemPerDay(100, namespace="all-redeliveries-day"),
)
# By program: each one has a line in the audit log.
NEW_LINKS = (
    RateLimitItemPerMinute(300, namespace="new-links"),
    RateLimitItemPerDay(20_000, namespace="new-links-day"),
)
# By account, and by address: each one sends a mail, to an address that a program was given.
CLAIM = (RateLimitItemPerHour(5, namespace="claim"), RateLimitItemPerDay(10, namespace="claim-day"))
ALONE_DELAY_SECONDS = 1.0
_ASK_REDIS_AGAIN_SECONDS = 3

_away_until = 0.0  # Until then Redis is not asked: each question could cost a time-out of a second.


@lru_cache(maxsize=1)
def _local() -> LocalCounts:
    return LocalCounts()


@lru_cache(maxsize=1)
def _shared() -> SharedCounts | None:
    redis_url = get_settings().redis_url
    return SharedCounts(redis_url.get_secret_value()) if redis_url else None


def forget() -> None:
    """Start counting from nothing in this process, and read the settings again."""
    global _away_until  # noqa: PLW0603 - one process, one Redis
    _local.cache_clear()
    _shared.cache_clear()
    _away_until = 0.0


async def close() -> None:
    """Close the connection to Redis and forget what was counted, at shutdown or before another event loop."""
    shared = _shared() if _shared.cache_info().currsize else None
    forget()
    if shared is not None:
        await shared.close()


def _counts() -> _Counts:
    return _local() if time.monotonic() < _away_until else _shared() or _local()


def _notice_redis_away() -> None:
    global _away_until  # noqa: PLW0603 - one process, one Redis
    _away_until = time.monotonic() + _ASK_REDIS_AGAIN_SECONDS


async def _count(counts: _Counts, rules: Rules, *who: str) -> float:
    return await counts.count(rules, who) if rules else 0


def _refuse(wait_seconds: float) -> None:
    if wait_seconds:
        raise RateLimited(
            "Too many attempts. Wait a little and try again.",
            retry_after_seconds=max(1, math.ceil(wait_seconds)),
        )


async def attempt(rules: Rules, *who: str) -> None:
    """Count an attempt by `who` before it is made, so that parallel ones cannot slip through.

    Raises:
        RateLimited: there were too many; `retry_after_seconds` says when the next is allowed.
    """
    try:
        wait_seconds = await _count(_counts(), rules, *who)
    except RedisError:
        _notice_redis_away()
        wait_seconds = await _count(_local(), rules, *who)
    _refuse(wait_seconds)


async def attempt_guess(guesses: Guesses, *who: str) -> None:
    """Count a guess by `who` before it is made. While a configured Redis is away, this takes a second longer.

    Raises:
        RateLimited: as `attempt`.
    """
    if _shared() is not None and _counts() is not _local():
        try:
            _refuse(await _count(_counts(), guesses.together, *who))
        except RedisError:
            _notice_redis_away()
        else:
            return
    is_alone = _shared() is not None
    _refuse(await _count(_local(), guesses.alone if is_alone else guesses.together, *who))
    if is_alone:
        await asyncio.sleep(ALONE_DELAY_SECONDS)


async def refuse_if_spent(rules: Rules, *who: str) -> None:
    """Refuse when `who` has no attempt left under the rules; counts nothing.

    Raises:
        RateLimited: as `attempt`.
    """
    try:
        wait_seconds = await _counts().seconds_to_wait(rules, who)
    except RedisError:
        _notice_redis_away()
        wait_seconds = await _local().seconds_to_wait(rules, who)
    _refuse(wait_seconds)


async def failed(rules: Rules, *who: str) -> None:
    """Count a failure after it happened."""
    try:
        await _counts().count(rules, who)
    except RedisError:
        _notice_redis_away()
        await _local().count(rules, who)


async def guessed_right(guesses: Guesses, *who: str) -> None:
    """Forget the guesses of `who`: the last one was right."""
    await _local().forget(guesses.alone, who)
    await forgive(guesses.together, *who)


async def forgive(rules: Rules, *who: str) -> None:
    """Forget what was counted for `who` under the rules."""
    await _local().forget(rules, who)
    if (shared := _shared()) is not None and _counts() is shared:
        try:
            await shared.forget(rules, who)
        except RedisError:
            _notice_redis_away()
