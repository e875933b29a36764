"""Reads the provider's orders: those due, those of open top-ups, and periodically all of the last weeks.

Every read is a signed walk through the provider's history, outside any transaction. Its start does not depend
on the last read, because it is not documented which date `since` filters on. Webhooks only mark orders due.
"""

from collections.abc import AsyncIterator, Callable, Collection, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from prometheus_client import Counter
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col, select

from onramp_app.config import get_settings
from onramp_app.db.engine import execute, transaction
from onramp_app.db.moments import database_time, moment_of
from onramp_app.domain.environment import Environment, current_environment
from onramp_app.fleet import channels
from onramp_app.fleet.changed_people import announce_changes
from onramp_app.fleet.watch import made_progress, rest
from onramp_app.provider_orders.hints import clear_due, mark_due, merged_hints, open_nameless
from onramp_app.provider_orders.records import keep_orders, keep_unreadable
from onramp_app.provider_orders.tables import StoredWebhook
from onramp_app.provider_orders.translation import stored_translation
from onramp_app.providers.connection import ADAPTER
from onramp_app.providers.errors import ProviderAnswerUnreadable, ProviderBusy, ProviderRequestRefused
from onramp_app.providers.port import HistoryPage, OrderFlow, Provider
from onramp_app.providers.status import Flow
from onramp_app.providers.webhooks import EventKind
from onramp_app.telemetry import trace
from onramp_app.telemetry.trace import Trace, trace_of
from onramp_app.verification import hints

EVENTS_AT_ONCE = 500
MARGIN = timedelta(hours=1)
# Top-ups that changed this recently are read like open ones, because people pay after they have canceled. Of
# very many changes only the newest count; the others are read with the hourly history.
RECENT = timedelta(hours=1)
NEWEST_STEPS = 5000
NEWEST_ORDERS = 1000
# A webhook may name an order older than the regular walks reach, and its body may be unsigned. So the order
# is sought from its own date, whatever that is, but only in a limited number of walks and pages.
MOST_WALKS_BACK = 3
MOST_PAGES_BACK = 20
# How many pages of the newest orders are read at once, because a payment that has just arrived is there.
MOST_PAGES_IN_FRONT = 2
# The client has its own time-outs: three attempts of 15 s, and as much again for the clock and other secret.
ASKING_SECONDS = 120

_READS = Counter("provider_walks", "Walks of the provider's orders.", ["outcome"])
_log = structlog.get_logger(__name__)

_UNHANDLED = (
    select(StoredWebhook)
    .where(col(StoredWebhook.handled_at).is_(None))
    .order_by(col(StoredWebhook.id))
    .limit(EVENTS_AT_ONCE)
    .with_for_update(skip_locked=True)
)
_HANDLED = text("UPDATE webhook_events SET handled_at = :at WHERE id = ANY(CAST(:ids AS bigint[]))")
# The fiat type of the hinted top-up is searched too, since the webhook's body may be unsigned.
_DUE = text("""
SELECT o.flow, o.order_id, o.due_at, o.trace, o.fiat_type, o.read_failures,
       t.fiat_type AS top_up_fiat_type,
       coalesce(o.ordered_at, t.created_at) AS ordered_at
  FROM provider_orders o LEFT JOIN top_ups t ON t.id = coalesce(o.top_up_id, o.hinted_top_up_id)
 WHERE o.due_at <= :at AND o.environment = :environment
 ORDER BY CASE WHEN :newest_first THEN o.due_at END DESC, o.due_at LIMIT 1000
""")
_OPEN_WORDS = "'created', 'awaiting_payment', 'processing'"  # as in the index's condition
# The fiat types of open top-ups. Each is found with one probe of the index that is sorted by them, because a
# busy installation has very many open top-ups of few types.
_OPEN_TYPES = f"""
WITH RECURSIVE open_types AS (
    (SELECT fiat_type FROM top_ups WHERE status IN ({_OPEN_WORDS}) ORDER BY fiat_type LIMIT 1)
    UNION ALL
    SELECT (SELECT t.fiat_type FROM top_ups t
             WHERE t.status IN ({_OPEN_WORDS}) AND t.fiat_type > o.fiat_type ORDER BY t.fiat_type LIMIT 1)
      FROM open_types o WHERE o.fiat_type IS NOT NULL)
"""  # noqa: S608 - the words are our own  # nosec B608
# Reading is frequent and top-ups become many, so only the oldest open top-up of each type and the top-ups of
# the newest steps are looked at. The OFFSET keeps the planner from reading all top-ups for the latter.
_OPEN = text(f"""
{_OPEN_TYPES}
SELECT fiat_type, min(since) AS since FROM (
    SELECT o.fiat_type, oldest.created_at AS since
      FROM open_types o
     CROSS JOIN LATERAL (
        SELECT created_at FROM top_ups
         WHERE fiat_type = o.fiat_type AND status IN ({_OPEN_WORDS}) AND environment = :environment
         ORDER BY created_at LIMIT 1) oldest
    UNION ALL
    SELECT t.fiat_type, t.created_at
      FROM (SELECT DISTINCT top_up_id
              FROM (SELECT top_up_id, at FROM top_up_steps ORDER BY id DESC LIMIT :newest) n
             WHERE n.at > :recent) s
     CROSS JOIN LATERAL (
        SELECT fiat_type, created_at FROM top_ups
         WHERE id = s.top_up_id AND environment = :environment OFFSET 0) t
) walks GROUP BY fiat_type
""")  # noqa: S608 - the words are our own  # nosec B608
# In use are the fiat types of open top-ups, of reads of open top-ups since then, and of the newest orders.
# Looking at all top-ups of a month would be too much.
_IN_USE = text(f"""
{_OPEN_TYPES}
SELECT fiat_type FROM provider_reads WHERE environment = :environment AND began_at > :since
UNION SELECT fiat_type FROM open_types WHERE fiat_type IS NOT NULL
UNION SELECT fiat_type FROM (
    SELECT fiat_type FROM provider_orders
     WHERE environment = :environment AND first_seen_at > :since
     ORDER BY first_seen_at DESC, id DESC LIMIT :newest) newest WHERE fiat_type IS NOT NULL
""")  # noqa: S608 - the words are our own  # nosec B608


# A due order: its flow, its id, and since when it is due.
Due = tuple[str, str, datetime]


@dataclass(slots=True)
class Walk:
    """A walk to make through the orders of one flow and fiat type since a moment.

    `due`: since when each order that the walk looks for is due, by its id. `traces`: the traces of the
    webhooks that named such orders, by order id. `is_made`: the walk reached its end. `sought`: the id of the
    one order for which the walk is made, which is older than the regular walks reach; the walk ends when that
    order is seen, or after `MOST_PAGES_BACK`. `is_front`: the walk begins with the newest order, and ends
    when all due orders are seen, or after `MOST_PAGES_IN_FRONT`. `unseen`: the due orders not seen yet.
    """

    flow: OrderFlow
    fiat_type: int
    since: datetime
    due: dict[str, datetime] = field(default_factory=dict)
    traces: dict[str, Trace] = field(default_factory=dict)
    is_made: bool = False
    sought: str | None = None
    is_front: bool = False
    unseen: set[str] = field(default_factory=set)

    def due_orders(self) -> set[Due]:
        """Return the due orders that the walk looks for."""
        return {(self.flow.value, order_id, at) for order_id, at in self.due.items()}

    def seen(self) -> set[Due]:
        """Return the due orders that the walk has seen."""
        return {one for one in self.due_orders() if one[1] not in self.unseen}

    def left(self) -> set[Due]:
        """Return the due orders that the walk has not seen because it ended early."""
        return set() if self.is_made else {one for one in self.due_orders() if one[1] in self.unseen}


async def handle_events() -> int:
    """Make the orders due that new webhooks name, and return how many webhooks were handled."""
    environment = current_environment()
    query = _UNHANDLED.where(StoredWebhook.environment == environment.value)
    async with transaction() as db:
        rows = (await db.exec(query)).all()
        if not rows:
            return 0
        at = await moment_of(db)
        translations = {row.id: stored_translation(row) for row in rows if row.id is not None}
        newest = {(row.flow, row.order_id): row for row in rows}
        found = [
            replace(hint, trace=row.trace, hinted_at=row.received_at)
            if (row := newest.get((hint.flow, hint.order_id)))
            else hint
            for hint in merged_hints(translations.values())
        ]
        users = await mark_due(db, found, environment=environment, at=at)
        nameless = [number for number, one in translations.items() if one.is_nameless_purchase]
        if nameless:
            await open_nameless(db, nameless[0], environment=environment, at=at)
        people = [one.recognition_id for one in translations.values() if one.kind is EventKind.KYC]
        await hints.mark_due(db, [known for known in people if known], at=at)
        await execute(db, _HANDLED, {"at": at, "ids": list(translations)})
    announce_changes(users)
    for row in rows:
        if (parent := trace.trace_of(row.trace)) is not None:
            trace.ended(trace.begun(parent), "inbox", parent=parent, began=at, order_id=row.order_id or "")
    return len(rows)


async def due_walks(*, newest_first: bool = False) -> list[Walk]:
    """Return walks that look for the due orders: for the thousand due longest, or those due most recently."""
    settings, environment = get_settings(), current_environment()
    async with transaction() as db:
        at = await moment_of(db)
        earliest = at - timedelta(days=settings.onramp_history_days)
        connection = await db.connection()
        values = {"environment": environment.value, "at": at, "newest_first": newest_first}
        due = (await connection.execute(_DUE, values)).all()
        # A fiat type named by a webhook is only a hint; without a usable one the order may be on any list.
        in_use = set[int]()
        if any(not _named_fiat_types(row) for row in due):
            in_use = await _fiat_types_in_use(connection, environment, earliest) or {
                ADAPTER.default_fiat_type
            }
    walks: dict[tuple[str, int], Walk] = {}
    back: list[Walk] = []
    for row in due:
        known = _named_fiat_types(row) or in_use
        since = min(max(row.ordered_at or earliest, earliest), at) - MARGIN
        if row.ordered_at is not None and row.ordered_at < earliest and len(back) < MOST_WALKS_BACK:
            # Each retry begins further back: dates may be in another time zone than they seem to be.
            since_it = row.ordered_at - MARGIN * 2 ** min(row.read_failures, 10)
            back += [
                Walk(_flow(row.flow), fiat_type=fiat_type, since=since_it, sought=row.order_id)
                for fiat_type in sorted(known)[:MOST_WALKS_BACK]
            ]
        for fiat_type in known:
            walk = walks.setdefault(
                (row.flow, fiat_type), Walk(_flow(row.flow), fiat_type=fiat_type, since=since)
            )
            walk.since = min(walk.since, since)
            walk.due[row.order_id] = row.due_at
            if (known_trace := trace_of(row.trace)) is not None:
                walk.traces[row.order_id] = known_trace
    return back + list(walks.values())


def front_walks(walks: Collection[Walk], passed: Set[Due]) -> list[Walk]:
    """Return front walks for the due orders, except those in `passed` and those with their own walk back."""
    passed = passed | sought_back(walks)
    found = []
    for walk in walks:
        if walk.sought is None and (left := walk.due_orders() - passed):
            due = {order_id: at for _, order_id, at in left}
            found.append(replace(walk, is_front=True, due=due))
    return found


def sought_back(walks: Collection[Walk]) -> set[Due]:
    """Return the due orders that have a walk of their own, back to their date."""
    sought = {(walk.flow.value, walk.sought) for walk in walks if walk.sought is not None}
    return {due for walk in walks for due in walk.due_orders() if due[:2] in sought}


def _named_fiat_types(row: Row[Any]) -> set[int]:
    return {row.fiat_type, row.top_up_fiat_type} & ADAPTER.fiat_types.keys()


async def open_walks() -> list[Walk]:
    """Return one walk for every fiat type that has an open or recently changed top-up."""
    environment = current_environment()
    async with transaction() as db:
        at = await moment_of(db)
        rows = (
            await execute(
                db, _OPEN, {"environment": environment.value, "recent": at - RECENT, "newest": NEWEST_STEPS}
            )
        ).all()
    return [Walk(Flow.BUY, fiat_type=row.fiat_type, since=row.since - MARGIN) for row in rows]


async def history_walks() -> list[Walk]:
    """Return the walks over ONRAMP_HISTORY_DAYS that find late payments, and orders that no webhook named."""
    environment = current_environment()
    async with transaction() as db:
        since = await moment_of(db) - timedelta(days=get_settings().onramp_history_days)
        in_use = await _fiat_types_in_use(await db.connection(), environment, since)
    buys = in_use | {fiat_type for fiat_type, fiat in ADAPTER.fiat_types.items() if fiat.can_buy}
    return [Walk(Flow.BUY, fiat_type=fiat_type, since=since) for fiat_type in sorted(buys)] + [
        Walk(Flow.SELL, fiat_type=fiat_type, since=since) for fiat_type in sorted(in_use)
    ]


async def _fiat_types_in_use(
    connection: AsyncConnection, environment: Environment, since: datetime
) -> set[int]:
    values = {"environment": environment.value, "since": since, "newest": NEWEST_ORDERS}
    rows = await connection.execute(_IN_USE, values)
    return set(rows.scalars())


def _nothing() -> None:
    pass


def _no_pause() -> float:
    return 0


async def make_walks(
    provider: Provider,
    walks: Sequence[Walk],
    *,
    pause: Callable[[], float] = _no_pause,
    before_keeping: Callable[[], None] = _nothing,
) -> None:
    """Make the walks one after the other and record the orders that they show.

    Args:
        provider: the connection to read from.
        walks: the walks to make.
        pause: called before each page is requested; returns how many seconds to wait.
        before_keeping: called before anything of a page is recorded; an error that it raises ends the walks.

    Raises:
        ProviderUnavailable: the provider does not answer; what was recorded before stays.
        DatabaseUnavailable: as before, what was recorded stays.
    """
    for walk in walks:
        try:
            await _make(provider, walk, pause, before_keeping)
        except (ProviderRequestRefused, ProviderAnswerUnreadable) as error:
            # The refusal concerns this list only; another list may hold somebody's payment.
            _READS.labels("refused").inc()
            _log.error("provider orders cannot be read", fiat_type=walk.fiat_type, error=type(error).__name__)
            # The refusal counts as a read: a hint that leads nowhere has to become a case.
            await clear_due(
                set(walk.due),
                environment=current_environment(),
                flow=walk.flow,
                asked_at=await database_time(),
            )
        else:
            _READS.labels("ok").inc()


async def _make(
    provider: Provider, walk: Walk, pause: Callable[[], float], before_keeping: Callable[[], None]
) -> None:
    environment = current_environment()
    await rest(pause())
    began_at = asked_at = await database_time()
    pages, is_made, walk.unseen = 0, True, set(walk.due)
    made_progress(next_within_seconds=ASKING_SECONDS)
    async for page in _pages(provider, walk):
        pages += 1
        made_progress()
        before_keeping()
        if await keep_orders(page.orders, environment=environment, asked_at=asked_at):
            channels.order_read.ring()
        if page.unreadable:
            await keep_unreadable(page.unreadable, environment=environment, at=asked_at)
        seen = {order.order_id for order in page.orders}
        walk.unseen -= seen
        if page.is_last:
            continue  # The walk ends here; a `break` would mark it as unfinished.
        if (walk.sought is not None and (walk.sought in seen or pages >= MOST_PAGES_BACK)) or (
            walk.is_front and (not walk.unseen or pages >= MOST_PAGES_IN_FRONT)
        ):
            is_made = False
            break
        await rest(pause())
        asked_at = await database_time()
        made_progress(next_within_seconds=ASKING_SECONDS)
    made_progress()
    before_keeping()
    looked_for = walk.due.keys() if is_made else walk.due.keys() - walk.unseen
    await clear_due(set(looked_for), environment=environment, flow=walk.flow, asked_at=began_at)
    for order_id in walk.traces.keys() & looked_for:
        parent = walk.traces[order_id]
        trace.ended(
            trace.begun(parent), "read", parent=parent, began=began_at, order_id=order_id, pages=pages
        )
    walk.is_made = is_made


async def _pages(provider: Provider, walk: Walk) -> AsyncIterator[HistoryPage]:
    """Yield the pages of a walk. If our rate limit is reached after a page, wait and resume."""
    next_page = 1
    while True:
        try:
            async for page in provider.history(
                flow=walk.flow,
                fiat_type=walk.fiat_type,
                since=walk.since,
                is_newest_first=walk.is_front,
                first_page=next_page,
            ):
                next_page = page.number + 1
                yield page
        except ProviderBusy as error:
            if next_page == 1:
                raise
            await rest(error.retry_after_seconds or 1)
        else:
            return


async def ask_for_read() -> None:
    """Ask the reader, in whichever process it runs, to read the open top-ups soon.

    Raises:
        DatabaseUnavailable: the reader was not asked.
    """
    async with transaction() as db:
        await execute(
            db,
            text("SELECT pg_notify(:channel, :payload)"),
            {"channel": channels.ORDER_DUE, "payload": channels.READ_OPEN},
        )


def _flow(word: str) -> OrderFlow:
    return Flow.SELL if word == Flow.SELL.value else Flow.BUY
