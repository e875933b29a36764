"""Hints: webhooks that name an order to read. A hint makes its order due; if it leads nowhere, a case opens.

A hint decides which order is read and whose page shows that we are looking. It moves nothing.
"""

from collections.abc import Collection, Iterable, Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.cases.cases import Concern, open_cases, open_unnamed
from onramp_app.cases.words import CaseKind
from onramp_app.db.engine import execute, transaction
from onramp_app.db.moments import moment_of
from onramp_app.domain.environment import Environment
from onramp_app.domain.ids import new_id
from onramp_app.fleet.changed_people import announce_changes
from onramp_app.provider_orders.translation import Translation
from onramp_app.providers.status import Flow

MAX_REREADS = 10
_NOT_FOUND_DETAIL = "a webhook told of this payment, and the provider's list of orders does not show it"
_NAMELESS_DETAIL = (
    "webhook {event_id} tells of a purchase and names no order that can be read; while this is open, later"
    " ones like it stand in the list of webhooks only"
)

# A repeated webhook does not make an order due that was read as delivered and applied. An operator's request
# does, and also lets an order that could not be applied be retried at once.
_MARK = text("""
INSERT INTO provider_orders (id, environment, provider, flow, order_id, fiat_type, ordered_at, first_seen_at,
                             due_at, hinted_top_up_id, trace, hinted_at, version, applied_version)
SELECT g.id, :environment, 'onramp', g.flow, g.order_id, g.fiat_type, g.ordered_at, :at, :at, w.top_up_id,
       g.trace, g.hinted_at, 0, 0
  FROM unnest(CAST(:ids AS text[]), CAST(:flows AS text[]), CAST(:order_ids AS text[]),
              CAST(:fiat_types AS bigint[]), CAST(:ordered AS timestamptz[]),
              CAST(:recognitions AS text[]), CAST(:traces AS text[]), CAST(:hinted AS timestamptz[]))
       AS g (id, flow, order_id, fiat_type, ordered_at, recognition_id, trace, hinted_at)
  LEFT JOIN widget_sessions w ON w.recognition_id = g.recognition_id AND w.environment = :environment
 ORDER BY g.flow, g.order_id
    ON CONFLICT (environment, provider, flow, order_id) DO UPDATE
   SET due_at = excluded.due_at, read_failures = 0, trace = excluded.trace, hinted_at = excluded.hinted_at,
       apply_after = CASE WHEN NOT :is_requested THEN provider_orders.apply_after END,
       hinted_top_up_id = coalesce(excluded.hinted_top_up_id, provider_orders.hinted_top_up_id),
       fiat_type = CASE WHEN provider_orders.version = 0
                        THEN coalesce(excluded.fiat_type, provider_orders.fiat_type)
                        ELSE provider_orders.fiat_type END,
       ordered_at = CASE WHEN provider_orders.version = 0
                         THEN coalesce(excluded.ordered_at, provider_orders.ordered_at)
                         ELSE provider_orders.ordered_at END
 WHERE :is_requested OR provider_orders.status_class IS DISTINCT FROM 'delivered'
    OR provider_orders.version > provider_orders.applied_version
""")
# The pages of these people say that they were not charged, so they must be told that we are looking. For an
# open top-up, the read itself is the news.
_LATE = text("""
SELECT DISTINCT t.user_id FROM provider_orders o
  JOIN top_ups t ON t.id = coalesce(o.top_up_id, o.hinted_top_up_id)
 WHERE o.environment = :environment AND o.provider = 'onramp' AND o.flow = 'buy'
   AND o.order_id = ANY(CAST(:order_ids AS text[])) AND t.status IN ('canceled', 'expired', 'failed')
""")
# A webhook announces a completed purchase, so a read that does not show it is behind and is repeated.
# A due mark newer than the read's request stays, because the answer may predate it. After the first such
# read, the pages are told that a payment is being looked for.
_REREAD = text("""
WITH read AS (
UPDATE provider_orders
   SET due_at = CASE WHEN flow <> 'buy' OR status_class = 'delivered' OR read_failures >= :tries THEN NULL
                     ELSE CAST(:at AS timestamptz) + interval '1 second' * power(2, read_failures) END,
       read_failures = CASE WHEN flow <> 'buy' OR status_class = 'delivered' THEN 0
                            ELSE read_failures + 1 END,
       trace = CASE WHEN version > applied_version OR (flow = 'buy' AND read_failures < :tries
                         AND status_class IS DISTINCT FROM 'delivered') THEN trace END,
       hinted_at = CASE WHEN version > applied_version OR (flow = 'buy' AND read_failures < :tries
                             AND status_class IS DISTINCT FROM 'delivered') THEN hinted_at END
 WHERE environment = :environment AND flow = :flow AND due_at <= :asked_at
   AND order_id = ANY(CAST(:order_ids AS text[]))
RETURNING coalesce(top_up_id, hinted_top_up_id) AS top_up_id, read_failures)
SELECT DISTINCT t.user_id FROM read JOIN top_ups t ON t.id = read.top_up_id
 WHERE read.read_failures = 1 AND t.charged = 'no'
""")
# Hints that came to nothing. A top-up in processing is still being read, and one in review has its case.
_FRUITLESS = text("""
SELECT o.id, t.id AS top_up_id, t.user_id
  FROM provider_orders o LEFT JOIN top_ups t ON t.id = coalesce(o.top_up_id, o.hinted_top_up_id)
 WHERE o.environment = :environment AND o.flow = :flow AND o.flow = 'buy' AND o.due_at IS NULL
   AND o.read_failures > :tries AND o.status_class IS DISTINCT FROM 'delivered'
   AND o.order_id = ANY(CAST(:order_ids AS text[]))
   AND (t.id IS NULL OR t.status NOT IN ('processing', 'in_review'))
 ORDER BY o.id
""")
# A webhook announced a payment that no read has shown: it is being looked for, or the search became a case.
_SOUGHT = text("""
SELECT coalesce(top_up_id, hinted_top_up_id) FROM provider_orders
 WHERE (top_up_id = ANY(CAST(:ids AS text[])) OR hinted_top_up_id = ANY(CAST(:ids AS text[])))
   AND due_at IS NOT NULL AND status_class IS DISTINCT FROM 'delivered'
UNION
SELECT top_up_id FROM exceptions
 WHERE kind = 'not_found' AND closed_at IS NULL AND top_up_id = ANY(CAST(:ids AS text[]))
""")


@dataclass(frozen=True, slots=True)
class Hint:
    """An order to read, where and from when to look for it, and whose it may be, according to webhooks.

    `trace` and `hinted_at` are the trace and the time of the newest webhook that named the order.
    """

    flow: str
    order_id: str
    fiat_type: int | None
    ordered_at: datetime | None
    recognition_id: str | None
    trace: str | None = None
    hinted_at: datetime | None = None


def hint_of(translation: Translation) -> Hint | None:
    """Return the hint in a webhook; None where it names no order that can be read."""
    if translation.flow is None or translation.order_id is None:
        return None
    return Hint(
        translation.flow,
        translation.order_id,
        translation.fiat_type,
        translation.ordered_at,
        translation.recognition_id,
    )


def merged_hints(translations: Iterable[Translation]) -> list[Hint]:
    """Return one hint for each order; signed content takes precedence over unsigned bodies."""
    found: dict[tuple[str, str], Hint] = {}
    for one in sorted(translations, key=lambda one: one.is_content_signed):
        if (hint := hint_of(one)) is None:
            continue
        before = found.get((hint.flow, hint.order_id), hint)
        found[hint.flow, hint.order_id] = replace(
            hint,
            fiat_type=hint.fiat_type or before.fiat_type,
            ordered_at=hint.ordered_at or before.ordered_at,
            recognition_id=hint.recognition_id or before.recognition_id,
        )
    return list(found.values())


async def mark_due(
    db: AsyncSession,
    hints: Sequence[Hint],
    *,
    environment: Environment,
    at: datetime,
    is_requested: bool = False,
) -> Collection[str]:
    """Make orders due, and store what webhooks say about them.

    Args:
        db: the transaction.
        hints: at most one for each order.
        environment: the environment of the orders.
        at: from when the orders are due.
        is_requested: an operator wants the orders read, even if they were delivered and applied.

    Returns:
        The ids of users whose pages say that they were not charged; notify them after the commit.
    """
    if not hints:
        return ()
    await execute(
        db,
        _MARK,
        {
            "environment": environment.value,
            "at": at,
            "is_requested": is_requested,
            "ids": [new_id() for _ in hints],
            "flows": [hint.flow for hint in hints],
            "order_ids": [hint.order_id for hint in hints],
            "fiat_types": [hint.fiat_type for hint in hints],
            "ordered": [hint.ordered_at for hint in hints],
            "recognitions": [hint.recognition_id for hint in hints],
            "traces": [hint.trace for hint in hints],
            "hinted": [hint.hinted_at for hint in hints],
        },
    )
    order_ids = [hint.order_id for hint in hints if hint.flow == Flow.BUY.value]
    late = await execute(db, _LATE, {"environment": environment.value, "order_ids": order_ids})
    return late.scalars().all()


async def open_nameless(db: AsyncSession, event_id: int, *, environment: Environment, at: datetime) -> None:
    """Open a case for a webhook about a purchase that names no order which can be read.

    At most one such case is open at a time: anybody who has seen a signed header can send twenty such
    webhooks, and an operator can ask for any number of the provider's examples.
    """
    detail = _NAMELESS_DETAIL.format(event_id=event_id)
    await open_unnamed(db, CaseKind.NOT_FOUND, detail, most=1, environment=environment, at=at)


async def sought_of(db: AsyncSession, top_up_ids: Collection[str]) -> set[str]:
    """Return which of these top-ups a webhook called paid and no read has shown as paid.

    We cannot say that the owner of such a top-up was not charged.
    """
    if not top_up_ids:
        return set()
    found = await execute(db, _SOUGHT, {"ids": list(top_up_ids)})
    return set(found.scalars())


async def clear_due(order_ids: Set[str], *, environment: Environment, flow: Flow, asked_at: datetime) -> None:
    """Clear the due marks of orders that a walk showed as delivered; schedule rereads of others, up to ten.

    A purchase that is not found by then becomes a case: somebody may have paid without getting anything.

    Args:
        order_ids: the due orders that the walk looked for.
        environment: the environment of the orders.
        flow: the flow of the walk. Sell orders are never read again.
        asked_at: when the walk began, by the database; marks made since then stay.
    """
    if not order_ids:
        return
    values = {
        "environment": environment.value,
        "flow": flow.value,
        "order_ids": list(order_ids),
        "tries": MAX_REREADS,
    }
    async with transaction() as db:
        at = await moment_of(db)
        looking = (await execute(db, _REREAD, {**values, "at": at, "asked_at": asked_at})).scalars().all()
        rows = (await execute(db, _FRUITLESS, values)).all()
        concerns = {
            Concern(
                CaseKind.NOT_FOUND,
                top_up_id=row.top_up_id,
                provider_order_id=row.id,
                detail=_NOT_FOUND_DETAIL,
            ): row.user_id
            for row in rows
        }
        opened = await open_cases(db, list(concerns), environment=environment, at=at)
    announce_changes({*looking, *(user_id for one in opened if (user_id := concerns[one]) is not None)})
