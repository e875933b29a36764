"""Sends webhooks to endpoints, each at least once. Any number of processes may: each claims its deliveries.

A delivery is claimed by moving its `due_at` forward, so a process that dies delays it only until then. If the
process dies after the endpoint acknowledged the webhook and before that is recorded, the webhook is sent a
second time with the same `webhook-id`: twice is better than never. A later event of an object waits until the
earlier one has been delivered or given up.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from time import monotonic

import prometheus_client
import structlog
from sqlalchemy import text
from sqlmodel import col, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import HAS_ROLE, User
from onramp_app.accounts.words import Role
from onramp_app.db.engine import execute, on_commit, transaction
from onramp_app.db.moments import moment_of
from onramp_app.domain.clock import rfc3339
from onramp_app.domain.ids import new_id
from onramp_app.fleet import channels
from onramp_app.fleet.watch import end, made_progress
from onramp_app.mail import outbox
from onramp_app.mail.outbox import Mail
from onramp_app.mail.words import MailKind
from onramp_app.outgoing_webhooks import signing
from onramp_app.outgoing_webhooks.endpoints import GIVEN_UP_AT_ONCE, disable, find, give_up_stranded
from onramp_app.outgoing_webhooks.post import AT_ONCE, TOTAL_SECONDS, Answer, Poster
from onramp_app.outgoing_webhooks.schedule import next_try
from onramp_app.outgoing_webhooks.tables import OutgoingDelivery, OutgoingEvent, WebhookEndpoint
from onramp_app.outgoing_webhooks.words import MAX_ATTEMPTS_KEPT, TEST_TYPE, DeliveryState, Disabled
from onramp_app.programs.living import living_key_of
from onramp_app.programs.tables import ProgramRow

# Concurrent requests of each process to one program and to one endpoint (a failing endpoint gets one at a
# time). However slow the endpoints of one program are, this leaves places for others.
OF_ONE_PROGRAM = AT_ONCE // 4
OF_ONE_ENDPOINT = 4
# Longer than a request and recording its outcome may take.
TAKEN_SECONDS = 2 * TOTAL_SECONDS + 30
SEND_WITHIN_SECONDS = TAKEN_SECONDS
TICK_SECONDS = 2.0
SWEEP_EVERY_SECONDS = 60.0
_CONTENT = {"content-type": "application/json; charset=utf-8", "user-agent": "onramp-app-webhooks/1"}

# Programs, and endpoints within a program, with fewer requests under way come first, so that one with many
# deliveries keeps no other waiting. `now()` rather than `clock_timestamp()`, because only a stable value can
# be searched in the index: many deliveries may wait for an endpoint that takes none.
_TAKE = text(f"""
WITH busy AS (
    SELECT e.id AS endpoint_id, e.program_id, b.number
      FROM unnest(CAST(:busy AS text[]), CAST(:busy_with AS integer[])) AS b (endpoint_id, number)
      JOIN webhook_endpoints e ON e.id = b.endpoint_id),
due AS (
    SELECT d.id, d.endpoint_id, e.program_id, d.due_at, coalesce(b.number, 0) AS under_way
      FROM webhook_endpoints e LEFT JOIN busy b ON b.endpoint_id = e.id
     CROSS JOIN LATERAL (
        SELECT d.id, d.endpoint_id, d.due_at FROM outgoing_deliveries d
         WHERE d.endpoint_id = e.id AND d.state = 'waiting' AND d.due_at <= now()
           AND NOT EXISTS (SELECT FROM outgoing_deliveries o
                            WHERE o.endpoint_id = d.endpoint_id AND o.object = d.object
                              AND o.sequence < d.sequence AND o.state = 'waiting')
         ORDER BY d.due_at
         LIMIT greatest(0, CASE WHEN e.failing_since IS NULL THEN :each ELSE 1 END - coalesce(b.number, 0))
           FOR UPDATE SKIP LOCKED) d
     WHERE e.disabled_at IS NULL AND {living_key_of("e.program_id")}),
turns AS (
    SELECT id, program_id, due_at,
           under_way + row_number() OVER (PARTITION BY endpoint_id ORDER BY due_at) AS turn
      FROM due),
places AS (
    SELECT id, due_at, row_number() OVER (PARTITION BY program_id ORDER BY turn, due_at)
           + coalesce((SELECT sum(number) FROM busy b WHERE b.program_id = turns.program_id), 0) AS place
      FROM turns)
UPDATE outgoing_deliveries
   SET due_at = clock_timestamp() + :seconds * interval '1 second'
 WHERE id IN (SELECT id FROM places WHERE place <= :of_program ORDER BY place, due_at LIMIT :most)
RETURNING id, due_at
""")  # noqa: S608 - names of columns  # nosec B608
_ATTEMPT = text(f"""
WITH last AS (SELECT coalesce(max(number), 0) AS number FROM outgoing_attempts WHERE delivery_id = :id),
gone AS (
    DELETE FROM outgoing_attempts a USING last
     WHERE a.delivery_id = :id AND a.number <= last.number + 1 - {MAX_ATTEMPTS_KEPT})
INSERT INTO outgoing_attempts (delivery_id, number, at, took_ms, status, answer, problem)
SELECT :id, last.number + 1, :at, :took_ms, :status, :answer, :problem FROM last
""")  # noqa: S608 - a number of our own  # nosec B608
_TOOK_ANY_SINCE = text("""
SELECT EXISTS (SELECT FROM outgoing_deliveries
                WHERE endpoint_id = :endpoint_id AND state = 'delivered' AND ended_at > :since)
""")

_ATTEMPTS = prometheus_client.Counter(
    "outgoing_webhook_attempts", "Requests to endpoints of programs, by what became of them.", ["outcome"]
)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """A delivery claimed by this process until `until`, with everything that its request needs."""

    id: str
    until: datetime
    event: OutgoingEvent
    endpoint: WebhookEndpoint
    at: datetime


async def keep_sending() -> None:
    """Send webhooks as they become due, for ever: to many endpoints at a time, none waiting for another."""
    async with Poster() as poster:
        await keep_sending_by(poster)


async def keep_sending_by(poster: Poster) -> None:
    """Send webhooks as they become due, for ever, with the caller's poster."""
    sending: dict[asyncio.Task[None], str] = {}
    swept_at = float("-inf")
    try:
        while True:
            made_progress()
            if monotonic() > swept_at + SWEEP_EVERY_SECONDS and await give_up_stranded() < GIVEN_UP_AT_ONCE:
                swept_at = monotonic()
            is_full = len(sending) >= AT_ONCE
            taken = [] if is_full else await take_some(AT_ONCE - len(sending), Counter(sending.values()))
            for one in taken:
                sending[asyncio.create_task(send_one(one, poster))] = one.endpoint.id
            if not taken:
                await _next(set(sending))
            for task in [task for task in sending if task.done()]:
                del sending[task]
                if (error := task.exception()) is not None:
                    # Its outcome is not recorded, so it becomes due again; the others go on.
                    _log.warning("an attempt could not be noted", error=type(error).__name__)
    finally:
        await asyncio.gather(*map(end, sending))


async def _next(sending: set[asyncio.Task[None]]) -> None:
    """Wait until a delivery may be due, or a request is done and the next event of its object may be sent."""
    bell = asyncio.create_task(channels.webhook_due.wait(TICK_SECONDS))
    try:
        await asyncio.wait({*sending, bell}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        bell.cancel()
        await asyncio.wait({bell})


async def send_some(poster: Poster) -> int:
    """Claim due deliveries, send them, and return how many there were."""
    taken = await take_some(AT_ONCE, Counter())
    await asyncio.gather(*(send_one(one, poster) for one in taken))
    return len(taken)


async def take_some(most: int, busy: Counter[str]) -> list[Taken]:
    """Claim deliveries that are due.

    Args:
        most: how many to claim at most.
        busy: how many requests this process has under way, by endpoint id.

    Raises:
        DatabaseUnavailable: deliveries that were claimed become due again after `TAKEN_SECONDS`.
    """
    values = {
        "most": most,
        "of_program": OF_ONE_PROGRAM,
        "each": OF_ONE_ENDPOINT,
        "seconds": TAKEN_SECONDS,
        "busy": list(busy),
        "busy_with": list(busy.values()),
    }
    async with transaction() as db:
        until = {row.id: row.due_at for row in await execute(db, _TAKE, values)}
        if not until:
            return []
        query = (
            select(OutgoingDelivery.id, OutgoingEvent, WebhookEndpoint)
            .join(OutgoingEvent, col(OutgoingEvent.id) == col(OutgoingDelivery.event_id))
            .join(WebhookEndpoint, col(WebhookEndpoint.id) == col(OutgoingDelivery.endpoint_id))
            .where(col(OutgoingDelivery.id).in_(until))
        )
        at = await moment_of(db)
        rows = (await db.exec(query)).all()
    await _seal_again({endpoint.id: endpoint for *_, endpoint in rows})
    return [Taken(id_, until[id_], event, endpoint, at) for id_, event, endpoint in rows]


async def _seal_again(endpoints: Mapping[str, WebhookEndpoint]) -> None:
    """Seal again with the current key those secrets that an earlier key sealed, because it will be dropped.

    In separate transactions, because all others lock an endpoint before its deliveries.
    """
    for endpoint_id, endpoint in endpoints.items():
        for name in ("sealed_secret", "sealed_previous"):
            sealed: bytes | None = getattr(endpoint, name)
            opened = signing.unseal(sealed, endpoint_id=endpoint_id) if sealed else None
            if opened is None or opened[1]:
                continue
            again = signing.seal(opened[0], endpoint_id=endpoint_id)
            async with transaction() as db:
                await db.exec(
                    update(WebhookEndpoint)
                    .where(col(WebhookEndpoint.id) == endpoint_id, getattr(WebhookEndpoint, name) == sealed)
                    .values({name: again})
                    .execution_options(synchronize_session=False)
                )


async def send_test(endpoint_id: str) -> Answer:
    """Send a webhook of the type `webhook.test` to an endpoint now, without recording it.

    Raises:
        NotFound: there is no such endpoint.
    """
    async with transaction() as db:
        endpoint, at = await find(db, None, endpoint_id), await moment_of(db)
    document = {"type": TEST_TYPE, "timestamp": rfc3339(at), "data": {"endpoint_id": endpoint.id}}
    async with Poster() as poster:
        return await _post(poster, endpoint, new_id(), json.dumps(document).encode(), at=at)


async def _post(poster: Poster, endpoint: WebhookEndpoint, id_: str, body: bytes, *, at: datetime) -> Answer:
    keys = _keys_of(endpoint, at=at)
    if not keys:
        return Answer(problem="its secret cannot be opened any more: give it a new one")
    signed = signing.headers(id_, int(at.timestamp()), body, keys=keys)
    return await poster.post(endpoint.url, body, signed | _CONTENT)


async def send_one(taken: Taken, poster: Poster) -> None:
    """Send a claimed delivery, and record its outcome. Raises `DatabaseUnavailable`."""
    event = taken.event
    answer = await _post(poster, taken.endpoint, event.id, event.body, at=taken.at)
    outcome = "taken" if answer.is_taken else "refused" if answer.status else "unreachable"
    _ATTEMPTS.labels(outcome).inc()
    async with transaction() as db:
        await _conclude(db, taken, answer)


def _keys_of(endpoint: WebhookEndpoint, *, at: datetime) -> list[bytes]:
    """Return the secrets that sign at `at`, the current one first; none if that cannot be unsealed."""
    sealed = [endpoint.sealed_secret]
    if endpoint.sealed_previous and endpoint.previous_until and endpoint.previous_until > at:
        sealed.append(endpoint.sealed_previous)
    opened = [signing.unseal(one, endpoint_id=endpoint.id) for one in sealed]
    return [] if opened[0] is None else [one[0] for one in opened if one is not None]


async def _conclude(db: AsyncSession, taken: Taken, answer: Answer) -> None:
    endpoint = taken.endpoint
    if not answer.is_taken or endpoint.failing_since is not None:
        # The endpoint before its deliveries: everything that changes both takes the locks in this order.
        endpoint = await _locked(db, taken.endpoint.id) or endpoint
    query = select(OutgoingDelivery).where(OutgoingDelivery.id == taken.id).with_for_update()
    row = (await db.exec(query)).first()
    if row is None:  # its endpoint was removed, or the account was closed
        return
    now = await moment_of(db)
    values = {"took_ms": answer.took_ms, "status": answer.status, "problem": answer.problem}
    await execute(
        db,
        _ATTEMPT,
        {"id": row.id, "at": taken.at, "answer": answer.body.replace(b"\0", b"?") if answer.status else None}
        | values,
    )
    if row.state != DeliveryState.WAITING.value:
        return
    if answer.is_taken:
        row.attempts += 1
        row.first_tried_at = row.first_tried_at or taken.at
        row.state, row.ended_at, row.problem = DeliveryState.DELIVERED.value, now, None
        endpoint.failing_since = None
    elif row.due_at == taken.until:  # nobody has claimed or redelivered it meanwhile
        await _note_failure(db, row, endpoint, answer, taken=taken, now=now)


async def _locked(db: AsyncSession, endpoint_id: str) -> WebhookEndpoint | None:
    query = select(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id)
    return (await db.exec(query.with_for_update(key_share=True))).first()


async def _note_failure(  # noqa: PLR0913 - what failed, where, how and when
    db: AsyncSession,
    row: OutgoingDelivery,
    endpoint: WebhookEndpoint,
    answer: Answer,
    *,
    taken: Taken,
    now: datetime,
) -> None:
    row.attempts += 1
    row.first_tried_at = row.first_tried_at or taken.at
    row.problem = answer.problem
    endpoint.failing_since = endpoint.failing_since or now
    again = next_try(row.attempts, first_tried_at=row.first_tried_at, now=now, retry_after=answer.retry_after)
    if again is not None and not answer.is_gone:
        row.due_at = again
        return
    row.state, row.ended_at = DeliveryState.FAILED.value, now
    await db.flush()
    since = {"endpoint_id": endpoint.id, "since": row.first_tried_at}
    if answer.is_gone:
        await _disable(db, endpoint, Disabled.GONE)
    # An endpoint that has acknowledged other webhooks meanwhile works: it refuses only this one.
    elif not (await execute(db, _TOOK_ANY_SINCE, since)).scalar():
        await _disable(db, endpoint, Disabled.FAILING)


async def _disable(db: AsyncSession, endpoint: WebhookEndpoint, because: Disabled) -> None:
    if not await disable(db, endpoint.id, because):
        return
    on_commit(
        db,
        lambda: _log.warning("webhook endpoint disabled", endpoint_id=endpoint.id, because=because.value),
    )
    program = (await db.exec(select(ProgramRow.name).where(ProgramRow.id == endpoint.program_id))).one()
    details = {"program": program, "endpoint": endpoint.id, "because": because.value}
    roles = [Role.OPERATOR.value, Role.ADMIN.value]
    query = select(User).where(col(User.role).in_(roles), col(User.closed_at).is_(None), text(HAS_ROLE))
    mails = [
        Mail(
            MailKind.ENDPOINT_DISABLED,
            f"{MailKind.ENDPOINT_DISABLED}/{endpoint.id}/{endpoint.updated_at.isoformat()}/{operator.id}",
            operator.id,
            recipient=operator.email,
            language=operator.language,
            details=details,
        )
        for operator in await db.exec(query)
    ]
    await outbox.write(db, mails)
