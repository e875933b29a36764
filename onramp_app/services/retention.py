"""Deletes what is kept for a time only, once a day by one of the instances."""

import asyncio
from datetime import timedelta

import structlog
from sqlmodel import col, delete, func, or_, select

from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.db.locks import Lock
from onramp_app.db.tables import AuthSession
from onramp_app.domain import clock

_DAY_SECONDS = 86_400
_AT_ONCE = 1_000  # keeps each transaction, and what it locks, short

_log = structlog.get_logger(__name__)


async def purge_daily() -> None:
    """Purge now and once a day, as long as the instance runs."""
    while True:
        try:
            if purged := await purge_ended_sessions():
                _log.info("ended sessions purged", count=purged)
        except Exception:  # noqa: BLE001  # tomorrow it may work
            _log.warning("ended sessions could not be purged", exc_info=True)
        await asyncio.sleep(_DAY_SECONDS)


async def purge_ended_sessions() -> int:
    """Delete the sessions that ended or expired more than `RETENTION_DAYS` ago, with their refresh tokens.

    Returns how many; 0 as well when another instance is at it.

    Raises:
        DatabaseUnavailable: the database does not answer; what was deleted before stays deleted.
    """
    count = 0
    while purged := await _purge_some():
        count += purged
    return count


async def _purge_some() -> int:
    before = clock.now() - timedelta(days=get_settings().retention_days)
    old = (
        select(AuthSession.id)
        .where(or_(col(AuthSession.revoked_at) < before, col(AuthSession.expires_at) < before))
        .limit(_AT_ONCE)
    )
    async with transaction() as db:
        if not (await db.exec(select(func.pg_try_advisory_xact_lock(Lock.PURGE)))).one():
            return 0
        deleted = await db.exec(delete(AuthSession).where(col(AuthSession.id).in_(old)))
    return deleted.rowcount
