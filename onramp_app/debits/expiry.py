"""Releases expired holds. Any number of processes may run this: each hold is released by one of them."""

from sqlmodel import col, select

from onramp_app.db.engine import on_commit, transaction
from onramp_app.db.moments import moment_of
from onramp_app.debits.debits import Move, debit_of, settle
from onramp_app.debits.tables import DebitRecord
from onramp_app.debits.words import DebitStatus
from onramp_app.domain.environment import StepSource, current_environment
from onramp_app.fleet.changed_people import announce_changes
from onramp_app.fleet.watch import made_progress, rest
from onramp_app.ledger.debits import instructions
from onramp_app.ledger.posting import post
from onramp_app.ledger.transfers import Cause

AT_ONCE = 100
TICK_SECONDS = 5.0


async def keep_releasing() -> None:
    """Release holds as they expire, for ever."""
    while True:
        made_progress()
        if await release_expired() < AT_ONCE:
            await rest(TICK_SECONDS)


async def release_expired() -> int:
    """Release what is left of up to `AT_ONCE` expired holds. Returns how many.

    Raises:
        DatabaseUnavailable: holds whose release was not committed are released later.
    """
    async with transaction() as db:
        query = (
            select(DebitRecord)
            .where(
                DebitRecord.environment == current_environment().value,
                DebitRecord.status == DebitStatus.HELD.value,
                col(DebitRecord.expires_at) <= await moment_of(db),
            )
            .order_by(col(DebitRecord.expires_at), col(DebitRecord.id))
            .limit(AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        rows = (await db.exec(query)).all()
        cause = Cause(StepSource.CLOCK)
        released = [
            instructions.release(debit_of(row), row.left_minor, reference="", cause=cause) for row in rows
        ]
        for row in rows:
            await settle(db, row, Move.RELEASE, row.left_minor, reference=None)
        await post(db, released)
        people = [row.user_id for row in rows]
        on_commit(db, lambda: announce_changes(people))
    return len(rows)
