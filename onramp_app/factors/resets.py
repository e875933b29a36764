"""The removal of all factors of somebody who has lost everything: asked for by an operator, done a day later.

It is done when the person next signs in, or sets a password by a mailed link. The day is for
the owner: a thief who talks an operator into it is stopped by any sign-in with the factor.
"""

from datetime import datetime, timedelta

import structlog
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.domain import clock
from onramp_app.factors import factors
from onramp_app.factors.tables import FactorReset
from onramp_app.ledger import audit

DELAY = timedelta(hours=24)

_log = structlog.get_logger(__name__)


async def ask(db: AsyncSession, user_id: str, *, asked_by: str) -> datetime | None:
    """Let the account's factors be removed in 24 hours. Returns when, or None where that was asked before."""
    if await _open(db, user_id) is not None:
        return None
    now = clock.now()
    db.add(FactorReset(user_id=user_id, asked_by=asked_by, asked_at=now, due_at=now + DELAY))
    await db.flush()
    return now + DELAY


async def do_if_due(db: AsyncSession, user_id: str, *, address: str) -> bool:
    """Remove the account's factors where that was asked for 24 hours ago. The account is locked.

    Returns whether they were removed now.
    """
    reset = await _open(db, user_id)
    if reset is None or reset.due_at > clock.now():
        return False
    await factors.remove_all(db, user_id)
    _end(db, reset, audit.Act.FACTORS_RESET, is_done=True, address=address)
    return True


async def cancel(db: AsyncSession, user_id: str, *, address: str) -> None:
    """Stop a removal that was asked for: the owner has just shown a factor, or there is none any more."""
    if (reset := await _open(db, user_id)) is not None:
        _end(db, reset, audit.Act.FACTORS_RESET_CANCELED, is_done=False, address=address)


async def _open(db: AsyncSession, user_id: str) -> FactorReset | None:
    query = select(FactorReset).where(FactorReset.user_id == user_id, col(FactorReset.ended_at).is_(None))
    return (await db.exec(query.with_for_update())).first()


async def forget(db: AsyncSession, user_id: str) -> None:
    """Delete what was asked for about an account."""
    await db.exec(delete(FactorReset).where(col(FactorReset.user_id) == user_id))


def _end(db: AsyncSession, reset: FactorReset, act: audit.Act, *, is_done: bool, address: str) -> None:
    reset.ended_at, reset.is_done = clock.now(), is_done
    audit.write(
        db,
        act,
        actor=reset.user_id,
        subject=reset.user_id,
        at=reset.ended_at,
        detail={"asked_by": reset.asked_by},
        address=address,
    )
    _log.warning(act.value, user_id=reset.user_id)
