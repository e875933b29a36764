"""Applies orders that were read: moves top-ups, posts to the ledger and marks the orders, in one transaction.

Many orders share a transaction. If it fails, each half is tried separately, so that a failing order does not
hold up the others. That order backs off, is retried apart from those that never failed, and becomes a case.
Everything is decided under the locks of the order and its top-up, and each delivery has its own reference in
the ledger, so that applying is idempotent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog
from prometheus_client import Counter
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from onramp_app.cases.cases import BY_SYSTEM, Concern, close_cases, open_cases
from onramp_app.cases.words import CaseKind
from onramp_app.crediting.batch import Batch
from onramp_app.crediting.context import load_context
from onramp_app.crediting.delivery import Symbols
from onramp_app.db.engine import execute, transaction
from onramp_app.db.moments import moment, moment_of
from onramp_app.domain.environment import current_environment
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.fleet.changed_people import Credit
from onramp_app.fleet.watch import made_progress
from onramp_app.ledger.posting import post
from onramp_app.provider_orders.tables import OrderRecord

ORDERS_AT_ONCE = 50
# One failure among fifty has many orders applied several times over. After one failure, more are likely.
ORDERS_AT_ONCE_AFTER_FAILURE = 8
RETRIED_AT_ONCE = 4
FAILURES_BEFORE_CASE = 3
JUDGED_AGAIN_AT_ONCE = 500
MAX_BACKOFF_SECONDS = 600

_Query = SelectOfScalar[OrderRecord]

_APPLIED = Counter("provider_orders_applied", "Provider orders applied.", ["outcome"])
_log = structlog.get_logger(__name__)

_FAILED = text("""
UPDATE provider_orders
   SET apply_failures = apply_failures + 1, apply_error = :error,
       apply_after = clock_timestamp()
                   + interval '1 second' * least(power(2, least(apply_failures, 20) + 2), :most)
 WHERE id = :id RETURNING apply_failures
""")
# A case that an operator closed stays closed, since its record says how it ended. The OFFSETs keep the
# planner from reading all cases.
_ENDED_BY_HAND = (
    "e.closed_by <> :system AND e.kind IN ('not_ours', 'record_unreadable', 'in_review') OFFSET 0"
)
_AGAIN = text(f"""
WITH unbooked AS (
    SELECT o.id, o.top_up_id, o.applied_version = o.version AND o.version > 0 AS is_applied
      FROM provider_orders o
     WHERE o.environment = :environment AND o.flow = 'buy' AND o.status_class = 'delivered'
       AND o.delivered_minor IS NULL AND o.id > :after
     ORDER BY o.id LIMIT :most FOR UPDATE SKIP LOCKED),
marked AS (
    UPDATE provider_orders SET applied_version = version - 1, apply_after = NULL
     WHERE id = ANY(ARRAY(
        SELECT s.id FROM unbooked s
         WHERE s.is_applied
           AND NOT EXISTS (SELECT FROM exceptions e WHERE e.provider_order_id = s.id AND {_ENDED_BY_HAND})
           AND NOT EXISTS (SELECT FROM exceptions e WHERE e.top_up_id = s.top_up_id AND {_ENDED_BY_HAND})))
    RETURNING id)
SELECT (SELECT max(id) FROM unbooked) AS last, (SELECT count(*) FROM unbooked) AS seen,
       (SELECT count(*) FROM marked) AS marked
""")  # noqa: S608 - words of our own  # nosec B608


@dataclass(slots=True)
class AppliedRound:
    """What one round did: orders taken and failed, users whose top-ups or balances changed, credits.

    `was_split`: a group of orders failed and was retried in halves. `is_full`: the round took as many orders
    as it may, so there may be more.
    """

    orders: int = 0
    failed: int = 0
    was_split: bool = False
    is_full: bool = False
    users: set[str] = field(default_factory=set)
    credits: list[Credit] = field(default_factory=list)

    def note(self, batch: Batch | None) -> None:
        """Add the results of a committed batch."""
        if batch is None:
            return
        self.users |= batch.users
        noted = [booked.note_commit(began=batch.began_at) for booked in batch.booked]
        self.credits += [credit for credit in noted if credit is not None]


async def apply_some(symbols: Symbols, *, most: int = ORDERS_AT_ONCE) -> AppliedRound:
    """Apply orders that were read and not applied yet, skipping those that another process has locked.

    Args:
        symbols: our symbols for the provider's ids.
        most: the largest number of orders to take.

    Raises:
        DatabaseUnavailable: nothing of this round is certain; what was not committed is taken again.
    """
    applied = AppliedRound()
    new = await _apply_claimed(partial(_due, has_failed=False, most=most), symbols, applied=applied)
    applied.orders = len(new)
    applied.is_full = len(new) == most
    return applied


async def retry_some(symbols: Symbols) -> AppliedRound:
    """Retry orders that failed before and whose back-off has ended, each in its own transaction.

    Args:
        symbols: our symbols for the provider's ids.

    Raises:
        DatabaseUnavailable: as in `apply_some`.
    """
    applied = AppliedRound()
    one_that_failed = partial(_due, has_failed=True, most=1)
    while applied.orders < RETRIED_AT_ONCE and await _apply_claimed(
        one_that_failed, symbols, applied=applied
    ):
        applied.orders += 1
    applied.is_full = applied.orders == RETRIED_AT_ONCE
    return applied


async def judge_again() -> int:
    """Mark every unbooked delivery to be judged again, and return how many were marked.

    A delivery that was judged with an older map of coins and chains, or before one of our addresses was
    configured, may be ours after all, and the provider sends nothing new about an order that has ended.

    Raises:
        DatabaseUnavailable: deliveries that were already marked stay marked.
    """
    values = {"environment": current_environment().value, "system": BY_SYSTEM, "most": JUDGED_AGAIN_AT_ONCE}
    marked, after, seen = 0, "", JUDGED_AGAIN_AT_ONCE
    while seen == JUDGED_AGAIN_AT_ONCE:
        made_progress()
        async with transaction() as db:
            row = (await execute(db, _AGAIN, values | {"after": after})).one()
        marked, after, seen = marked + row.marked, row.last, row.seen
    return marked


async def _apply_claimed(
    query: Callable[[], _Query], symbols: Symbols, *, applied: AppliedRound
) -> Sequence[str]:
    """Apply the orders of a query together or, if that fails, in halves. Return the ids of all of them."""
    ids: Sequence[str] = ()
    made_progress()
    try:
        async with transaction() as db:
            # `key_share` lets others still reference the orders: a decision that locks a top-up books for its
            # order.
            orders = (await db.exec(query().with_for_update(skip_locked=True, key_share=True))).all()
            ids = [order.id for order in orders]
            batch = await _apply(db, orders, symbols)
        applied.note(batch)
        _APPLIED.labels("ok").inc(len(ids))
    except DatabaseUnavailable:
        raise
    except Exception as error:
        if not ids:
            raise
        if len(ids) > 1:
            # One failure among fifty then costs a dozen transactions; trying each alone would cost fifty.
            _log.warning("orders are applied in halves", count=len(ids), error=type(error).__name__)
            applied.was_split = True
            middle = len(ids) // 2
            for half in (ids[:middle], ids[middle:]):
                await _apply_claimed(partial(_these, half), symbols, applied=applied)
        else:
            reason = _reason_of(error)
            _log.error("order cannot be applied", provider_order_id=ids[0], reason=reason)
            _APPLIED.labels("failed").inc()
            applied.failed += 1
            await _note_failure(ids[0], reason)
    return ids


def _these(ids: Sequence[str]) -> _Query:
    return (
        select(OrderRecord)
        .where(col(OrderRecord.id).in_(ids), OrderRecord.version > OrderRecord.applied_version)
        .order_by(col(OrderRecord.id))
    )


def _due(*, has_failed: bool, most: int) -> _Query:
    return (
        select(OrderRecord)
        .where(
            OrderRecord.version > OrderRecord.applied_version,
            OrderRecord.environment == current_environment().value,
            or_(col(OrderRecord.apply_after).is_(None), col(OrderRecord.apply_after) <= moment()),
            OrderRecord.apply_failures > 0 if has_failed else OrderRecord.apply_failures == 0,
        )
        .order_by(col(OrderRecord.id))
        .limit(most)
    )


async def _apply(db: AsyncSession, orders: Sequence[OrderRecord], symbols: Symbols) -> Batch | None:
    if not orders:
        return None
    environment, at = current_environment(), await moment_of(db)
    context = await load_context(db, orders, environment=environment, at=at)
    batch = Batch(db, context, symbols=symbols, environment=environment, at=at)
    for order in orders:
        await batch.take(order)
    await db.flush()
    await close_cases(db, batch.answered, at=at)
    await open_cases(db, batch.concerns, environment=environment, at=at)
    await post(db, batch.instructions)
    return batch


def _reason_of(error: Exception) -> str:
    """Return why applying failed, without row values, which the database's full message repeats."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    message = getattr(getattr(cause, "diag", None), "message_primary", None) or str(cause)
    return f"{type(cause).__name__}: {message}"[:500]


async def _note_failure(order_id: str, reason: str) -> None:
    """Schedule the order's retry, and after three failures open a case."""
    values = {"id": order_id, "error": reason, "most": MAX_BACKOFF_SECONDS}
    async with transaction() as db:
        failures = (await execute(db, _FAILED, values)).scalar()
        if failures and failures >= FAILURES_BEFORE_CASE:
            concern = Concern(CaseKind.APPLY_FAILED, provider_order_id=order_id, detail=reason)
            await open_cases(db, [concern], environment=current_environment(), at=await moment_of(db))
