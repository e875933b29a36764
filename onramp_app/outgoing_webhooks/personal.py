"""The events about a person: shown in their data file, and deleted with their account."""

from sqlmodel import col, delete
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.personal import Part
from onramp_app.outgoing_webhooks.tables import OutgoingEvent

EVENTS = Part(
    name="outgoing_events",
    shows={
        "type": "outgoing_events.type",
        "data": "CAST(outgoing_events.data AS json)",
        "created_at": "outgoing_events.created_at",
    },
    source="outgoing_events",
    whose="outgoing_events.user_id = :user_id",
    order=("outgoing_events.sequence",),
)


async def forget(db: AsyncSession, user_id: str) -> None:
    """Delete all events about an account, delivered or not."""
    await db.exec(delete(OutgoingEvent).where(col(OutgoingEvent.user_id) == user_id))
