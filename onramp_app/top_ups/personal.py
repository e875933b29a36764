"""What is open of a person's payments, which keeps them from closing their account."""

from dataclasses import dataclass

from sqlmodel import col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.cases.tables import Case
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import OPEN, TopUpStatus


@dataclass(frozen=True, slots=True)
class OpenPayments:
    """How many top-ups somebody may still pay or is waiting for, and how many a person has to look at."""

    open: int
    in_review: int


async def open_payments(db: AsyncSession, user_id: str) -> OpenPayments:
    """Return what is open of a person's payments. Lock the person before where it must stay so."""
    is_looked_at = (
        select(Case.id)
        .where(Case.top_up_id == TopUp.id, col(Case.closed_at).is_(None))
        .correlate(TopUp)
        .exists()
    )
    is_open = col(TopUp.status).in_([status.value for status in OPEN])
    is_in_review = or_(TopUp.status == TopUpStatus.IN_REVIEW.value, is_looked_at) & ~is_open
    query = select(func.count().filter(is_open), func.count().filter(is_in_review))
    found = (await db.exec(query.where(TopUp.user_id == user_id))).one()
    return OpenPayments(*found)
