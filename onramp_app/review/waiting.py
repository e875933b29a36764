"""The open cases that wait for an operator, oldest first, and the closing of one that needs no decision."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlmodel import col, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.cases.tables import Case
from onramp_app.cases.words import CaseKind
from onramp_app.db.engine import execute, transaction
from onramp_app.domain.clock import now
from onramp_app.domain.errors import NotFound
from onramp_app.domain.ids import is_id
from onramp_app.domain.money import amount_text
from onramp_app.fleet.changed_people import announce_changes
from onramp_app.operators.errors import ActionNotPossible
from onramp_app.operators.four_eyes import Deed
from onramp_app.operators.mandate import Mandate, deciding
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import TopUpStatus

MAX_ITEMS = 1000

# Cases of these kinds are closed by the decision that they wait for.
_WANTS: dict[CaseKind, str] = {
    CaseKind.HELD: "Money is held: release or return its top-up.",
    CaseKind.SUSPENSE: "Money lies in suspense: attribute its order.",
    CaseKind.IN_REVIEW: "Its top-up is in review: close the top-up.",
}

# The amount is what was booked for the top-up, or else for the order; null where nothing was booked.
_OPEN = text("""
SELECT x.id, x.kind, x.environment, x.top_up_id, o.order_id, x.opened_at, x.detail, u.email,
       t.status, t.reason, s.code AS asset, s.scale,
       CASE WHEN t.has_entry THEN t.received_minor ELSE o.delivered_minor END AS amount_minor
  FROM exceptions x
  LEFT JOIN top_ups t ON t.id = x.top_up_id
  LEFT JOIN users u ON u.id = t.user_id
  LEFT JOIN provider_orders o ON o.id = coalesce(x.provider_order_id, t.best_order_id)
  LEFT JOIN assets s ON s.code = CASE WHEN t.has_entry THEN t.received_asset ELSE o.asset END
 WHERE x.closed_at IS NULL
 ORDER BY x.opened_at, x.id LIMIT :most
""")
_COUNT = text("SELECT count(*) FROM exceptions WHERE closed_at IS NULL")


@dataclass(frozen=True, slots=True)
class OpenCase:
    """One open case: what it is about, since when it is open, and why a person must look at it.

    `amount` is what was booked, in whole units of `asset`; both are None where nothing was booked.
    """

    id: str
    kind: str
    environment: str
    top_up_id: str | None
    status: str | None
    reason: str | None
    order_id: str | None
    since: datetime
    amount: str | None
    asset: str | None
    user: str | None
    why: str


@dataclass(frozen=True, slots=True)
class OpenCases:
    """The oldest open cases, and how many are open in all."""

    items: list[OpenCase]
    total: int


@dataclass(frozen=True, slots=True)
class ClosedCase:
    """The case that was closed."""

    id: str
    kind: str


async def waiting_cases(*, limit: int) -> OpenCases:
    """Return the oldest `limit` (at most 1,000) open cases. Raises `DatabaseUnavailable`."""
    async with transaction() as db:
        rows = (await execute(db, _OPEN, {"most": min(limit, MAX_ITEMS)})).all()
        total = (await execute(db, _COUNT)).scalar_one()
    items = [
        OpenCase(
            id=row.id,
            kind=row.kind,
            environment=row.environment,
            top_up_id=row.top_up_id,
            status=row.status,
            reason=row.reason,
            order_id=row.order_id,
            since=row.opened_at,
            amount=None if row.amount_minor is None else amount_text(int(row.amount_minor), scale=row.scale),
            asset=None if row.amount_minor is None else row.asset,
            user=row.email,
            why=row.detail,
        )
        for row in rows
    ]
    return OpenCases(items, total)


async def close_case(case_id: str, *, mandate: Mandate) -> ClosedCase:
    """Close a case that a person has looked at and that needs no decision.

    Raises:
        ValidationFailed, Forbidden: as in `operators.mandate.deciding`; Forbidden also where the top-up is
            the operator's own.
        NotFound: there is no such case or operator.
        ActionNotPossible: the case is closed already, or stands for money or a top-up that waits for a
            decision. A case of a review can be closed once its top-up is no longer in review.
        DatabaseUnavailable: whether it was closed is unknown; check before retrying.
    """
    async with deciding(mandate) as operator:
        at = now()
        found, top_up = await _locked(operator.db, case_id)
        if found.closed_at is not None:
            raise ActionNotPossible("This case is closed already.")
        kind = CaseKind(found.kind)
        if kind in _WANTS and not (kind is CaseKind.IN_REVIEW and _is_decided(top_up)):
            raise ActionNotPossible(_WANTS[kind])
        owners = await _owners(operator.db, found)
        # The audit log has always used this name for the deed.
        await operator.authorise(Deed("review.close_exception", found.id, concerns=owners))
        found.closed_at, found.closed_by, found.close_reason = at, operator.id, operator.reason
        about = {"kind": found.kind, "top_up": found.top_up_id, "order": found.provider_order_id}
        operator.write_audit(at=at, detail=about)
    # Because of the case, pages may be showing that a payment is being looked for.
    announce_changes(owners)
    return ClosedCase(found.id, found.kind)


async def _locked(db: AsyncSession, case_id: str) -> tuple[Case, TopUp | None]:
    """Return the case and its top-up, if any, both locked, the top-up first. Raises `NotFound`."""
    found = (await db.exec(select(Case).where(Case.id == case_id))).first() if is_id(case_id) else None
    if found is None:
        raise NotFound("There is no such case.")
    # A read that moves the top-up into review waits for this lock, and then opens another case.
    top_up = (await db.exec(select(TopUp).where(TopUp.id == found.top_up_id).with_for_update())).first()
    await db.refresh(found, with_for_update=True)
    return found, top_up


def _is_decided(top_up: TopUp | None) -> bool:
    """Return whether the top-up no longer needs a decision, since another order has moved it meanwhile."""
    return top_up is not None and (top_up.status != TopUpStatus.IN_REVIEW.value or top_up.has_entry)


async def _owners(db: AsyncSession, found: Case) -> frozenset[str]:
    """Return the owners of the top-ups that the case or its order names; empty where there are none."""
    of_order = select(OrderRecord.top_up_id).where(OrderRecord.id == found.provider_order_id)
    query = select(TopUp.user_id).where(
        or_(col(TopUp.id) == found.top_up_id, col(TopUp.id).in_(of_order.scalar_subquery()))
    )
    return frozenset((await db.exec(query)).all())
