"""Builds webhooks and signs them as the provider does."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

SECRET = "simulator-secret"
PATH = "/api/webhooks/onramp"


def signed(content: object, *, secret: str = SECRET) -> dict[str, str]:
    payload = base64.b64encode(json.dumps(content).encode())
    return {
        "x-onramp-payload": payload.decode(),
        "x-onramp-signature": hmac.new(secret.encode(), payload, hashlib.sha512).hexdigest(),
    }


def event_of(order_id: int | str, **fields: Any) -> dict[str, Any]:
    return {"orderId": order_id, "status": 4, "fiatType": 1, "eventType": "onramp", **fields}


def headers_of(event: dict[str, Any], **options: Any) -> dict[str, str]:
    return signed({"timestamp": int(time.time() * 1000), "body": event}, **options)
