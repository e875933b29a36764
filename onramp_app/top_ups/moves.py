"""Writes a top-up's new state and the line of its timeline that says who moved it, and on what evidence."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.domain.environment import StepSource
from onramp_app.providers.status import StatusClass
from onramp_app.top_ups.tables import TopUp, TopUpStep
from onramp_app.top_ups.transitions import Act, Charged, Reason, TopUpState, TopUpStatus


@dataclass(frozen=True, slots=True)
class Evidence:
    """Who or what moved a top-up, when and how; for a read of the provider, what was read of which order.

    `actor` is the person's id, where a person did it. `status_class` is what was read, and `hold` why a
    delivery is not simply credited. `detail` is shown to the owner of the top-up.
    """

    source: StepSource
    at: datetime
    act: Act
    actor: str | None = None
    status_class: StatusClass | None = None
    hold: Reason | None = None
    detail: str = ""
    provider_order_id: str | None = None
    order_version: int | None = None


def state_of(top_up: TopUp) -> TopUpState:
    """Return what decides how the top-up moves."""
    return TopUpState(
        TopUpStatus(top_up.status),
        reason=Reason(top_up.reason) if top_up.reason else None,
        charged=Charged(top_up.charged),
        rank=top_up.rank,
        has_entry=top_up.has_entry,
    )


def record(db: AsyncSession, top_up: TopUp, state: TopUpState, *, evidence: Evidence) -> None:
    """Give the top-up its new state, and its timeline a line. What was booked is the caller's to set."""
    if state != state_of(top_up):
        top_up.status, top_up.charged = state.status.value, state.charged.value
        top_up.reason = state.reason.value if state.reason else None
        top_up.rank, top_up.has_entry = state.rank, state.has_entry
        top_up.updated_at = evidence.at
        if state.rank >= StatusClass.CLAIMED.rank and top_up.claimed_at is None:
            top_up.claimed_at = evidence.at
        if state.status is TopUpStatus.SETTLED and top_up.settled_at is None:
            top_up.settled_at = evidence.at
    db.add(
        TopUpStep(
            top_up_id=top_up.id,
            at=evidence.at,
            status=state.status.value,
            reason=state.reason.value if state.reason else None,
            charged=state.charged.value,
            source=evidence.source.value,
            act=evidence.act.value,
            status_class=evidence.status_class.value if evidence.status_class else None,
            hold=evidence.hold.value if evidence.hold else None,
            actor=evidence.actor,
            detail=evidence.detail,
            provider_order_id=evidence.provider_order_id,
            order_version=evidence.order_version,
        )
    )
