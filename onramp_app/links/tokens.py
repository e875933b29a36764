"""What stands in the address of an add-money link: which link it is, signed by this application.

The row keeps a hash of it. So a token opens a link only where the application has signed it and the row
knows it: neither somebody who reads the database nor somebody who knows `SECRET_KEY` alone can make one.
It is signed with a key of its own, derived from `SECRET_KEY`, and can be written again from the id, which a
program that lost the address needs. Links that `SECRET_KEY_PREVIOUS` signed go on working.
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass

from onramp_app.factors.keys import secret_keys

_ID_BYTES = 16
_MAC_BYTES = 32
LENGTH = (_ID_BYTES + _MAC_BYTES) * 4 // 3  # 48 bytes: base64 needs no padding
_SHAPE = re.compile(rf"[A-Za-z0-9_-]{{{LENGTH}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class LinkKeys:
    """What belongs to one link: the token of its address, and the secret by which its returns are signed."""

    token: str
    return_secret: str


def keys_of(link_id: str, *, token_hash: bytes | None = None) -> LinkKeys | None:
    """Return the token and the return secret of a link.

    Args:
        link_id: of the link.
        token_hash: what its row keeps, None for a new link. It says which key has signed the token.

    Returns:
        None where neither `SECRET_KEY` nor the one before has signed the token.
    """
    for key in secret_keys():
        token = _token(key, link_id)
        if token_hash is None or hmac.compare_digest(hash_of(token), token_hash):
            return LinkKeys(token, _mac(key, b"returns of add-money links", bytes.fromhex(link_id)).hex())
    return None


def read_token(text: object) -> str | None:
    """Return the id of the link whose token this is, or None for a text that was not signed here."""
    if not isinstance(text, str) or not _SHAPE.fullmatch(text):
        return None
    link_id = base64.urlsafe_b64decode(text)[:_ID_BYTES].hex()
    # All keys are tried, so that the time says nothing about which one it was.
    is_known = [hmac.compare_digest(text, _token(key, link_id)) for key in secret_keys()]
    return link_id if any(is_known) else None


def hash_of(token: str) -> bytes:
    """Return the hash to store of a token."""
    return hashlib.sha256(token.encode()).digest()


def _token(key: bytes, link_id: str) -> str:
    content = bytes.fromhex(link_id)
    return base64.urlsafe_b64encode(content + _mac(key, b"add-money links", content)).decode()


def _mac(key: bytes, purpose: bytes, content: bytes) -> bytes:
    own = hmac.digest(key, purpose, hashlib.sha256)
    return hmac.digest(own, content, hashlib.sha256)
