"""Signs requests to Onramp. Stores no secret: each call is given one.

Source: the provider's API documentation; tests/fixtures/onramp/signature_vectors.json.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Literal

from onramp_app.domain.exact_json import JsonOut, write_json

HeaderStyle = Literal["x-onramp", "plain"]


def signature_of(payload: bytes, secret: str) -> str:
    """Return the lower-case hex HMAC-SHA512 of the payload: the base64 *text* is signed, not its content."""
    return hmac.new(secret.encode(), payload, hashlib.sha512).hexdigest()


def payload_of(body: Mapping[str, JsonOut], timestamp_ms: int, *, style: HeaderStyle) -> str:
    """Return timestamp (milliseconds) and body as base64-encoded JSON.

    The white-label line's plain style puts the body first and writes the timestamp as a string.
    """
    match style:
        case "x-onramp":
            text = write_json({"timestamp": timestamp_ms, "body": body})
        case "plain":
            text = write_json({"body": body, "timestamp": str(timestamp_ms)})
    return base64.b64encode(text.encode()).decode()


def signed_headers(
    body: Mapping[str, JsonOut],
    timestamp_ms: int,
    *,
    api_key: str,
    secret: str,
    style: HeaderStyle = "x-onramp",
) -> dict[str, str]:
    """Return the three headers that authenticate a request with this JSON body."""
    payload = payload_of(body, timestamp_ms, style=style)
    signature = signature_of(payload.encode(), secret)
    match style:
        case "x-onramp":
            return {
                "X-ONRAMP-APIKEY": api_key,
                "X-ONRAMP-PAYLOAD": payload,
                "X-ONRAMP-SIGNATURE": signature,
            }
        case "plain":
            return {"apiKey": api_key, "payload": payload, "signature": signature}
