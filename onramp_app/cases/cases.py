"""Opens and closes cases, which a person must look at. At most one case is open for the same concern."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.cases.words import CaseKind
from onramp_app.db.engine import execute
from onramp_app.db.personal import Inner
from onramp_app.domain.environment import Environment
from onramp_app.domain.ids import new_id

BY_SYSTEM = "system"
# The cases of a top-up, for its owner's data file, without the operator's reason for closing one.
CASES = Inner(
    name="cases",
    shows={
        "kind": "exceptions.kind",
        "detail": "exceptions.detail",
        "opened_at": "exceptions.opened_at",
        "closed_at": "exceptions.closed_at",
    },
    source="exceptions",
    by="exceptions.top_up_id",
    order=("exceptions.opened_at", "exceptions.id"),
)
_MAX_DETAIL_LENGTH = 1000
_MAX_REASON_LENGTH = 500

_OPEN = text("""
INSERT INTO exceptions (id, environment, kind, top_up_id, provider_order_id, detail, opened_at)
SELECT c.id, :environment, c.kind, c.top_up_id, c.provider_order_id, c.detail, :at
  FROM unnest(CAST(:ids AS text[]), CAST(:kinds AS text[]), CAST(:top_up_ids AS text[]),
              CAST(:order_ids AS text[]), CAST(:details AS text[]))
       AS c (id, kind, top_up_id, provider_order_id, detail)
    ON CONFLICT DO NOTHING
RETURNING id
""")
# The unique index does not cover cases that name neither a top-up nor an order.
_UNNAMED = text("""
SELECT (SELECT count(*) FROM exceptions
         WHERE closed_at IS NULL AND top_up_id IS NULL AND provider_order_id IS NULL AND kind = :kind
           AND environment = :environment) AS open,
       EXISTS (SELECT FROM exceptions
                WHERE top_up_id IS NULL AND provider_order_id IS NULL AND kind = :kind
                  AND left(detail, 100) = left(:detail, 100) AND detail = :detail
                  AND environment = :environment) AS same
""")
_CLOSE = text("""
UPDATE exceptions SET closed_at = :at, closed_by = :by, close_reason = :reason
 WHERE closed_at IS NULL AND kind = :kind
   AND (top_up_id = :top_up_id OR provider_order_id = :provider_order_id)
""")


@dataclass(frozen=True, slots=True)
class Concern:
    """What a case is about: a top-up, a provider order (by the ids of their rows) or both, and why."""

    kind: CaseKind
    top_up_id: str | None = None
    provider_order_id: str | None = None
    detail: str = ""


async def open_cases(
    db: AsyncSession, concerns: Sequence[Concern], *, environment: Environment, at: datetime
) -> list[Concern]:
    """Open a case for each concern without an open one. Returns the concerns for which one was opened."""
    if not concerns:
        return []
    by_id = {new_id(): concern for concern in concerns}
    opened = await execute(
        db,
        _OPEN,
        {
            "environment": environment.value,
            "at": at,
            "ids": list(by_id),
            "kinds": [concern.kind.value for concern in concerns],
            "top_up_ids": [concern.top_up_id for concern in concerns],
            "order_ids": [concern.provider_order_id for concern in concerns],
            "details": [concern.detail[:_MAX_DETAIL_LENGTH] for concern in concerns],
        },
    )
    return [by_id[case_id] for case_id in opened.scalars()]


async def open_unnamed(  # noqa: PLR0913 - what the case says, and how often
    db: AsyncSession,
    kind: CaseKind,
    detail: str,
    *,
    most: int,
    is_once: bool = False,
    environment: Environment,
    at: datetime,
) -> None:
    """Open a case that names neither a top-up nor an order, unless `most` of the kind are already open.

    Args:
        db: the transaction.
        kind: why a person must look.
        detail: what to look at.
        most: how many such cases of the kind may be open at a time.
        is_once: whether the same detail opens only one case ever, even after that case was closed.
        environment: the environment of the money concerned.
        at: when the case is opened.
    """
    detail = detail[:_MAX_DETAIL_LENGTH]
    values = {"kind": kind.value, "environment": environment.value, "detail": detail}
    known = (await execute(db, _UNNAMED, values)).one()
    if known.open < most and not (is_once and known.same):
        await open_cases(db, [Concern(kind, detail=detail)], environment=environment, at=at)


async def close_cases(
    db: AsyncSession, concerns: Sequence[Concern], *, at: datetime, by: str = BY_SYSTEM
) -> None:
    """Close the open cases of these concerns; the concern's `detail` becomes the reason.

    Args:
        db: the transaction.
        concerns: each identifies cases by kind and by either of the two ids.
        at: when the cases are closed.
        by: the id of the operator who decided, or `BY_SYSTEM` if no person did.
    """
    if concerns:
        rows = [
            {
                "kind": concern.kind.value,
                "top_up_id": concern.top_up_id,
                "provider_order_id": concern.provider_order_id,
                "at": at,
                "by": by,
                "reason": concern.detail[:_MAX_REASON_LENGTH],
            }
            for concern in concerns
        ]
        await execute(db, _CLOSE, rows)
