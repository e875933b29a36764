"""Whether a program goes on: for as long as one of its keys works.

What a program has set up with its keys (webhooks, links) stands still while none of them works, so that
revoking them also ends what somebody else has made with one of them. A program that gets a key again goes on.
"""

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Mapped
from sqlmodel import col, exists, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.moments import moment
from onramp_app.programs.tables import ApiKey


def living_key_of(program_id: str) -> str:
    """Return the SQL condition that a key of the program works whose id this expression is."""
    return (
        f"EXISTS (SELECT FROM api_keys k WHERE k.program_id = {program_id}"  # nosec B608  # a column's name
        " AND (k.ends_at IS NULL OR k.ends_at > clock_timestamp()))"
    )


def has_living_key(program_id: Mapped[str] | str) -> ColumnElement[bool]:
    """Return the same condition as a part of a query."""
    ends_at = col(ApiKey.ends_at)
    return exists().where(col(ApiKey.program_id) == program_id, or_(ends_at.is_(None), ends_at > moment()))


async def lives(db: AsyncSession, program_id: str) -> bool:
    """Return whether a key of the program works."""
    return bool((await db.exec(select(has_living_key(program_id)))).one())
