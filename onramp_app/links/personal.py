"""A person's add-money links for their file, and what goes of them when the person closes their account."""

from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.moments import moment_of
from onramp_app.db.personal import Part
from onramp_app.links import sessions
from onramp_app.links.tables import AddMoneyLink

LINKS = Part(
    name="add_money_links",
    shows={
        "id": "add_money_links.id",
        "program": "programs.name",
        "environment": "add_money_links.environment",
        "reference": "add_money_links.reference",
        "fiat_currency": "add_money_links.fiat_currency",
        "fiat_amount": "add_money_links.fiat_amount",
        "asset": "add_money_links.asset",
        "return_url": "add_money_links.return_url",
        "created_at": "add_money_links.created_at",
        "expires_at": "add_money_links.expires_at",
        "revoked_at": "add_money_links.revoked_at",
    },
    source="add_money_links JOIN programs ON programs.id = add_money_links.program_id",
    whose="add_money_links.user_id = :user_id",
    order=("add_money_links.created_at", "add_money_links.id"),
)


async def forget(db: AsyncSession, user_id: str) -> None:
    """Revoke a person's links, and remove what programs wrote in them in their own words."""
    mine = col(AddMoneyLink.user_id) == user_id
    await sessions.end_all(db, (await db.exec(select(AddMoneyLink.id).where(mine))).all())
    await db.exec(
        update(AddMoneyLink)
        .where(mine, col(AddMoneyLink.revoked_at).is_(None))
        .values(revoked_at=await moment_of(db))
    )
    await db.exec(update(AddMoneyLink).where(mine).values(reference=None, return_url=None))
