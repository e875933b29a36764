"""Signs webhooks as the Standard Webhooks specification says, and keeps the secrets that it takes.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, symmetric
signatures: HMAC-SHA256 over `{id}.{timestamp}.{body}`, in base64, with `v1,` before it; several signatures
stand in one header with blanks between them. A secret is `whsec_` and the base64 of 24 to 64 bytes.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

from onramp_app.factors import sealing

PREFIX = "whsec_"
_SECRET_BYTES = 32
_USE = b"secrets of webhooks"


def new_secret() -> bytes:
    """Return a new secret: 256 random bits."""
    return secrets.token_bytes(_SECRET_BYTES)


def written(secret: bytes) -> str:
    """Return a secret as a program keeps it."""
    return PREFIX + base64.b64encode(secret).decode()


def seal(secret: bytes, *, endpoint_id: str) -> bytes:
    """Return a secret as the database keeps it: without `SECRET_KEY` it signs nothing."""
    return sealing.seal(secret, row=endpoint_id, use=_USE)


def unseal(sealed: bytes, *, endpoint_id: str) -> tuple[bytes, bool] | None:
    """Return the secret and whether it is sealed with the current key; None when no key of ours opens it."""
    return sealing.unseal(sealed, row=endpoint_id, use=_USE)


def headers(message_id: str, timestamp: int, body: bytes, *, keys: Sequence[bytes]) -> dict[str, str]:
    """Return the headers that prove a webhook, with a signature by each of the secrets.

    Args:
        message_id: the same each time it is sent.
        timestamp: seconds since 1970, of this attempt.
        body: exactly what is sent.
        keys: the current secret, and while it is being replaced the earlier one.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
