"""Seals secrets that have to be known again, so that the database alone does not do (OWASP ASVS 5.0, 11.3).

AES-256-GCM with a random nonce; the key is derived from `SECRET_KEY`. What was sealed is bound to its row:
moved to another one, it cannot be opened.
"""

import hashlib
import hmac
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from onramp_app.factors.keys import secret_keys

_NONCE_BYTES = 12
_AUTHENTICATORS = b"secrets of authenticators"


def seal(secret: bytes, *, row: str, use: bytes = _AUTHENTICATORS) -> bytes:
    """Return the secret sealed with the current key, for the row with this id.

    Args:
        secret: what to seal.
        row: the id of the row that keeps it.
        use: what the secret is for; each use has a key of its own.
    """
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(_keys(use)[0]).encrypt(nonce, secret, row.encode())


def unseal(sealed: bytes, *, row: str, use: bytes = _AUTHENTICATORS) -> tuple[bytes, bool] | None:
    """Return the secret and whether it is sealed with the current key; None when no key of ours opens it."""
    nonce, content = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    for number, key in enumerate(_keys(use)):
        try:
            return AESGCM(key).decrypt(nonce, content, row.encode()), number == 0
        except InvalidTag:
            continue
    return None


def _keys(use: bytes) -> list[bytes]:
    # Its own key, derived by name: what signs tokens never encrypts.
    return [hmac.digest(key, use, hashlib.sha256) for key in secret_keys()]
