"""The webhook events about a debit, for the program that made it."""

from collections.abc import Mapping

from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.debits.tables import DebitRecord
from onramp_app.debits.views import view_of
from onramp_app.domain.clock import rfc3339
from onramp_app.outgoing_webhooks import events
from onramp_app.outgoing_webhooks.events import Data, Happening
from onramp_app.outgoing_webhooks.words import EventType


def note(db: AsyncSession, row: DebitRecord, type_: EventType) -> None:
    """Note an event about a debit, as it is at the end of the transaction, for the program that made it."""
    happening = Happening(
        type_, f"debit:{row.id}", row.user_id, lambda known: _data(row, known), program_id=row.program_id
    )
    events.note(db, happening)


def _data(row: DebitRecord, known: Mapping[str, int]) -> Data:
    """Return the debit as `GET /api/debits/{id}` shows it, without the person's id and the free texts."""
    view = view_of(row, known)
    return {
        "id": view.id,
        "status": view.status,
        "amount": view.amount,
        "asset": view.asset,
        "fiat_amount": view.fiat_amount,
        "fiat_currency": view.fiat_currency,
        "rate": view.rate,
        "reference": view.reference,
        "posted_amount": view.posted_amount,
        "held_amount": view.held_amount,
        "released_amount": view.released_amount,
        "reversed_amount": view.reversed_amount,
        "expires_at": rfc3339(view.expires_at),
        "created_at": rfc3339(view.created_at),
        "updated_at": rfc3339(view.updated_at),
    }
