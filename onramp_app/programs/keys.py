"""What a key looks like: `amk_`, the id of its row, a secret of 256 random bits, and a checksum.

The prefix and the checksum let scanners recognise a key where it should not be, without asking us; the id
says which one to revoke. Only the hash of the secret is kept. A plain SHA-256 is enough: nobody tries so many
secrets, and the slow hash that passwords need would only make each request slow.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field

PREFIX = "amk_"
_DIGITS = string.digits + string.ascii_letters
_SECRET_LENGTH = 43  # digits of base 62 for 256 bits
_CHECK_LENGTH = 6  # and for 32
_FORM = re.compile(
    rf"{PREFIX}([0-9a-f]{{32}})([0-9A-Za-z]{{{_SECRET_LENGTH}}})([0-9A-Za-z]{{{_CHECK_LENGTH}}})"
)
_NO_HASH = bytes(32)


@dataclass(frozen=True, slots=True)
class GivenKey:
    """The parts of a key that came with a request: it has the right form, which says nothing about it."""

    key_id: str
    secret: str = field(repr=False)


def _in_base_62(number: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        number, digit = divmod(number, len(_DIGITS))
        text = _DIGITS[digit] + text
    return text


def _check_of(text: str) -> str:
    return _in_base_62(zlib.crc32(text.encode()), _CHECK_LENGTH)


def new_secret() -> str:
    """Return the secret part of a new key: 256 random bits."""
    return _in_base_62(secrets.randbits(256), _SECRET_LENGTH)


def written(key_id: str, secret: str) -> str:
    """Return the whole key as its program sends it."""
    begun = f"{PREFIX}{key_id}{secret}"
    return begun + _check_of(begun)


def read(text: str) -> GivenKey | None:
    """Return the parts of a key, or None for a text that is not a key of ours or was mistyped."""
    form = _FORM.fullmatch(text)
    if form is None or not hmac.compare_digest(_check_of(text[:-_CHECK_LENGTH]), form[3]):
        return None
    return GivenKey(form[1], form[2])


def hash_of(secret: str) -> bytes:
    """Return the hash to store of a secret."""
    return hashlib.sha256(secret.encode()).digest()


def is_right(secret: str, kept: bytes | None) -> bool:
    """Return whether the secret is that of the hash, after the same work where there is none."""
    return hmac.compare_digest(hash_of(secret), kept or _NO_HASH) and kept is not None
