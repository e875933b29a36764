"""The provider's signature, written from its description alone: payload text, HMAC, verification.

Nothing is shared with the application's own signing: a mistake made on both sides would cancel itself out.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from typing import Any

from onramp_app.simulator.wire import ProviderError, parse_json, to_json

API_KEY = "simulator-key"
API_SECRET = "simulator-secret"  # noqa: S105 - the simulator's published secret, refused in production  # nosec B105
NEXT_SECRET = "simulator-secret-next"  # noqa: S105 - the second secret, valid too while a rotation is tried  # nosec B105


def encoded(content: Any) -> str:
    """Return the base64 text of some JSON, which is what is signed."""
    return base64.b64encode(to_json(content).encode()).decode()


def sign(secret: str, payload: str) -> str:
    """Return the lower-case hex HMAC-SHA512 of the base64 text itself."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha512).hexdigest()


def verified_body(
    headers: dict[str, str], secrets: Iterable[str], *, clock_ms: int, raw_body: bytes
) -> dict[str, Any]:
    """Check one request of the merchant's and return its body.

    Args:
        headers: `key`, `payload` and `signature` as sent, empty when missing.
        secrets: each secret that is valid at the moment.
        clock_ms: the provider's clock; a later timestamp is refused.
        raw_body: the HTTP body, which must say the same as the signed one; empty counts as `{}`.

    Raises:
        ProviderError: 401 for credentials, signature and time; 400 for what cannot be read.
    """
    if not all(headers.values()):
        raise ProviderError(401, "Missing authentication headers")
    if not hmac.compare_digest(headers["key"].encode(), API_KEY.encode()):
        raise ProviderError(401, "Invalid API key")
    given = headers["signature"].encode()
    matches = [hmac.compare_digest(sign(secret, headers["payload"]).encode(), given) for secret in secrets]
    if not any(matches):
        raise ProviderError(401, "Invalid signature")
    try:
        payload = parse_json(base64.b64decode(headers["payload"], validate=True))
    except (binascii.Error, ValueError) as error:
        raise ProviderError(400, "Payload is not base64 of JSON") from error
    if not isinstance(payload, dict):
        raise ProviderError(400, "Payload is not an object")
    _check_time(payload.get("timestamp"), clock_ms)
    body = payload.get("body", {})
    if not isinstance(body, dict):
        raise ProviderError(400, "Body is not an object")
    try:
        sent = parse_json(raw_body) if raw_body else {}
    except ValueError as error:
        raise ProviderError(400, "Request body is not JSON") from error
    if sent != body:
        raise ProviderError(400, "Request body differs from the signed body")
    return body


def _check_time(timestamp: object, clock_ms: int) -> None:
    text = str(timestamp)
    if isinstance(timestamp, bool) or not text.isascii() or not text.isdigit() or len(text) > 16:
        raise ProviderError(400, "Timestamp must be milliseconds")
    if int(text) > clock_ms:
        raise ProviderError(401, "Ahead of Time")
