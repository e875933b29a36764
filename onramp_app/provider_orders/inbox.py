"""The inbox of signed webhooks: stored once, committed, then acknowledged; and a small record of refusals.

Webhooks that arrive while a group is being written share the next insert. So they share the cost of a commit
under load, and none waits without load. A stored webhook is only a hint about what to read.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

import psycopg
import structlog
from prometheus_client import Counter, Histogram
from sqlalchemy import insert

from onramp_app.db import arrays
from onramp_app.db.direct import Connection, HeldConnection, Use, notify
from onramp_app.db.engine import execute, transaction
from onramp_app.domain.clock import now
from onramp_app.domain.environment import Environment, current_environment
from onramp_app.domain.errors import ApplicationError, DatabaseUnavailable
from onramp_app.domain.shares import ask_for_all
from onramp_app.fleet import channels
from onramp_app.provider_orders.tables import WebhookRefusal
from onramp_app.provider_orders.translation import Translation, translation_of
from onramp_app.providers.connection import get_webhook_reader
from onramp_app.telemetry import trace
from onramp_app.telemetry.trace import Trace

MAX_GROUP = 200
GATHER_SECONDS = 0.002
# Without an answer by then the connection counts as lost, which leaves time for a second try.
ANSWER_SECONDS = 2.0
STORE_SECONDS = 4  # The provider treats an answer after more than 5 s as a failure.
NOTIFY_EVERY_SECONDS = 0.05
MAX_REFUSALS_WAITING = 100
REFUSALS_EVERY_SECONDS = 0.5
_KEPT_BYTES = 1024

# `stored`, `not_stored` (503: the database is unavailable), or why the request was refused.
_WEBHOOKS = Counter("webhooks", "Webhook requests, by what became of them.", ["verdict"])
# Exported from the start: Prometheus sees no increase in a counter that first appears with the value 1.
_stored, _not_stored = _WEBHOOKS.labels("stored"), _WEBHOOKS.labels("not_stored")
_STORE_SECONDS = Histogram(
    "webhook_store_seconds",
    "Time from the receipt of a webhook to its commit.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
_log = structlog.get_logger(__name__)

_INSERT = """
INSERT INTO webhook_events
       (environment, header, body, received_at, secret, is_old, differs, kind, status_text, signed_at,
        is_content_signed, flow, order_id, fiat_type, ordered_at, recognition_id, trace)
SELECT %s, * FROM unnest(%s::bytea[], %s::bytea[], %s::timestamptz[], %s::text[], %s::boolean[],
                         %s::boolean[], %s::text[], %s::text[], %s::timestamptz[], %s::boolean[], %s::text[],
                         %s::text[], %s::bigint[], %s::timestamptz[], %s::text[], %s::text[])
    ON CONFLICT (environment, header_hash, body_hash) DO NOTHING
"""
# Which of these webhooks are in the inbox already, stored by this process or another.
_STORED_ALREADY = """
SELECT r.number FROM unnest(%s::bytea[], %s::bytea[]) WITH ORDINALITY AS r (header, body, number)
  JOIN webhook_events e
    ON e.environment = %s AND e.header_hash = sha256(r.header) AND e.body_hash = sha256(r.body)
"""


class TooManyBodies(ApplicationError):
    """Twenty other bodies were already stored under this header, which the provider signed for one only."""

    status, code, title = 409, "too_many_bodies", "Too many bodies under one signed header"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One verified webhook, ready to be stored: `header` and `body` without what they say about a person.

    Its trace begins here. To continue a sender's trace would let strangers choose which traces are joined.
    """

    header: bytes
    body: bytes
    received_at: datetime
    secret: str
    is_old: bool
    differs: bool
    translation: Translation
    trace: Trace


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """One refused request. Its sender proved nothing, so only the beginning of it is stored."""

    reason: str
    address: str
    header: bytes
    body: bytes
    body_bytes: int
    received_at: datetime


def verified_arrival(payload: bytes | None, signature: bytes | None, *, body: bytes) -> Arrival:
    """Verify a webhook by its raw header bytes; return it translated and ready to be stored.

    Raises:
        WebhookRefused: the headers do not prove that the provider sent them.
    """
    reader, received_at = get_webhook_reader(), now()
    header = reader.verify(payload, signature)
    event = reader.translate(header, body, received_at=received_at)
    kept_header, kept_body = reader.kept(header, body, event)
    return Arrival(
        header=kept_header,
        body=kept_body,
        received_at=received_at,
        secret=header.secret.value,
        is_old=event.is_old,
        differs=event.differs,
        translation=translation_of(event),
        trace=trace.begun(),
    )


class Inbox:
    """Stores arrivals in groups, on its own connection. Belongs to one event loop; close it at the end."""

    def __init__(self, *, environment: Environment) -> None:
        self._environment = environment
        self._waiting: list[tuple[Arrival, asyncio.Future[None]]] = []
        # The arrivals that are still unanswered, oldest first, each with its deadline in the loop's time. One
        # timer for all of them costs less than one each.
        self._unanswered: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._refusals: list[RefusedRequest] = []
        # An acknowledged webhook is on disk, even where the server's default is not to wait for that.
        self._connection = HeldConnection(
            Use.INBOX, setup="SET synchronous_commit = on", answer_seconds=ANSWER_SECONDS
        )
        self._writer: asyncio.Task[None] | None = None
        self._refusal_writer: asyncio.Task[None] | None = None
        self._is_closing = asyncio.Event()
        self._notifier: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the connection early, before other uses take all connections. Raises `DatabaseUnavailable`."""
        await self._connection.open()

    async def store(self, arrival: Arrival) -> None:
        """Store an arrival, and return once it is committed (or was before).

        Raises:
            DatabaseUnavailable: the webhook may not be stored; the sender has to retry.
            TooManyBodies: the webhook is not stored and never will be.
        """
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[None] = loop.create_future()
        self._waiting.append((arrival, stored))
        self._unanswered.append((loop.time() + STORE_SECONDS, stored))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        if len(self._unanswered) == 1:
            loop.call_later(STORE_SECONDS, self._give_up_late_ones, loop)
        try:
            await stored
        except DatabaseUnavailable as error:
            _not_stored.inc()
            raise _away() from error
        _stored.inc()
        _STORE_SECONDS.observe((now() - arrival.received_at).total_seconds())
        order_id = arrival.translation.order_id or ""
        trace.ended(arrival.trace, "webhook", began=arrival.received_at, order_id=order_id)

    def _give_up_late_ones(self, loop: asyncio.AbstractEventLoop) -> None:
        """Fail the arrivals whose deadline has passed, and set the timer for the next deadline."""
        waiting = self._unanswered
        while waiting and (waiting[0][1].done() or waiting[0][0] <= loop.time()):
            _, stored = waiting.popleft()
            if not stored.done():
                stored.set_exception(_away())
        if waiting:
            loop.call_at(waiting[0][0], self._give_up_late_ones, loop)

    def refuse(self, refused: RefusedRequest) -> None:
        """Record a refusal for the inspector if there is room: an attacker must not fill or slow anything."""
        _WEBHOOKS.labels(refused.reason).inc()
        if len(self._refusals) >= MAX_REFUSALS_WAITING:
            return
        header, body = get_webhook_reader().kept_of_refused(refused.header, refused.body)
        self._refusals.append(replace(refused, header=header, body=body))
        if self._refusal_writer is None or self._refusal_writer.done():
            self._refusal_writer = asyncio.create_task(self._write_refusals())

    async def close(self) -> None:
        """Wait for the writes in flight, then close the connection. Waiting refusals are written at once."""
        self._is_closing.set()
        for task in (self._writer, self._notifier, self._refusal_writer):
            if task is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(STORE_SECONDS):
                        await asyncio.wait([task])
                task.cancel()
        await self._connection.close()

    async def _write_all(self) -> None:
        while self._waiting:
            await asyncio.sleep(GATHER_SECONDS)
            group, self._waiting = self._waiting[:MAX_GROUP], self._waiting[MAX_GROUP:]
            # A caller that stopped waiting was answered 503 and will retry.
            group = [(arrival, stored) for arrival, stored in group if not stored.done()]
            if group:
                await self._write_group(group)

    async def _write_group(self, group: Sequence[tuple[Arrival, asyncio.Future[None]]]) -> None:
        try:
            refused = await self._insert([arrival for arrival, _ in group])
        except DatabaseUnavailable as error:
            _complete(group, error)
        except psycopg.Error as error:
            # One of the arrivals cannot be stored, and the others must not suffer for it.
            _log.warning(
                "webhook group refused by the database", count=len(group), error=type(error).__name__
            )
            for arrival, stored in group:
                try:
                    refused = await self._insert([arrival])
                except (DatabaseUnavailable, psycopg.Error):
                    _complete([(arrival, stored)], _away())
                else:
                    _complete([(arrival, stored)], None, refused=refused)
        except BaseException:
            _complete(group, _away())
            raise
        else:
            _complete(group, None, refused=refused)

    async def _insert(self, arrivals: Sequence[Arrival]) -> Collection[Arrival]:
        """Store arrivals, and return those not stored because their header has twenty bodies already."""
        # The trigger that counts bodies locks each header, so every group inserts in the same order.
        rows = sorted(arrivals, key=lambda arrival: arrival.header)
        said = [row.translation for row in rows]
        values = [
            self._environment.value,
            arrays.of_bytes(row.header for row in rows),
            arrays.of_bytes(row.body for row in rows),
            arrays.of_moments(row.received_at for row in rows),
            arrays.of_texts(row.secret for row in rows),
            arrays.of_booleans(row.is_old for row in rows),
            arrays.of_booleans(row.differs for row in rows),
            arrays.of_texts(one.kind.value for one in said),
            arrays.of_texts(one.status_text for one in said),
            arrays.of_moments(one.signed_at for one in said),
            arrays.of_booleans(one.is_content_signed for one in said),
            arrays.of_texts(one.flow for one in said),
            arrays.of_texts(one.order_id for one in said),
            arrays.of_numbers(one.fiat_type for one in said),
            arrays.of_moments(one.ordered_at for one in said),
            arrays.of_texts(one.recognition_id for one in said),
            arrays.of_texts(row.trace.text for row in rows),
        ]

        async def insert_all(connection: Connection) -> tuple[int, Collection[Arrival]]:
            # A connection that was lost may have stored the rows: then they are found, not stored twice.
            inserted = await connection.execute(_INSERT, values, prepare=True)
            is_whole = inserted.rowcount == len(rows)
            return inserted.rowcount, () if is_whole else await self._missing(connection, rows)

        try:
            async with asyncio.timeout(STORE_SECONDS):
                count, refused = await self._connection.run(insert_all)
        except (TimeoutError, DatabaseUnavailable) as error:
            await self._connection.close()
            raise _away() from error
        if count:
            self._wake_reader()
        return refused

    async def _missing(self, connection: Connection, rows: Sequence[Arrival]) -> Collection[Arrival]:
        found = await connection.execute(
            _STORED_ALREADY,
            [[row.header for row in rows], [row.body for row in rows], self._environment.value],
        )
        stored = {number for (number,) in await found.fetchall()}
        return {row for number, row in enumerate(rows, start=1) if number not in stored}

    def _wake_reader(self) -> None:
        channels.order_due.ring()
        if self._notifier is None or self._notifier.done():
            self._notifier = asyncio.create_task(self._notify())

    async def _notify(self) -> None:
        # NOTIFY takes a global lock at commit, so many arrivals share one. A lost NOTIFY costs one tick.
        await asyncio.sleep(NOTIFY_EVERY_SECONDS)
        with contextlib.suppress(DatabaseUnavailable, psycopg.Error):
            await self._connection.run(lambda connection: notify(connection, channels.ORDER_DUE))

    async def _write_refusals(self) -> None:
        ask_for_all()
        while self._refusals:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFUSALS_EVERY_SECONDS):
                    await self._is_closing.wait()
            refusals, self._refusals = self._refusals, []
            rows = [
                {
                    "environment": self._environment.value,
                    "received_at": refused.received_at,
                    "reason": refused.reason,
                    "address": refused.address[:45],
                    "header": refused.header[:_KEPT_BYTES],
                    "body": refused.body[:_KEPT_BYTES],
                    "body_bytes": refused.body_bytes,
                }
                for refused in refusals
            ]
            try:
                async with transaction() as db:
                    await execute(db, insert(WebhookRefusal), rows)
            except DatabaseUnavailable:
                _log.warning("refusals not kept", count=len(rows))


def _away() -> DatabaseUnavailable:
    return DatabaseUnavailable("The webhook cannot be stored now. Send it again.", retry_after_seconds=5)


def _complete(
    group: Sequence[tuple[Arrival, asyncio.Future[None]]],
    error: Exception | None,
    *,
    refused: Collection[Arrival] = (),
) -> None:
    for arrival, stored in group:
        if stored.done():
            continue
        if error is not None:
            stored.set_exception(error)
        elif arrival in refused:
            stored.set_exception(TooManyBodies("This header came with too many bodies. It is not stored."))
        else:
            stored.set_result(None)


@lru_cache(maxsize=1)
def get_inbox() -> Inbox:
    """Return this process's inbox."""
    return Inbox(environment=current_environment())


async def close() -> None:
    """Close this process's inbox, at shutdown or before another event loop needs one."""
    if get_inbox.cache_info().currsize:
        await get_inbox().close()
        get_inbox.cache_clear()
    get_webhook_reader.cache_clear()
