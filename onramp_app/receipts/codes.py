"""The code of a receipt: which transaction it is of and what it said then, signed by this application.

A code opens nothing and names no session: all that it is good for is the check. It is signed with a key of
its own, derived from `SECRET_KEY`: nothing else that this application signs can pass for a code, and no code
for anything else. One signed with `SECRET_KEY_PREVIOUS` is still known.
"""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass

from onramp_app.factors.keys import secret_keys
from onramp_app.receipts.facts import DIGEST_BYTES, ReceiptFacts

_FORM = b"\x01"
_ID_BYTES = 16
_MAC_BYTES = 16  # 128 bits: nobody guesses one (RFC 2104 section 5 asks for at least half of the hash)
_BYTES = len(_FORM) + _ID_BYTES + DIGEST_BYTES + _MAC_BYTES  # 40, so that base32 needs no padding
LENGTH = _BYTES * 8 // 5
MAX_TYPED = 2 * LENGTH  # with the blanks and hyphens of somebody who copies it from paper
_SHAPE = re.compile(rf"[a-z2-7]{{{LENGTH}}}", re.ASCII)
_BETWEEN = re.compile(r"[\s-]+")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a genuine code says: of which transaction it is, and what a hash of its facts was then."""

    transaction_id: str
    digest: bytes


def code_of(facts: ReceiptFacts) -> str:
    """Return the code of a receipt: 64 small letters and digits, the same each time for the same facts."""
    content = _FORM + bytes.fromhex(facts.id) + facts.digest()
    return base64.b32encode(content + _mac(secret_keys()[0], content)).decode().lower()


def read_code(text: object) -> Claim | None:
    """Return what a code says, or None where it is no code that this application has signed."""
    if not isinstance(text, str) or len(text) > MAX_TYPED:
        return None
    plain = _BETWEEN.sub("", text).lower()
    if not _SHAPE.fullmatch(plain):
        return None
    try:
        signed = base64.b32decode(plain.upper())
    except binascii.Error:
        return None
    content, mac = signed[:-_MAC_BYTES], signed[-_MAC_BYTES:]
    # All keys are tried, so that the time says nothing about which one it was.
    is_known = [hmac.compare_digest(mac, _mac(key, content)) for key in secret_keys()]
    if not any(is_known) or content[:1] != _FORM:
        return None
    return Claim(content[1 : 1 + _ID_BYTES].hex(), content[1 + _ID_BYTES :])


def _mac(key: bytes, content: bytes) -> bytes:
    own = hmac.digest(key, b"codes of receipts", hashlib.sha256)
    return hmac.digest(own, content, hashlib.sha256)[:_MAC_BYTES]
