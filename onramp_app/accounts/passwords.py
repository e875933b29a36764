"""Passwords: refuses weak ones, hashes them, and verifies them.

Hashing and checking take tens of milliseconds and megabytes, so they run in a few threads of their own.
"""

import asyncio
import secrets
import threading
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar, TypeVarTuple

from passlib.context import CryptContext
from zxcvbn import zxcvbn

from onramp_app.accounts import leaked
from onramp_app.domain.errors import FieldError, RateLimited, ValidationFailed
from onramp_app.domain.shares import Asker, TakenPlaces, asker

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

MIN_LENGTH = 8
MAX_LENGTH = 128
# zxcvbn tries all readings of look-alike characters: 72 hostile ones take it 5 s, 16 take 0.2 s.
_JUDGED_LENGTH = 16
_MIN_SCORE = 2  # "somewhat guessable": withstands guessing over the network, which is throttled

# OWASP Password Storage Cheat Sheet: argon2id with 19 MiB, two passes, one lane.
_MEMORY_KIB, _PASSES, _LANES = 19_456, 2, 1
_context = CryptContext(
    schemes=["argon2"],
    argon2__type="ID",
    argon2__memory_cost=_MEMORY_KIB,
    argon2__time_cost=_PASSES,
    argon2__parallelism=_LANES,
)
_RETRY_AFTER_SECONDS = 2
_NO_DIGEST = b64encode(bytes(32)).decode().rstrip("=")


class Lane:
    """A few threads and a bounded queue before them; a caller that finds the queue full is refused at once.

    One network takes at most half of the places.
    """

    def __init__(self, name: str, *, threads: int, waiting: int) -> None:
        self.threads = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=f"password-{name}")
        self.places = threads + waiting
        self._taken = TakenPlaces()
        self._lock = threading.Lock()

    def take(self, who: Asker | None) -> bool:
        """Take a place. Returns False when there is none, or none for this network."""
        with self._lock:
            if self._taken.all >= self.places or self._taken.is_spent(who, self.places):
                return False
            self._taken.take(who)
            return True

    def give_back(self, who: Asker | None) -> None:
        """Give a place back. Any thread may call it."""
        with self._lock:
            self._taken.give_back(who)


EVERYBODY = Lane("everybody", threads=2, waiting=32)  # about a second of work
# A crowd of strangers fills the lane above, so people on devices that they are known on have their own.
KNOWN_DEVICES = Lane("known", threads=1, waiting=16)


async def _in_threads(
    work: Callable[[*Arguments], Result], *arguments: *Arguments, lane: Lane | None = None
) -> Result:
    lane, who = lane or EVERYBODY, asker()
    if not lane.take(who):
        raise RateLimited(
            "Many people are signing in right now. Try again in a moment.",
            retry_after_seconds=_RETRY_AFTER_SECONDS,
        )
    job = lane.threads.submit(work, *arguments)
    # The place is free when the job is, not when its caller goes away.
    job.add_done_callback(lambda _job: lane.give_back(who))
    return await asyncio.wrap_future(job)


def _is_text(password: str) -> bool:
    """Return whether the password can be encoded. Half of a surrogate pair, which JSON can hold, cannot."""
    try:
        password.encode()
    except UnicodeEncodeError:
        return False
    return True


def _normalised(password: str) -> str:
    # NIST SP 800-63B-4 section 3.1.1.2: the same password typed on another keyboard is the same.
    return unicodedata.normalize("NFKC", password)


@lru_cache(maxsize=1)
def _dummy_hash() -> str:
    return str(_context.hash("the password of no account"))


def _hash(password: str) -> str:
    return str(_context.hash(_normalised(password)))


def _verify(password: str, password_hash: str | None) -> tuple[bool, str | None]:
    nobodys = _dummy_hash()  # Made before the difference, so that the time never tells the cases apart.
    is_right, new_hash = _context.verify_and_update(_normalised(password), password_hash or nobodys)
    return is_right and password_hash is not None, new_hash


def _is_guessable(password: str, personal: tuple[str, ...]) -> bool:
    # A long password is guessable when both its ends are; one good end makes it good.
    ends = {password[:_JUDGED_LENGTH], password[-_JUDGED_LENGTH:]}
    known = [text[:100] for text in personal]
    return all(int(zxcvbn(end, user_inputs=known)["score"]) < _MIN_SCORE for end in ends)


async def hash_password(password: str) -> str:
    """Return the hash to store of a password that `check_new_password` accepted.

    Raises:
        RateLimited: too many passwords wait already. The other two functions raise this too.
    """
    return await _in_threads(_hash, password)


def useless_hash() -> str:
    """Return a hash that no password has: comparing one with it takes the time that it always takes.

    Its salt is drawn by lot, so each is another one. Its digest is all zeros, by which it is known again.
    """
    salt = b64encode(secrets.token_bytes(16)).decode().rstrip("=")
    return f"$argon2id$v=19$m={_MEMORY_KIB},t={_PASSES},p={_LANES}${salt}${_NO_DIGEST}"


def is_useless(password_hash: str) -> bool:
    """Return whether a hash is one of `useless_hash`: no password opens the account that has it."""
    return password_hash.endswith(f"${_NO_DIGEST}")


async def verify_password(
    password: str, password_hash: str | None, *, lane: Lane | None = None
) -> tuple[bool, str | None]:
    """Verify a password, in the same time with and without an account.

    Args:
        password: at most `MAX_LENGTH` code points; a longer one, or one that is no text, is wrong without
            being hashed.
        password_hash: the stored hash, or None when there is no such account.
        lane: the threads to use; those for everybody by default.

    Returns:
        Whether the password is right, and a new hash to store where the parameters have changed since.
    """
    if len(password) > MAX_LENGTH or not _is_text(password):
        return False, None
    return await _in_threads(_verify, password, password_hash, lane=lane)


async def check_new_password(password: str, *, field: str, personal: tuple[str, ...]) -> None:
    """Refuse a password that is too short or long, known from a leak, or among the first that anybody tries.

    Args:
        password: as typed; its length counts in code points.
        field: the name of the input, for the error.
        personal: what others know of the person, such as the email.

    Raises:
        ValidationFailed: the reason, for the field.
    """
    if len(password) < MIN_LENGTH:
        message = f"Use at least {MIN_LENGTH} characters."
    elif len(password) > MAX_LENGTH:
        message = f"Use at most {MAX_LENGTH} characters."
    elif not _is_text(password):
        message = "It holds characters that cannot be used."
    elif await _in_threads(_is_guessable, password, personal):
        message = "This password is easy to guess. Use a longer or less common one."
    elif await leaked.is_leaked(password):
        message = "This password is known from a leak elsewhere. Use another one, and change it there too."
    else:
        return
    raise ValidationFailed("The password cannot be used.", errors=(FieldError(field, message),))
