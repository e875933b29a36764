"""Signs webhooks according to the Standard Webhooks specification, and seals their secrets for storage.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, symmetric
signatures: HMAC-SHA256 over `{id}.{timestamp}.{body}`, in base64, prefixed with `v1,`; several signatures in
one header are separated by spaces. A secret is `whsec_` followed by the base64 of 24 to 64 bytes.
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
    """Return a secret in the form that a program gets: `whsec_` and base64."""
    return PREFIX + base64.b64encode(secret).decode()


def seal(secret: bytes, *, endpoint_id: str) -> bytes:
    """Return a secret in its stored form, which is of no use without `SECRET_KEY`."""
    return sealing.seal(secret, row=endpoint_id, use=_USE)


def unseal(sealed: bytes, *, endpoint_id: str) -> tuple[bytes, bool] | None:
    """Return the secret and whether it is sealed with the current key; None when no key of ours opens it."""
    return sealing.unseal(sealed, row=endpoint_id, use=_USE)


def headers(message_id: str, timestamp: int, body: bytes, *, keys: Sequence[bytes]) -> dict[str, str]:
    """Return the headers that authenticate a webhook, with one signature for each secret.

    Args:
        message_id: the id of the event, the same for each attempt.
        timestamp: the time of this attempt, in seconds since 1970.
        body: the body, exactly as it is sent.
        keys: the current secret and, while it replaces an earlier one, that one too.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
