"""A provider's webhooks as the services see them: a verified header, and what the webhook says.

What a webhook says is a hint: it names an order to read, and never moves money or a status.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from onramp_app.providers.port import ProviderOrder


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
class WebhookEvent:
    """What a webhook says; always a hint about what to read next.

    `is_signed`: the content stood in the signed header; otherwise anybody who saw a valid header may have
    written it. `is_old`: its timestamp is older than ONRAMP_WEBHOOK_MAX_AGE_SECONDS. `differs`: the HTTP
    body says something else than the signed header. `raw` is the untouched text, empty when unreadable.
    For KYC `client_customer_id` is our id of the person and `customer_id` the provider's.
    """

    line: EventLine
    kind: EventKind
    is_signed: bool
    is_old: bool
    differs: bool
    signed_at: datetime | None
    order_id: str | None
    order: ProviderOrder | None
    status_text: str | None
    client_customer_id: str | None
    customer_id: str | None
    raw: str


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
