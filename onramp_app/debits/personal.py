"""A person's debits for their data file, and what is deleted of them when the account is closed."""

from sqlmodel import col, update
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.personal import Part
from onramp_app.debits.tables import DebitRecord

DEBITS = Part(
    name="debits",
    shows={
        "id": "debits.id",
        "environment": "debits.environment",
        "reference": "debits.reference",
        "asset": "debits.asset",
        "fiat_amount": "debits.fiat_amount",
        "fiat_currency": "debits.fiat_currency",
        "rate": "debits.rate",
        "rate_as_of": "debits.rate_as_of",
        "description": "debits.description",
        "metadata": "CAST(debits.metadata_json AS json)",
        "status": "debits.status",
        "expires_at": "debits.expires_at",
        "created_at": "debits.created_at",
        "updated_at": "debits.updated_at",
    },
    amounts={
        "amount": "debits.amount_minor",
        "posted": "debits.posted_minor",
        "released": "debits.released_minor",
        "reversed": "debits.reversed_minor",
    },
    source="debits JOIN assets ON assets.code = debits.asset",
    whose="debits.user_id = :user_id",
    order=("debits.created_at", "debits.id"),
)


async def forget(db: AsyncSession, user_id: str) -> None:
    """Remove the free texts and metadata that programs wrote into a person's debits; the amounts stay."""
    await db.exec(
        update(DebitRecord)
        .where(col(DebitRecord.user_id) == user_id)
        .values(description=None, metadata_json=None)
    )
