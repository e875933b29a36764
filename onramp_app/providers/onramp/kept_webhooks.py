"""What is stored of a white-label webhook: its kind, two ids, a status word, and a fingerprint of the rest.

Such a webhook may carry whatever a person's documents say: a name, a date of birth, a document number. It is
only needed to name the person or order to read, so storing this much loses nothing. The fingerprint ("print")
is an HMAC keyed from SECRET_KEY and not a plain hash, from which a date of birth would soon be guessed. It
still tells two webhooks apart, and shows whether a copy that the provider holds is the one that arrived.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping

from onramp_app.domain.exact_json import Json, NotJson, read_json_bytes
from onramp_app.providers.onramp.white_label import word_of
from onramp_app.providers.webhooks import EventKind, EventLine, VerifiedHeader, WebhookEvent

_PURPOSE = b"prints of webhooks about people"
_OUR_ID = re.compile(r"[0-9a-f]{32}")
_THEIR_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SIGN = b"kyc"  # marks a text of unknown form that may be about a person


def kept_of(
    header: VerifiedHeader, body: bytes, *, event: WebhookEvent, secret: bytes
) -> tuple[bytes, bytes]:
    """Return the header's payload and the body as they are stored: unchanged, unless about a person.

    A white-label event, and an unknown one that mentions KYC, is reduced to ids, status and prints. Of any
    other event only a body that may be about a person is reduced, to its print.

    Args:
        header: the verified header.
        body: the HTTP body as received.
        event: what header and body mean.
        secret: the key from which the prints' key is derived.
    """
    is_unknown = event.kind is EventKind.UNKNOWN and any(_SIGN in t.lower() for t in (header.content, body))
    if event.line is not EventLine.WHITE_LABEL and not is_unknown:
        is_personal = _speaks_of_person(body, event.body)
        return header.payload, _print_only(body, secret) if is_personal else body
    told: dict[str, object] = {
        "eventType": event.kind.value,
        "referenceId": _fitting(_OUR_ID, event.client_customer_id) or _fitting(_THEIR_ID, event.order_id),
        "customerId": _fitting(_THEIR_ID, event.customer_id),
        "status": event.status_text and word_of(event.status_text.replace(" ", "_")),
    }
    signed = {"kept": told, "print": _print_of(header.payload, secret)}
    return base64.b64encode(_written(signed)), _written({"kept": told, "print": _print_of(body, secret)})


def kept_of_refused(payload: bytes, body: bytes, *, secret: bytes) -> tuple[bytes, bytes]:
    """Return the payload and the body of a refused request as they are stored.

    How the white-label line signs is not published, so a genuine webhook about a person may be refused.
    """
    try:
        content = base64.b64decode(payload, validate=True)
    except ValueError:
        content = b""
    is_personal = any(_speaks_of_person(text, _object_in(text)) for text in (body, content))
    if not is_personal:
        return payload, body
    return b"", _print_only(payload + b"\n" + body, secret)


def _print_only(text: bytes, secret: bytes) -> bytes:
    return _written({"kept": {}, "print": _print_of(text, secret)})


def _object_in(text: bytes) -> Mapping[str, Json] | None:
    try:
        value = read_json_bytes(text)
    except NotJson:
        return None
    return value if isinstance(value, Mapping) else None


def _speaks_of_person(text: bytes, fields: Mapping[str, Json] | None) -> bool:
    """Return whether a text may be about a person: a white-label envelope, or another form that says "kyc".

    `fields` is the JSON object in the text, None where there is none.
    """
    if fields is None:
        return _SIGN in text.lower()
    inner = fields.get("body")
    events = (fields, *([inner] if isinstance(inner, Mapping) else []))
    if any("orderId" in event for event in events):
        return False
    return any("eventType" in event for event in events) or _SIGN in text.lower()


def _fitting(form: re.Pattern[str], text: str | None) -> str | None:
    return text if text is not None and form.fullmatch(text) else None


def _print_of(content: bytes, secret: bytes) -> str:
    key = hmac.new(secret, _PURPOSE, hashlib.sha256).digest()
    return hmac.new(key, content, hashlib.sha256).hexdigest()


def _written(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, sort_keys=True).encode()
