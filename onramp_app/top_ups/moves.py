"""Moves top-ups: writes each new state with a timeline line that says who caused it, and lets them expire."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.cases.cases import Concern, open_cases
from onramp_app.cases.words import CaseKind
from onramp_app.db.arrays import of_moments, of_numbers, of_texts
from onramp_app.db.engine import before_commit, execute, on_commit, transaction
from onramp_app.db.moments import database_time
from onramp_app.domain.environment import StepSource, current_environment
from onramp_app.fleet.changed_people import announce_changes
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.providers.status import StatusClass
from onramp_app.telemetry import trace
from onramp_app.telemetry.trace import Trace, traced
from onramp_app.top_ups import notices
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import (
    ACT_OF,
    OPEN_SQL,
    UNPAID,
    Act,
    Action,
    Charged,
    Reason,
    State,
    TopUpStatus,
    on_action,
    sql_words,
)

AT_ONCE = 200
UNUSED_AFTER = timedelta(hours=24)
UNCHANGED_AFTER = timedelta(days=7)
UNKNOWN_AFTER = timedelta(hours=24)

_log = structlog.get_logger(__name__)

_STEPS = "steps"
# The rows are numbered in the order in which the steps were recorded, which is the order of the timeline.
_INSERT_STEPS = text("""
INSERT INTO top_up_steps (top_up_id, at, status, reason, charged, source, act, status_class, hold, actor,
                          detail, provider_order_id, order_version)
SELECT * FROM unnest(
    CAST(:top_ups AS text[]), CAST(:moments AS timestamptz[]), CAST(:statuses AS text[]),
    CAST(:reasons AS text[]), CAST(:charged AS text[]), CAST(:sources AS text[]), CAST(:acts AS text[]),
    CAST(:classes AS text[]), CAST(:holds AS text[]), CAST(:actors AS text[]), CAST(:details AS text[]),
    CAST(:orders AS text[]), CAST(:versions AS bigint[]))
""")
# The first condition repeats that of the partial index, so that the index is used. Only top-ups at least a
# day old are moved, so that most open ones are skipped within the index.
_EXPIRED = text(f"""
SELECT t.id FROM top_ups t
 WHERE t.environment = :environment AND t.status IN ({OPEN_SQL}) AND t.created_at < :unused
   AND ((t.status = 'created' AND t.created_at < :unused
         AND NOT EXISTS (SELECT FROM provider_orders o WHERE o.top_up_id = t.id OFFSET 0))
     OR (t.status IN ({sql_words(UNPAID)}) AND t.updated_at < :unchanged))
 ORDER BY t.id LIMIT :most FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - the words are our own  # nosec B608
# The OFFSETs keep the planner from reading all orders.
# A top-up follows its best order, so another order that makes progress keeps it open. An order that was only
# claimed does so until the top-up is processing: then a payment was seen, which outranks a claim.
_UNKNOWN = text(f"""
SELECT t.id FROM top_ups t
 WHERE t.environment = :environment AND t.status IN ({OPEN_SQL}) AND t.created_at < :since
   AND EXISTS (SELECT FROM provider_orders o
                WHERE o.top_up_id = t.id AND o.status_class = 'unknown' AND o.class_since < :since OFFSET 0)
   AND NOT EXISTS (SELECT FROM provider_orders o
                    WHERE o.top_up_id = t.id
                      AND (o.status_class IN ('paid', 'buying', 'bought', 'sending', 'delivered')
                           OR (o.status_class = 'claimed' AND t.status <> 'processing')) OFFSET 0)
 ORDER BY t.id LIMIT :most FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - the words are our own  # nosec B608


@dataclass(frozen=True, slots=True)
class Evidence:
    """Who or what moved a top-up, when and how; for a read of the provider, what was read of which order.

    `actor` is the person's id, where a person did it. `status_class` is the class that was read, and `hold`
    the reason why a delivery is not simply credited. `detail` is shown to the top-up's owner. For the log,
    `order_id` is the provider's id of the order, and `trace` the trace of the webhook that named the order.
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
    order_id: str | None = None
    trace: Trace | None = None


def note_paid(top_up: TopUp, order: OrderRecord) -> None:
    """Store the paid amount if it differs from the requested one and `order` is the top-up's best order."""
    if top_up.best_order_id != order.id:
        return
    paid = order.fiat_amount if top_up.charged == Charged.YES else None
    top_up.paid_amount = None if paid == top_up.fiat_amount else paid


def state_of(top_up: TopUp) -> State:
    """Return the state of a top-up, which decides how it moves."""
    return State(
        TopUpStatus(top_up.status),
        reason=Reason(top_up.reason) if top_up.reason else None,
        charged=Charged(top_up.charged),
        rank=top_up.rank,
        has_entry=top_up.has_entry,
    )


def record(db: AsyncSession, top_up: TopUp, state: State, *, evidence: Evidence) -> None:
    """Write a top-up's new state, and at the end of the transaction a line of its timeline.

    The caller sets the booked amount and flushes. The step is logged after the commit.
    """
    if state != state_of(top_up):
        notices.note(db, top_up, state, act=evidence.act, at=evidence.at)
        top_up.status, top_up.charged = state.status.value, state.charged.value
        top_up.reason = state.reason.value if state.reason else None
        top_up.rank, top_up.has_entry = state.rank, state.has_entry
        top_up.updated_at = evidence.at
        if state.rank >= StatusClass.CLAIMED.rank and top_up.claimed_at is None:
            top_up.claimed_at = evidence.at
        if state.status is TopUpStatus.SETTLED and top_up.settled_at is None:
            top_up.settled_at = evidence.at
    db.info.setdefault(_STEPS, []).append((top_up.id, state, evidence))
    before_commit(db, write_steps)
    on_commit(db, partial(_log_step, top_up.id, state, evidence, evidence.trace or trace.current()))


async def write_steps(db: AsyncSession) -> None:
    """Write this transaction's pending timeline lines: at its end, or earlier for a view within it.

    One statement writes them all: inserting them as objects took as long as the work that they record.
    """
    steps: list[tuple[str, State, Evidence]] = db.info.pop(_STEPS, [])
    if not steps:
        return
    await db.flush()  # A step's top-up may be new and not yet inserted.
    await execute(
        db,
        _INSERT_STEPS,
        {
            "top_ups": of_texts(top_up_id for top_up_id, _, _ in steps),
            "moments": of_moments(evidence.at for _, _, evidence in steps),
            "statuses": of_texts(state.status.value for _, state, _ in steps),
            "reasons": of_texts(state.reason and state.reason.value for _, state, _ in steps),
            "charged": of_texts(state.charged.value for _, state, _ in steps),
            "sources": of_texts(evidence.source.value for _, _, evidence in steps),
            "acts": of_texts(evidence.act.value for _, _, evidence in steps),
            "classes": of_texts(
                evidence.status_class and evidence.status_class.value for _, _, evidence in steps
            ),
            "holds": of_texts(evidence.hold and evidence.hold.value for _, _, evidence in steps),
            "actors": of_texts(evidence.actor for _, _, evidence in steps),
            "details": of_texts(evidence.detail for _, _, evidence in steps),
            "orders": of_texts(evidence.provider_order_id for _, _, evidence in steps),
            "versions": of_numbers(evidence.order_version for _, _, evidence in steps),
        },
    )


def _log_step(top_up_id: str, state: State, evidence: Evidence, of: Trace | None) -> None:
    # No `detail`: it may quote what an operator wrote.
    _log.info(
        "top-up step",
        top_up_id=top_up_id,
        order_id=evidence.order_id,
        status=state.status.value,
        reason=state.reason.value if state.reason else None,
        act=evidence.act.value,
        source=evidence.source.value,
        trace_id=of.trace_id if of else None,
    )


async def run_clock(at: datetime | None = None) -> int:
    """Move the top-ups whose time is up at `at` (default: now), and return how many.

    Raises:
        DatabaseUnavailable: the rest waits for the next run.
    """
    at = at or await database_time()
    expired = {"unused": at - UNUSED_AFTER, "unchanged": at - UNCHANGED_AFTER}
    moved = 0
    for statement, action, parameters in (
        (_EXPIRED, Action.EXPIRE, expired),
        (_UNKNOWN, Action.GIVE_UP_UNKNOWN, {"since": at - UNKNOWN_AFTER}),
    ):
        while True:
            async with traced("clock"), transaction() as db:
                found = (
                    await execute(
                        db,
                        statement,
                        {"environment": current_environment().value, "most": AT_ONCE, **parameters},
                    )
                ).scalars()
                users = await _act(db, list(found), action=action, at=at)
            announce_changes(users)
            moved += len(users)
            if len(users) < AT_ONCE:
                break
    return moved


async def _act(db: AsyncSession, ids: list[str], *, action: Action, at: datetime) -> list[str]:
    top_ups = (await db.exec(select(TopUp).where(col(TopUp.id).in_(ids)))).all() if ids else []
    concerns: list[Concern] = []
    for top_up in top_ups:
        step = on_action(state_of(top_up), action)
        if step is None:
            continue
        evidence = Evidence(StepSource.CLOCK, at, ACT_OF[action], detail=action.value)
        record(db, top_up, step.state, evidence=evidence)
        if step.opens_case:
            concerns.append(
                Concern(
                    CaseKind.IN_REVIEW,
                    top_up_id=top_up.id,
                    detail="a status that nobody knows, for a day",
                )
            )
    await db.flush()
    await open_cases(db, concerns, environment=current_environment(), at=at)
    return [top_up.user_id for top_up in top_ups]
