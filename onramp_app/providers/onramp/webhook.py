"""Onramp's webhooks: `verify` proves who sent one, `translate` says what it means.

The signature covers the header `x-onramp-payload`, not the HTTP body. Source: the provider's documentation.
It does not document the header's content, so a body inside the header is used where there is one.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from onramp_app.config import Settings
from onramp_app.domain.exact_json import Json, NotJson, read_json_bytes
from onramp_app.providers.errors import Refusal, WebhookRefused
from onramp_app.providers.onramp.kept_webhooks import kept_of, kept_of_refused
from onramp_app.providers.onramp.orders import moment_or_none, order_id_of
from onramp_app.providers.onramp.white_label import UNREADABLE_WORD, word_of
from onramp_app.providers.onramp.wire import int_or_none, text_or_none
from onramp_app.providers.status import Flow
from onramp_app.providers.webhooks import (
    EventKind,
    EventLine,
    OrderHint,
    SecretUsed,
    VerifiedHeader,
    WebhookEvent,
)

MAX_PAYLOAD_BYTES = 32 * 1024
MAX_BODY_BYTES = 64 * 1024
_SIGNATURE = re.compile(rb"[0-9a-f]{128}")


class _Refused(WebhookRefused):
    challenge = "X-ONRAMP-SIGNATURE"


@dataclass(frozen=True, slots=True)
class WebhookSecrets:
    """The API secret, which also signs webhooks, and the previous one while it is being rotated."""

    current: str
    previous: str | None = None

    def __repr__(self) -> str:
        """Show nothing: a secret must not reach a log through a traceback."""
        return "WebhookSecrets(…)"


def verify(payload: bytes | None, signature: bytes | None, *, secrets: WebhookSecrets) -> VerifiedHeader:
    """Verify that the provider signed the header, in a time that reveals nothing about either secret.

    Args:
        payload: the raw bytes of `x-onramp-payload`, at most 32 KiB; None when the header is missing.
        signature: the raw bytes of `x-onramp-signature`: 128 lower-case hexadecimal digits.
        secrets: the current and the previous secret; both are always tried.

    The caller has to refuse a header that was sent twice, because its raw bytes are ambiguous.

    Raises:
        WebhookRefused: with its reason; nothing else, whatever the bytes.
    """
    if not payload:
        raise _Refused(Refusal.PAYLOAD_MISSING)
    if not signature:
        raise _Refused(Refusal.SIGNATURE_MISSING)
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise _Refused(Refusal.PAYLOAD_TOO_LARGE)
    if len(signature) != 128:
        raise _Refused(Refusal.SIGNATURE_WRONG_LENGTH)
    if not _SIGNATURE.fullmatch(signature):
        raise _Refused(Refusal.SIGNATURE_NOT_LOWER_HEX)
    content = _strictly_decoded(payload)
    is_current = hmac.compare_digest(_signature_of(payload, secrets.current), signature)
    # Without a previous secret the same work is done and its result discarded, so that the time is the same.
    is_previous = hmac.compare_digest(_signature_of(payload, secrets.previous or secrets.current), signature)
    if is_current:
        return VerifiedHeader(payload, content, SecretUsed.CURRENT)
    if is_previous and secrets.previous is not None:
        return VerifiedHeader(payload, content, SecretUsed.PREVIOUS)
    raise _Refused(Refusal.SIGNATURE_WRONG)


def _signature_of(payload: bytes, secret: str) -> bytes:
    return hmac.digest(secret.encode(), payload, "sha512").hex().encode()


def _strictly_decoded(payload: bytes) -> bytes:
    # Python's decoder skips foreign characters and stray bits, so that many texts decode to the same bytes.
    # Only the one that the encoder writes is accepted: in the standard alphabet, fully padded and without
    # stray bits (RFC 4648 sections 3.2, 3.3 and 3.5).
    try:
        content = binascii.a2b_base64(payload)
    except binascii.Error:
        content = b""
    if binascii.b2a_base64(content, newline=False) != payload:
        raise _Refused(Refusal.PAYLOAD_NOT_BASE64)
    return content


def translate(
    header: VerifiedHeader, body: bytes, *, received_at: datetime, max_age: timedelta | None = None
) -> WebhookEvent:
    """Return what a verified webhook means. Never raises: if unreadable, the event has no order.

    Args:
        header: the header that `verify` returned.
        body: the HTTP body; one longer than 64 KiB counts as unreadable.
        received_at: when the webhook arrived, for `is_old`.
        max_age: ONRAMP_WEBHOOK_MAX_AGE_SECONDS; None: no event counts as old.
    """
    signed = _read_signed(header.content)
    unsigned = _read_object(body) if len(body) <= MAX_BODY_BYTES else None
    source = signed.event or unsigned or {}
    age = None if signed.at is None else received_at - signed.at
    return _event(
        source,
        signed,
        is_old=max_age is not None and age is not None and age > max_age,
        differs=bool(body) and signed.event is not None and unsigned != signed.event,
        body=unsigned,
    )


@dataclass(frozen=True, slots=True)
class _Signed:
    """What the signed header holds: its timestamp, and the event where the header carries one."""

    at: datetime | None = None
    event: dict[str, Json] | None = None


def _read_signed(content: bytes) -> _Signed:
    envelope = _read_object(content)
    if envelope is None:
        return _Signed()
    body = envelope.get("body")
    event: dict[str, Json] | None = None
    match body:
        case dict() if body:
            event = body
        case str():
            event = _read_object(body.encode("utf-8", "surrogatepass"))
        case _ if "orderId" in envelope or "eventType" in envelope:
            event = envelope
    return _Signed(_moment_of_ms(envelope.get("timestamp")), event or None)


def _read_object(content: bytes) -> dict[str, Json] | None:
    try:
        value = read_json_bytes(content)
    except NotJson:
        return None
    return value if isinstance(value, dict) else None


def _moment_of_ms(value: Json) -> datetime | None:
    milliseconds = int_or_none(value)
    if milliseconds is None or not 0 < milliseconds < 7_000_000_000_000:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)


def _event(
    content: Mapping[str, Json],
    signed: _Signed,
    *,
    is_old: bool,
    differs: bool,
    body: Mapping[str, Json] | None,
) -> WebhookEvent:
    line = EventLine.WHITE_LABEL if _is_white_label(content) else EventLine.WIDGET
    kind = _kind_of(content, line)
    metadata = content.get("metadata")
    about = metadata if isinstance(metadata, Mapping) else {}
    flow = _FLOWS.get(kind)
    fields = _order_fields(content, about, line)
    order_id = None if flow is None else order_id_of(fields)
    return WebhookEvent(
        line=line,
        kind=kind,
        is_signed=signed.event is not None,
        is_old=is_old,
        differs=differs,
        signed_at=signed.at,
        order_id=order_id,
        order=None if flow is None or order_id is None else _order_hint(order_id, flow, fields),
        status_text=_status_text(content, line),
        client_customer_id=_short_text(content.get("referenceId")) if kind is EventKind.KYC else None,
        customer_id=_short_text(about.get("customerId")),
        body=body,
    )


_FLOWS = {EventKind.BUY: Flow.BUY, EventKind.SELL: Flow.SELL}


def _order_hint(order_id: str, flow: Flow, fields: Mapping[str, Json]) -> OrderHint:
    return OrderHint(
        order_id=order_id,
        flow=flow,
        fiat_type=int_or_none(fields.get("fiatType")),
        created_at=moment_or_none(fields.get("createdAt")),
        recognition_id=text_or_none(fields.get("merchantRecognitionId")),
    )


def _short_text(value: Json) -> str | None:
    return text_or_none(value, max_characters=64)


def _status_text(content: Mapping[str, Json], line: EventLine) -> str | None:
    text = _short_text(content.get("status"))
    if text is None or line is EventLine.WIDGET:
        return text
    # A white-label status passes the same filter as the status in a KYC answer, so nothing personal gets by.
    word = word_of(text.replace(" ", "_"))
    return word if word == UNREADABLE_WORD else text


def _is_white_label(content: Mapping[str, Json]) -> bool:
    return "orderId" not in content and "eventType" in content and "referenceId" in content


def _kind_of(content: Mapping[str, Json], line: EventLine) -> EventKind:
    name = content.get("eventType")
    if name is None and line is EventLine.WIDGET and "orderId" in content:
        # The documented widget sample has no eventType and is a purchase. A sale without one would be looked
        # for among the purchases and not found there, which does no harm.
        return EventKind.BUY
    word = name.strip().lower() if isinstance(name, str) else ""
    return EventKind(word) if word in {"onramp", "offramp", "kyc"} else EventKind.UNKNOWN


def _order_fields(
    content: Mapping[str, Json], about: Mapping[str, Json], line: EventLine
) -> Mapping[str, Json]:
    if line is EventLine.WIDGET:
        return content
    # In the white-label envelope `referenceId` is the order's id, and `metadata` holds its other fields.
    return {**about, **content, "orderId": content.get("referenceId")}


class OnrampWebhooks:
    """Implements `providers.webhooks.WebhookReader` for Onramp.

    `print_secret` is SECRET_KEY, which keys the prints of what is not stored. An event older than `max_age`
    (ONRAMP_WEBHOOK_MAX_AGE_SECONDS) counts as old; None: none does.
    """

    def __init__(
        self, secrets: WebhookSecrets, *, print_secret: str, max_age: timedelta | None = None
    ) -> None:
        self._secrets = secrets
        self._print_secret = print_secret.encode()
        self._max_age = max_age

    def verify(self, payload: bytes | None, signature: bytes | None) -> VerifiedHeader:
        """Verify that the provider signed the header."""
        return verify(payload, signature, secrets=self._secrets)

    def verified_before(self, payload: bytes, secret: SecretUsed) -> VerifiedHeader:
        """Rebuild a header that was verified before it was stored."""
        return VerifiedHeader(payload, base64.b64decode(payload), secret)

    def translate(self, header: VerifiedHeader, body: bytes, *, received_at: datetime) -> WebhookEvent:
        """Return what a verified webhook means."""
        return translate(header, body, received_at=received_at, max_age=self._max_age)

    def kept(self, header: VerifiedHeader, body: bytes, event: WebhookEvent) -> tuple[bytes, bytes]:
        """Return the header and the body as they may be stored."""
        return kept_of(header, body, event=event, secret=self._print_secret)

    def kept_of_refused(self, payload: bytes, body: bytes) -> tuple[bytes, bytes]:
        """Return the payload and the body of a refused request as they may be stored."""
        return kept_of_refused(payload, body, secret=self._print_secret)


def webhook_reader_from(settings: Settings) -> OnrampWebhooks:
    """Return a webhook reader with the secrets and the maximum age from the settings."""
    previous, seconds = settings.onramp_api_secret_previous, settings.onramp_webhook_max_age_seconds
    return OnrampWebhooks(
        WebhookSecrets(
            settings.onramp_api_secret.get_secret_value(), previous.get_secret_value() if previous else None
        ),
        print_secret=settings.secret_key.get_secret_value(),
        max_age=None if seconds is None else timedelta(seconds=seconds),
    )
