"""When open top-ups were last read from the provider, and how a waiting person has them read again."""

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import func

from onramp_app.accounts.views import Viewer
from onramp_app.db.engine import execute, transaction
from onramp_app.db.moments import database_time
from onramp_app.domain.environment import current_environment
from onramp_app.provider_orders.tables import ProviderRead
from onramp_app.provider_orders.walks import RECENT, ask_for_read

_LOOK_EVERY_SECONDS = 0.25

# The oldest read of the currencies in which the person has an open top-up. A read alone is not enough: what
# was read has to be applied to the top-ups too.
_STANDING = text("""
SELECT count(*) AS open,
       CASE WHEN bool_and(r.began_at IS NOT NULL) THEN min(r.began_at) END AS read_at,
       bool_or(EXISTS (
           SELECT FROM widget_sessions w
             JOIN provider_orders o ON o.recognition_id = w.recognition_id
            WHERE w.top_up_id = t.id AND o.version > o.applied_version)) AS is_to_apply
  FROM top_ups t
  LEFT JOIN provider_reads r ON r.environment = t.environment AND r.fiat_type = t.fiat_type
 WHERE t.user_id = :user_id AND t.status IN ('created', 'awaiting_payment', 'processing')
""")


# A top-up that has ended is read as often as an open one only for a while (`RECENT`). Later walks of the
# whole history are not counted, so the answer may be too early but never too late.
_FRESH_UNTIL = text("""
SELECT GREATEST(t.created_at,
           CASE WHEN r.began_at IS NULL THEN NULL
                WHEN t.status IN ('created', 'awaiting_payment', 'processing') THEN r.began_at
                ELSE LEAST(r.began_at, (SELECT max(s.at) FROM top_up_steps s WHERE s.top_up_id = t.id)
                                       + CAST(:recent AS interval)) END)
  FROM top_ups t
  LEFT JOIN provider_reads r ON r.environment = t.environment AND r.fiat_type = t.fiat_type
 WHERE t.id = :top_up_id AND t.user_id = :user_id
""")


@dataclass(frozen=True, slots=True)
class Freshness:
    """Whether a person's open top-ups were read since the person asked, and when they were last read."""

    is_current: bool
    read_at: datetime | None


async def note_read(fiat_types: Collection[int], began_at: datetime) -> None:
    """Record complete reads of the open top-ups in these fiat types.

    Args:
        fiat_types: the fiat types that were read to the end.
        began_at: when the reads began, by `database_time`.
    """
    if not fiat_types:
        return
    environment = current_environment().value
    rows = [
        {"environment": environment, "fiat_type": fiat_type, "began_at": began_at}
        for fiat_type in sorted(set(fiat_types))
    ]
    made = insert(ProviderRead).values(rows)
    async with transaction() as db:
        await db.exec(
            made.on_conflict_do_update(
                index_elements=["environment", "fiat_type"],
                # A reader that was suspended for a while must not undo the newer time of another reader.
                set_={"began_at": func.greatest(ProviderRead.began_at, made.excluded.began_at)},
            )
        )


async def fresh_until(viewer: Viewer, top_up_id: str) -> datetime | None:
    """Return up to when our record of a top-up is known to be complete: its creation, or the last read.

    Returns:
        None when the top-up is not the person's.

    Raises:
        DatabaseUnavailable: the top-up could not be looked up.
    """
    values = {"top_up_id": top_up_id, "user_id": viewer.user_id, "recent": RECENT}
    async with transaction() as db:
        return (await execute(db, _FRESH_UNTIL, values)).scalar()


async def read_now(viewer: Viewer, *, within_seconds: float) -> Freshness:
    """Ask for the open top-ups to be read now, and wait until the read is applied to the person's own.

    Args:
        viewer: the person. Without an open top-up there is no wait.
        within_seconds: the longest time to wait.

    Returns:
        Not current when the provider or the reader is down or slow; `read_at` is None before any read.

    Raises:
        DatabaseUnavailable: the reader could not be asked.
    """
    asked_at = await database_time()
    await ask_for_read()
    end = time.monotonic() + within_seconds
    while True:
        standing = await _freshness(viewer, asked_at)
        if standing.is_current or time.monotonic() >= end:
            return standing
        await asyncio.sleep(_LOOK_EVERY_SECONDS)


async def _freshness(viewer: Viewer, asked_at: datetime) -> Freshness:
    async with transaction() as db:
        row = (await execute(db, _STANDING, {"user_id": viewer.user_id})).one()
    if row.open == 0:
        return Freshness(is_current=True, read_at=asked_at)
    is_read = row.read_at is not None and row.read_at >= asked_at
    return Freshness(is_current=is_read and not row.is_to_apply, read_at=row.read_at)
