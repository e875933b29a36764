"""A provider's webhooks as the services see them: a verified header, and what the webhook says.

What a webhook says is a hint: it names an order to read, and never moves money or a status.
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
    """A header the provider signed. `content` is the decoded base64, not parsed yet."""

    payload: bytes
    content: bytes
    secret: SecretUsed


class EventLine(StrEnum):
    """Which product line speaks: the widget in orders, the white label in an envelope with metadata."""

    WIDGET = "widget"
    WHITE_LABEL = "white_label"


class EventKind(StrEnum):
    """What the event is about. `UNKNOWN` events are kept and change nothing."""

    BUY = "onramp"
    SELL = "offramp"
    KYC = "kyc"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class OrderHint:
    """Which order a webhook names, and what helps to find it: its currency, its time, our id in it.

    What else a webhook says of an order is not read: the order itself is, from the provider.
    """

    order_id: str
    flow: Flow
    fiat_type: int | None
    created_at: datetime | None
    recognition_id: str | None


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """What a webhook says; always a hint about what to read next.

    `is_signed`: the content stood in the signed header; otherwise anybody who saw a valid header may have
    written it. `is_old`: its timestamp is older than ONRAMP_WEBHOOK_MAX_AGE_SECONDS. `differs`: the HTTP
    body says something else than the signed header. `body` is what the HTTP body holds, None when that is no
    object. For KYC `client_customer_id` is our id of the person and `customer_id` the provider's.
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
    """Proves who sent a webhook and says what it means, with the secrets of one process."""

    def verify(self, payload: bytes | None, signature: bytes | None) -> VerifiedHeader:
        """Prove that the provider signed the header, in a time that reveals nothing about a secret.

        Args:
            payload: the raw bytes of the signed header; None when it is missing, or came twice.
            signature: the raw bytes of its signature.

        Raises:
            WebhookRefused: with its reason; nothing else, whatever the bytes.
        """
        ...

    def verified_before(self, payload: bytes, secret: SecretUsed) -> VerifiedHeader:
        """Return a header that `verify` accepted, from what was stored of it."""
        ...

    def translate(self, header: VerifiedHeader, body: bytes, *, received_at: datetime) -> WebhookEvent:
        """Return what a verified webhook means. Never raises: if unreadable, an event without an order."""
        ...

    def kept(self, header: VerifiedHeader, body: bytes, event: WebhookEvent) -> tuple[bytes, bytes]:
        """Return the header and the body as they may be stored: without what they say about a person.

        Another header or body never becomes the same as before, and `verified_before` reads what is kept.
        """
        ...

    def kept_of_refused(self, payload: bytes, body: bytes) -> tuple[bytes, bytes]:
        """Return the header and the body of a refused request as they may be stored."""
        ...
