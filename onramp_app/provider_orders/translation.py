"""What a webhook says, stored beside its bytes, so that no webhook is translated twice."""

from dataclasses import dataclass
from datetime import datetime

from onramp_app.domain.ids import is_id
from onramp_app.provider_orders.tables import StoredWebhook
from onramp_app.providers.connection import get_webhook_reader
from onramp_app.providers.webhooks import EventKind, SecretUsed, WebhookEvent


@dataclass(frozen=True, slots=True)
class Translation:
    """What one webhook says, in the columns of its row.

    `flow` is None where the webhook names no order that can be read. `fiat_type`, `ordered_at` and
    `recognition_id` say where and from when to look for the order, and whose it may be. In a webhook about a
    person, `recognition_id` is our id for that person.
    """

    kind: EventKind
    status_text: str | None
    signed_at: datetime | None
    is_content_signed: bool
    flow: str | None
    order_id: str | None
    fiat_type: int | None
    ordered_at: datetime | None
    recognition_id: str | None

    @property
    def is_nameless_purchase(self) -> bool:
        """Whether the webhook is about a purchase and names no order that can be read."""
        return self.flow is None and self.kind is EventKind.BUY


def translation_of(event: WebhookEvent) -> Translation:
    """Return what is stored of an event."""
    order = event.order
    return Translation(
        kind=event.kind,
        status_text=event.status_text,
        signed_at=event.signed_at,
        is_content_signed=event.is_signed,
        flow=order.flow.value if order else None,
        order_id=event.order_id,
        fiat_type=order.fiat_type if order else None,
        ordered_at=order.created_at if order else None,
        recognition_id=order.recognition_id if order else _person_of(event),
    )


def _person_of(event: WebhookEvent) -> str | None:
    """Return our id for the person whom an event is about, None if the event holds no such id."""
    named = event.client_customer_id
    return named if named is not None and is_id(named) else None


def stored_translation(row: StoredWebhook) -> Translation:
    """Return what a stored webhook says; a row from a version that stored none of it is translated now."""
    if row.kind is None:
        reader = get_webhook_reader()
        header = reader.verified_before(row.header, SecretUsed(row.secret))
        return translation_of(reader.translate(header, row.body, received_at=row.received_at))
    return Translation(
        kind=EventKind(row.kind),
        status_text=row.status_text,
        signed_at=row.signed_at,
        is_content_signed=bool(row.is_content_signed),
        flow=row.flow,
        order_id=row.order_id,
        fiat_type=row.fiat_type,
        ordered_at=row.ordered_at,
        recognition_id=row.recognition_id,
    )
