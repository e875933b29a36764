"""Hints: who is to be asked about soon. Only the read that follows changes where somebody stands."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlmodel import col, update
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.views import Viewer
from onramp_app.accounts.words import KycStatus
from onramp_app.db.engine import execute, transaction
from onramp_app.domain import clock
from onramp_app.verification.tables import VerificationCustomer

# Somebody who looks again and again has the provider asked this often at most; after an outcome, seldom.
_WHILE_OPEN = timedelta(seconds=5)
_AFTERWARDS = timedelta(hours=1)


async def mark_due(db: AsyncSession, client_customer_ids: Sequence[str], *, at: datetime) -> None:
    """Have the people of these ids asked about at once, because webhooks named them.

    Only proven ones: what the provider says about somebody else's customer is nobody's here to know.
    """
    if not client_customer_ids:
        return
    named = update(VerificationCustomer).where(
        col(VerificationCustomer.client_customer_id).in_(client_customer_ids),
        col(VerificationCustomer.is_proven),
    )
    await execute(db, named.values(due_at=at, awake_at=at, read_failures=0))


async def look_again(viewer: Viewer) -> None:
    """Have the provider asked about somebody who came back to look, unless it was asked just now."""
    status, now = KycStatus(viewer.kyc_status), clock.now()
    if status is KycStatus.NONE:
        return
    is_over = status in (KycStatus.APPROVED, KycStatus.REJECTED)
    before = now - (_AFTERWARDS if is_over else _WHILE_OPEN)
    mine = update(VerificationCustomer).where(
        col(VerificationCustomer.user_id) == viewer.user_id,
        col(VerificationCustomer.is_proven),
        col(VerificationCustomer.read_at).is_(None) | (col(VerificationCustomer.read_at) < before),
    )
    async with transaction() as db:
        await execute(db, mine.values(due_at=now, awake_at=now))
