"""Reads the provider: what is due, what is open, and now and then everything of the last weeks.

Every read is a signed walk of `merchantHistory`, outside any transaction, from a moment that does not move
on by itself: what its `since` filters on is not documented. Webhooks only mark orders as due.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from prometheus_client import Counter
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from onramp_app.config import get_settings
from onramp_app.db.engine import transaction
from onramp_app.domain.clock import now
from onramp_app.domain.ids import new_id
from onramp_app.domain.ledger import Environment
from onramp_app.domain.provider_errors import ProviderAnswerUnreadable, ProviderRequestRefused
from onramp_app.domain.provider_status import Flow
from onramp_app.providers.onramp.maps import FIAT_TYPES
from onramp_app.providers.onramp.webhook import SecretUsed, VerifiedHeader, translate
from onramp_app.providers.port import OrderFlow, Provider
from onramp_app.services import wake
from onramp_app.services.environment import current_environment
from onramp_app.services.provider_records import keep_orders, keep_unreadable, settle_due
from onramp_app.services.watch import made_progress, rest

EVENTS_AT_ONCE = 500
MARGIN = timedelta(hours=1)
# Top-ups that changed so lately are read like open ones: people pay after they canceled. Of very many
# changes only the newest count; the others are seen once an hour.
RECENT = timedelta(hours=1)
NEWEST_STEPS = 5000
# The client has time-outs of its own: three tries of 15 s, the same for its clock and the other secret.
ASKING_SECONDS = 120

_READS = Counter("provider_walks", "Walks of the provider's orders.", ["outcome"])
_log = structlog.get_logger(__name__)

_UNHANDLED = text("""
SELECT id, header, body, received_at FROM webhook_events
 WHERE handled_at IS NULL AND environment = :environment ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED
""")
# An order that is settled on its last read needs no other one because its webhook came again.
_MARK = text("""
INSERT INTO provider_orders (id, environment, provider, flow, order_id, fiat_type, ordered_at, first_seen_at,
                             due_at, version, applied_version)
SELECT g.id, :environment, 'onramp', g.flow, g.order_id, g.fiat_type, g.ordered_at, :at, :at, 0, 0
  FROM unnest(CAST(:ids AS text[]), CAST(:flows AS text[]), CAST(:order_ids AS text[]),
              CAST(:fiat_types AS bigint[]), CAST(:ordered AS timestamptz[]))
       AS g (id, flow, order_id, fiat_type, ordered_at)
 ORDER BY g.flow, g.order_id
    ON CONFLICT (environment, provider, flow, order_id) DO UPDATE
   SET due_at = excluded.due_at, read_failures = 0
 WHERE provider_orders.status_class IS DISTINCT FROM 'delivered'
    OR provider_orders.version > provider_orders.applied_version
""")
_HANDLED = text("UPDATE webhook_events SET handled_at = :at WHERE id = ANY(CAST(:ids AS bigint[]))")
_DUE = text("""
SELECT flow, order_id, fiat_type, ordered_at FROM provider_orders
 WHERE due_at <= :at AND environment = :environment ORDER BY due_at LIMIT 1000
""")
# Both parts are served by indexes: reading is frequent, and top-ups are many in the end.
_OPEN = text("""
SELECT fiat_type, min(since) AS since FROM (
    SELECT fiat_type, min(created_at) AS since FROM top_ups
     WHERE environment = :environment AND status IN ('created', 'awaiting_payment', 'processing')
     GROUP BY fiat_type
    UNION ALL
    SELECT t.fiat_type, min(t.created_at)
      FROM (SELECT top_up_id, at FROM top_up_steps ORDER BY id DESC LIMIT :newest) s
      JOIN top_ups t ON t.id = s.top_up_id
     WHERE s.at > :recent AND t.environment = :environment
     GROUP BY t.fiat_type
) walks GROUP BY fiat_type
""")
_IN_USE = text("""
SELECT fiat_type FROM top_ups WHERE environment = :environment AND created_at > :since
UNION SELECT fiat_type FROM provider_orders
 WHERE environment = :environment AND first_seen_at > :since AND fiat_type IS NOT NULL
""")


@dataclass(slots=True)
class Walk:
    """One walk to make: the orders of one flow and fiat type since a moment.

    `due`: those awaited. `is_made`: it was made to its end.
    """

    flow: OrderFlow
    fiat_type: int
    since: datetime
    due: set[str] = field(default_factory=set)
    is_made: bool = False


async def handle_events() -> int:
    """Mark the orders that new webhooks name as due. Returns how many webhooks were handled."""
    environment = current_environment()
    at = now()
    async with transaction() as session:
        connection = await session.connection()
        rows = (
            await connection.execute(_UNHANDLED, {"environment": environment.value, "most": EVENTS_AT_ONCE})
        ).all()
        if not rows:
            return 0
        named: dict[tuple[str, str], tuple[int | None, datetime | None]] = {}
        for row in rows:
            # It was verified before it was stored.
            header = VerifiedHeader(row.header, base64.b64decode(row.header), SecretUsed.CURRENT)
            event = translate(header, row.body, received_at=row.received_at)
            if event.order is not None:
                named[event.order.flow.value, event.order.order_id] = (
                    event.order.fiat_type,
                    event.order.created_at,
                )
        if named:
            await connection.execute(
                _MARK,
                {
                    "environment": environment.value,
                    "at": at,
                    "ids": [new_id() for _ in named],
                    "flows": [flow for flow, _ in named],
                    "order_ids": [order_id for _, order_id in named],
                    "fiat_types": [fiat_type for fiat_type, _ in named.values()],
                    "ordered": [ordered_at for _, ordered_at in named.values()],
                },
            )
        await connection.execute(_HANDLED, {"at": at, "ids": [row.id for row in rows]})
    return len(rows)


async def due_walks() -> list[Walk]:
    """Return the walks that show the orders which are due."""
    settings, environment, at = get_settings(), current_environment(), now()
    earliest = at - timedelta(days=settings.onramp_history_days)
    async with transaction() as session:
        connection = await session.connection()
        due = (await connection.execute(_DUE, {"environment": environment.value, "at": at})).all()
        # A fiat type that a webhook named is a hint too; without a usable one the order may be anywhere.
        in_use = set[int]()
        if any(row.fiat_type not in FIAT_TYPES for row in due):
            in_use = await _fiat_types_in_use(connection, environment, earliest)
    walks: dict[tuple[str, int], Walk] = {}
    for row in due:
        known = {row.fiat_type} if row.fiat_type in FIAT_TYPES else in_use
        since = min(max(row.ordered_at or earliest, earliest), at) - MARGIN
        for fiat_type in known:
            walk = walks.setdefault(
                (row.flow, fiat_type), Walk(_flow(row.flow), fiat_type=fiat_type, since=since)
            )
            walk.since = min(walk.since, since)
            walk.due.add(row.order_id)
    return list(walks.values())


async def open_walks() -> list[Walk]:
    """Return one walk for every fiat type that has an open or recent top-up."""
    environment, at = current_environment(), now()
    async with transaction() as session:
        rows = (
            await (await session.connection()).execute(
                _OPEN, {"environment": environment.value, "recent": at - RECENT, "newest": NEWEST_STEPS}
            )
        ).all()
    return [Walk(Flow.BUY, fiat_type=row.fiat_type, since=row.since - MARGIN) for row in rows]


async def history_walks() -> list[Walk]:
    """Return the walks over ONRAMP_HISTORY_DAYS that find late payments and orders nobody told us of."""
    environment = current_environment()
    since = now() - timedelta(days=get_settings().onramp_history_days)
    async with transaction() as session:
        in_use = await _fiat_types_in_use(await session.connection(), environment, since)
    buys = in_use | {fiat_type for fiat_type, fiat in FIAT_TYPES.items() if fiat.can_buy}
    return [Walk(Flow.BUY, fiat_type=fiat_type, since=since) for fiat_type in sorted(buys)] + [
        Walk(Flow.SELL, fiat_type=fiat_type, since=since) for fiat_type in sorted(in_use)
    ]


async def _fiat_types_in_use(
    connection: AsyncConnection, environment: Environment, since: datetime
) -> set[int]:
    rows = await connection.execute(_IN_USE, {"environment": environment.value, "since": since})
    return set(rows.scalars())


def _nothing() -> None:
    pass


async def make_walks(
    provider: Provider,
    walks: Sequence[Walk],
    *,
    pause_seconds: float = 0,
    before_keeping: Callable[[], None] = _nothing,
) -> int:
    """Make the walks, one after the other, and record what they show. Returns the pages asked for.

    Args:
        pause_seconds: how long to wait after each page, for a walk that is in no hurry.
        before_keeping: called before anything of a page is recorded; what it raises ends the walks.

    Raises:
        ProviderUnavailable: the provider does not answer; what was read before stands.
        DatabaseUnavailable: likewise.
    """
    pages = 0
    for walk in walks:
        try:
            pages += await _make(provider, walk, pause_seconds, before_keeping)
        except (ProviderRequestRefused, ProviderAnswerUnreadable) as error:
            # It is about this list only; the others may hold somebody's money.
            _READS.labels("refused").inc()
            _log.error("provider orders cannot be read", fiat_type=walk.fiat_type, error=type(error).__name__)
            pages += 1
        else:
            _READS.labels("ok").inc()
            walk.is_made = True
    return pages


async def _make(
    provider: Provider, walk: Walk, pause_seconds: float, before_keeping: Callable[[], None]
) -> int:
    environment = current_environment()
    began_at = asked_at = now()
    pages = 1
    made_progress(next_within_seconds=ASKING_SECONDS)
    async for page in provider.history(flow=walk.flow, fiat_type=walk.fiat_type, since=walk.since):
        pages += 1
        made_progress()
        before_keeping()
        if await keep_orders(page.orders, environment=environment, asked_at=asked_at):
            wake.order_read.ring()
        if page.unreadable:
            await keep_unreadable(page.unreadable, environment=environment, at=asked_at)
        await rest(pause_seconds)
        asked_at = now()
        made_progress(next_within_seconds=ASKING_SECONDS)
    made_progress()
    before_keeping()
    await settle_due(walk.due, environment=environment, flow=walk.flow, asked_at=began_at)
    return pages


async def ask_for_read() -> None:
    """Have what is open read soon, wherever the reader runs: somebody asked, or the widget said something.

    Raises:
        DatabaseUnavailable: nobody was asked.
    """
    async with transaction() as session:
        await (await session.connection()).execute(
            text("SELECT pg_notify(:channel, :payload)"),
            {"channel": wake.ORDER_DUE, "payload": wake.READ_OPEN},
        )


def _flow(word: str) -> OrderFlow:
    return Flow.SELL if word == Flow.SELL.value else Flow.BUY
