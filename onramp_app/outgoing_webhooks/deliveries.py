"""The log of an endpoint's deliveries, and redelivery by its program or an operator."""

import json
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Row, literal, text, tuple_
from sqlmodel import and_, col, or_, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.engine import execute, on_commit, transaction
from onramp_app.db.moments import moment, moment_of
from onramp_app.domain.errors import FieldError, NotFound, ValidationFailed
from onramp_app.domain.ids import is_id
from onramp_app.domain.paging import Position, read_cursor, write_cursor
from onramp_app.fleet import channels
from onramp_app.operators.four_eyes import Deed
from onramp_app.operators.mandate import Mandate, deciding
from onramp_app.outgoing_webhooks.endpoints import find
from onramp_app.outgoing_webhooks.errors import EndpointDisabled
from onramp_app.outgoing_webhooks.tables import OutgoingDelivery, OutgoingEvent, WebhookEndpoint
from onramp_app.outgoing_webhooks.views import AttemptView, DeliveryView
from onramp_app.outgoing_webhooks.words import MAX_ANSWER_BYTES, MAX_ATTEMPTS_KEPT, DeliveryState
from onramp_app.programs import records
from onramp_app.programs.living import lives
from onramp_app.programs.views import Program
from onramp_app.throttle import throttle

MAX_REDELIVERED = 10_000
MAX_ANSWER_LISTED = 500

_ATTEMPTS = text("""
SELECT a.* FROM unnest(CAST(:ids AS text[])) AS g (id)
 CROSS JOIN LATERAL (SELECT * FROM outgoing_attempts WHERE delivery_id = g.id
                      ORDER BY number DESC LIMIT :most) a
""")


async def page(
    program: Program,
    endpoint_id: str,
    *,
    state: DeliveryState | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> tuple[list[DeliveryView], str | None]:
    """Return one page of an endpoint's deliveries, newest first, and the next cursor or None.

    Each shows only its last attempt, with the first `MAX_ANSWER_LISTED` characters of the answer.

    Raises:
        NotFound: the program has no such endpoint.
        ValidationFailed: the cursor is not from an earlier answer.
    """
    made_at, row_id = col(OutgoingDelivery.made_at), col(OutgoingDelivery.id)
    query = (
        select(OutgoingDelivery, OutgoingEvent)
        .join(OutgoingEvent, col(OutgoingEvent.id) == col(OutgoingDelivery.event_id))
        .where(OutgoingDelivery.endpoint_id == endpoint_id)
    )
    if state is not None:
        query = query.where(col(OutgoingDelivery.state) == _literal(state))
    if cursor is not None:
        query = query.where(tuple_(made_at, row_id) < _place_of(cursor))
    async with transaction() as db:
        await find(db, program.id, endpoint_id)
        rows = (await db.exec(query.order_by(made_at.desc(), row_id.desc()).limit(limit + 1))).all()
        shown = await _views(db, rows[:limit], attempts=1, answer=MAX_ANSWER_LISTED)
    last = rows[limit - 1][0] if len(rows) > limit else None
    return shown, write_cursor(Position(last.made_at, last.id)) if last else None


async def get(program: Program, endpoint_id: str, delivery_id: str) -> DeliveryView:
    """Return one delivery with all of its attempts that are kept. Raises `NotFound`."""
    async with transaction() as db:
        found = await _find_delivery(db, await find(db, program.id, endpoint_id), delivery_id)
        (view,) = await _views(db, [found])
    return view


async def redeliver(program: Program, endpoint_id: str, delivery_id: str) -> DeliveryView:
    """Send one delivery again, even if it was delivered before; it keeps its id and its sequence.

    Raises:
        NotFound: the program has no such endpoint, or the endpoint no such delivery.
        EndpointDisabled: the endpoint is disabled.
        RateLimited: the program asks for redeliveries too often.
    """
    await throttle.attempt(throttle.REDELIVERIES, program.id)
    async with transaction() as db:
        endpoint = await find(db, program.id, endpoint_id, lock=True)
        row, event = await _find_delivery(db, endpoint, delivery_id)
        _refuse_disabled(endpoint)
        await _wake(db, col(OutgoingDelivery.id) == row.id)
        records.note(db, program, "webhook.redelivered", subject=row.id, detail={"event": event.id})
        await db.refresh(row)
        (view,) = await _views(db, [(row, event)])
    return view


async def redeliver_failed(program: Program, endpoint_id: str) -> int:
    """Send again the deliveries that failed or that wait for another attempt. Returns how many.

    Takes the oldest, up to `MAX_REDELIVERED`; call again for the rest.

    Raises:
        NotFound: the program has no such endpoint.
        EndpointDisabled: the endpoint is disabled.
        RateLimited: the program asks for redeliveries too often.
    """
    await throttle.attempt(throttle.ALL_REDELIVERIES, program.id)
    async with transaction() as db:
        endpoint = await find(db, program.id, endpoint_id, lock=True)
        number = await _wake_failed(db, endpoint)
        detail = {"deliveries": number}
        records.note(db, program, "webhook.all_redelivered", subject=endpoint_id, detail=detail)
    return number


async def redeliver_for(endpoint_id: str, delivery_id: str | None, *, mandate: Mandate) -> int:
    """As an operator, send one delivery again or, without an id, all failed ones. Returns how many.

    It only repeats events that the program got or should have got, so one operator may do it alone.

    Raises:
        NotFound: there is no such endpoint or delivery.
        EndpointDisabled: the endpoint is disabled, or none of the program's keys works.
        ValidationFailed, Forbidden: as `operators.mandate.deciding`.
    """
    async with deciding(mandate) as operator:
        endpoint = await find(operator.db, None, endpoint_id, lock=True)
        if not await lives(operator.db, endpoint.program_id):
            raise EndpointDisabled("No key of the program works, so nothing is sent to it.")
        deed = Deed("webhook.redelivered", endpoint.id, state={"delivery": delivery_id or "all"})
        if delivery_id is None:
            await operator.authorise(deed)
            number = await _wake_failed(operator.db, endpoint)
        else:
            row, _ = await _find_delivery(operator.db, endpoint, delivery_id)
            _refuse_disabled(endpoint)
            await operator.authorise(deed)
            number = await _wake(operator.db, col(OutgoingDelivery.id) == row.id)
        detail = {"program": endpoint.program_id, "delivery": delivery_id, "deliveries": number}
        operator.write_audit(at=await moment_of(operator.db), detail=detail)
    return number


async def _wake_failed(db: AsyncSession, endpoint: WebhookEndpoint) -> int:
    """Make the oldest undelivered deliveries due now. Returns how many. Raises `EndpointDisabled`."""
    _refuse_disabled(endpoint)
    # Exactly the condition of the partial index, so that it is used: a log is long.
    not_taken = or_(
        col(OutgoingDelivery.state) == _literal(DeliveryState.FAILED),
        and_(
            col(OutgoingDelivery.state) == _literal(DeliveryState.WAITING),
            col(OutgoingDelivery.first_tried_at).is_not(None),
        ),
    )
    oldest = (
        select(OutgoingDelivery.id)
        .where(OutgoingDelivery.endpoint_id == endpoint.id, not_taken)
        .order_by(col(OutgoingDelivery.made_at), col(OutgoingDelivery.id))
        .limit(MAX_REDELIVERED)
    )
    return await _wake(db, col(OutgoingDelivery.id).in_(oldest))


async def _wake(db: AsyncSession, *which: ColumnElement[bool]) -> int:
    """Make deliveries due now, as if they had never been tried. Returns how many."""
    woken = await db.exec(
        update(OutgoingDelivery)
        .where(*which)
        .values(
            state=DeliveryState.WAITING.value,
            due_at=moment(),
            attempts=0,
            first_tried_at=None,
            ended_at=None,
            problem=None,
        )
        .execution_options(synchronize_session=False)
    )
    on_commit(db, channels.webhook_due.ring)
    return woken.rowcount


async def _find_delivery(
    db: AsyncSession, endpoint: WebhookEndpoint, delivery_id: str
) -> tuple[OutgoingDelivery, OutgoingEvent]:
    """Return a delivery of an endpoint. Raises `NotFound`."""
    if is_id(delivery_id):
        query = (
            select(OutgoingDelivery, OutgoingEvent)
            .join(OutgoingEvent, col(OutgoingEvent.id) == col(OutgoingDelivery.event_id))
            .where(OutgoingDelivery.id == delivery_id, OutgoingDelivery.endpoint_id == endpoint.id)
        )
        if found := (await db.exec(query)).first():
            return found
    raise NotFound("There is no such delivery.")


def _literal(state: DeliveryState) -> ColumnElement[str]:
    # Not a parameter, because a plan for any state could not use the partial indexes over one state.
    return literal(state.value, literal_execute=True)


def _refuse_disabled(endpoint: WebhookEndpoint) -> None:
    if endpoint.disabled_at is not None:
        raise EndpointDisabled("Nothing is sent to this endpoint. Enable it first.")


def _place_of(cursor: str) -> tuple[Any, str]:
    try:
        after = read_cursor(cursor)
    except ValueError as error:
        message = "This is not a cursor of an earlier answer."
        raise ValidationFailed(
            "One or more fields cannot be used.", errors=(FieldError("cursor", message),)
        ) from error
    return after.created_at, after.id


async def _views(
    db: AsyncSession,
    rows: Iterable[tuple[OutgoingDelivery, OutgoingEvent]],
    *,
    attempts: int = MAX_ATTEMPTS_KEPT,
    answer: int = MAX_ANSWER_BYTES,
) -> list[DeliveryView]:
    found = list(rows)
    values = {"ids": [row.id for row, _ in found], "most": attempts}
    made: dict[str, list[AttemptView]] = {}
    for one in await execute(db, _ATTEMPTS, values):
        made.setdefault(one.delivery_id, []).append(_attempt(one, answer))
    return [_view(row, event, made.get(row.id, [])) for row, event in found]


def _attempt(row: Row[*tuple[Any, ...]], most: int) -> AttemptView:
    answer = None if row.answer is None else bytes(row.answer).decode(errors="replace")[:most]
    return AttemptView(row.at, row.took_ms, row.status, answer, row.problem)


def _view(row: OutgoingDelivery, event: OutgoingEvent, attempts: list[AttemptView]) -> DeliveryView:
    return DeliveryView(
        id=row.id,
        event_id=event.id,
        type=event.type,
        state=row.state,
        request=json.loads(event.body),
        created_at=row.made_at,
        next_attempt_at=row.due_at if row.state == DeliveryState.WAITING.value else None,
        ended_at=row.ended_at,
        problem=row.problem,
        attempts=tuple(attempts),
    )
