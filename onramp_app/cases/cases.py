"""Opens and closes cases: what a person must look at. One case is open at a time for the same thing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.cases.words import CaseKind
from onramp_app.db.engine import execute
from onramp_app.domain.environment import Environment
from onramp_app.domain.ids import new_id

BY_SYSTEM = "system"

_OPEN = text("""
INSERT INTO exceptions (id, environment, kind, top_up_id, provider_order_id, detail, opened_at)
VALUES (:id, :environment, :kind, :top_up_id, :provider_order_id, :detail, :at) ON CONFLICT DO NOTHING
""")
_CLOSE = text("""
UPDATE exceptions SET closed_at = :at, closed_by = :by, close_reason = :reason
 WHERE closed_at IS NULL AND kind = :kind
   AND (top_up_id = :top_up_id OR provider_order_id = :provider_order_id)
""")


@dataclass(frozen=True, slots=True)
class Concern:
    """What a case is about: a top-up, a provider order (each by the id of our row) or both, and why."""

    kind: CaseKind
    top_up_id: str | None = None
    provider_order_id: str | None = None
    detail: str = ""


async def open_cases(
    db: AsyncSession, concerns: Sequence[Concern], *, environment: Environment, at: datetime
) -> None:
    """Open a case for each concern that has none open."""
    if concerns:
        rows = [
            {
                "id": new_id(),
                "environment": environment.value,
                "kind": concern.kind.value,
                "top_up_id": concern.top_up_id,
                "provider_order_id": concern.provider_order_id,
                "detail": concern.detail[:1000],
                "at": at,
            }
            for concern in concerns
        ]
        await execute(db, _OPEN, rows)


async def close_cases(
    db: AsyncSession, concerns: Sequence[Concern], *, at: datetime, by: str = BY_SYSTEM
) -> None:
    """Close the cases of these concerns, whose `detail` says why: `by` an operator's id, or the system."""
    if concerns:
        rows = [
            {
                "kind": concern.kind.value,
                "top_up_id": concern.top_up_id,
                "provider_order_id": concern.provider_order_id,
                "at": at,
                "by": by,
                "reason": concern.detail[:500],
            }
            for concern in concerns
        ]
        await execute(db, _CLOSE, rows)
