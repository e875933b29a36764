"""Seals the secrets of authenticator apps, so that the database alone makes no code (OWASP ASVS 5.0, 11.3).

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


def seal(secret: bytes, *, row: str) -> bytes:
    """Return the secret sealed with the current key, for the row with this id."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(_keys()[0]).encrypt(nonce, secret, row.encode())


def unseal(sealed: bytes, *, row: str) -> tuple[bytes, bool] | None:
    """Return the secret and whether it is sealed with the current key; None when no key of ours opens it."""
    nonce, content = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    for number, key in enumerate(_keys()):
        try:
            return AESGCM(key).decrypt(nonce, content, row.encode()), number == 0
        except InvalidTag:
            continue
    return None


def _keys() -> list[bytes]:
    # Its own key, derived by name: what signs tokens never encrypts.
    return [hmac.digest(key, b"secrets of authenticators", hashlib.sha256) for key in secret_keys()]
