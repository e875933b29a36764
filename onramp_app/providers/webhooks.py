"""A provider's webhooks as the services see them: a verified header, and what the webhook says.

A webhook is only a hint: it names an order to read, and never itself moves money or changes a status.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from onramp_app.domain.exact_json import Json
from onramp_app.providers.status import Flow


class SecretUsed(StrEnum):
    """Which of the two secrets signed, while they are being rotated."""

    CURRENT = "current"
    PREVIOUS = "previous"


@dataclass(frozen=True, slots=True)
class VerifiedHeader:
    """A header that the provider signed. `content` is `payload` decoded from base64, not yet parsed."""

    payload: bytes
    content: bytes
    secret: SecretUsed


class EventLine(StrEnum):
    """Which product line sent the event: the widget sends bare orders, the white label an envelope."""

    WIDGET = "widget"
    WHITE_LABEL = "white_label"


class EventKind(StrEnum):
    """What the event is about. `UNKNOWN` events are stored and change nothing."""

    BUY = "onramp"
    SELL = "offramp"
    KYC = "kyc"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class OrderHint:
    """The order that a webhook names, and what helps to find it: its currency, its time, our id in it.

    Nothing else that a webhook says about an order is used; the order itself is read from the provider.
    """

    order_id: str
    flow: Flow
    fiat_type: int | None
    created_at: datetime | None
    recognition_id: str | None


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """What a webhook says; never more than a hint about what to read next.

    `is_signed`: the content came in the signed header; otherwise anybody who saw a valid header may have
    written it. `is_old`: its timestamp is older than ONRAMP_WEBHOOK_MAX_AGE_SECONDS. `differs`: the HTTP
    body differs from the signed content. `body` is the JSON object in the HTTP body, None when there is none.
    For KYC `client_customer_id` is our id for the person and `customer_id` the provider's.
    """

    line: EventLine
    kind: EventKind
    is_signed: bool
    is_old: bool
    differs: bool
    signed_at: datetime | None
    order_id: str | None
    order: OrderHint | None
    status_text: str | None
    client_customer_id: str | None
    customer_id: str | None
    body: Mapping[str, Json] | None = field(repr=False)


class WebhookReader(Protocol):
    """Verifies who sent a webhook and says what it means."""

    def verify(self, payload: bytes | None, signature: bytes | None) -> VerifiedHeader:
        """Verify that the provider signed the header, in a time that reveals nothing about a secret.

        Args:
            payload: the raw bytes of the signed header; None when it is missing or was sent twice.
            signature: the raw bytes of its signature.

        Raises:
            WebhookRefused: with its reason; nothing else, whatever the bytes.
        """
        ...

    def verified_before(self, payload: bytes, secret: SecretUsed) -> VerifiedHeader:
        """Rebuild a header that `verify` accepted earlier from what was stored of it."""
        ...

    def translate(self, header: VerifiedHeader, body: bytes, *, received_at: datetime) -> WebhookEvent:
        """Return what a verified webhook means. Never raises: if unreadable, the event has no order."""
        ...

    def kept(self, header: VerifiedHeader, body: bytes, event: WebhookEvent) -> tuple[bytes, bytes]:
        """Return the header and the body as they may be stored: without what they say about a person.

        Different headers or bodies stay different when stored, and `verified_before` reads a stored header.
        """
        ...

    def kept_of_refused(self, payload: bytes, body: bytes) -> tuple[bytes, bytes]:
        """Return the header and the body of a refused request as they may be stored."""
        ...
