"""Loads everything that is needed to apply a batch of orders: top-ups, owners, addresses, other orders."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.tables import User
from onramp_app.chain.evidence import evidence_of
from onramp_app.chain.tables import ChainEvidence
from onramp_app.config import get_settings
from onramp_app.db.engine import execute
from onramp_app.domain.environment import Environment
from onramp_app.ledger.tables import Asset
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.providers.status import StatusClass
from onramp_app.top_ups.limits import is_limited
from onramp_app.top_ups.tables import TopUp, WidgetRecord
from onramp_app.treasury.places import Place

# A read that follows a webhook of the order within this time was caused by the webhook.
WEBHOOK_CAUSES_READ = timedelta(minutes=2)

_SIBLINGS = text("""
SELECT id, top_up_id, status_class FROM provider_orders WHERE top_up_id = ANY(CAST(:ids AS text[]))
""")
_LAST_STEPS = text("""
SELECT DISTINCT ON (provider_order_id) provider_order_id, status_class, hold FROM top_up_steps
 WHERE top_up_id = ANY(CAST(:top_ups AS text[])) AND provider_order_id = ANY(CAST(:orders AS text[]))
 ORDER BY provider_order_id, id DESC
""")
_HINTED = text("""
SELECT DISTINCT order_id FROM webhook_events
 WHERE environment = :environment AND order_id = ANY(CAST(:order_ids AS text[])) AND received_at > :since
""")


@dataclass(slots=True)
class Context:
    """The data with which a batch is applied.

    `top_ups` and `users` are keyed by their ids, `top_up_of` (ids of top-ups), `last_read` and `evidence` by
    `OrderRecord.id`, `places` by recognition id. `last_read` is the status class in an order's newest line of
    the timeline, and why its delivery was not simply credited; both None where that line is not a read.
    `ranks` holds the rank of each order of a top-up, by the top-up's id. `hinted` are the provider's ids of
    orders that a recent webhook named. `scales` are the decimals of each asset. `evidence` is what networks
    have shown.
    """

    top_ups: dict[str, TopUp]
    top_up_of: dict[str, str]
    places: Mapping[str, Place]
    users: Mapping[str, User]
    ranks: dict[str, dict[str, int]]
    last_read: Mapping[str, tuple[str | None, str | None]]
    hinted: frozenset[str]
    scales: Mapping[str, int]
    evidence: Mapping[str, ChainEvidence]


async def load_context(
    db: AsyncSession, orders: Sequence[OrderRecord], *, environment: Environment, at: datetime
) -> Context:
    """Load everything a batch needs. Lock first the users and then the top-ups, each in the order of ids."""
    places, top_up_of = await _bindings(db, orders, environment)
    ids = sorted(set(top_up_of.values()))
    users = await _people(db, ids)
    locked = select(TopUp).where(col(TopUp.id).in_(ids)).order_by(col(TopUp.id)).with_for_update()
    top_ups = {row.id: row for row in await db.exec(locked)} if ids else {}
    ranks: dict[str, dict[str, int]] = defaultdict(dict)
    if ids:
        for row in await execute(db, _SIBLINGS, {"ids": ids}):
            ranks[row.top_up_id][row.id] = rank_of(row.status_class)
    for order in orders:
        if order.id in top_up_of:
            ranks[top_up_of[order.id]][order.id] = rank_of(order.status_class)
    last = await execute(
        db,
        _LAST_STEPS,
        {"top_ups": _with_originals(ids, top_ups), "orders": [order.id for order in orders]},
    )
    hinted = await execute(
        db,
        _HINTED,
        {
            "environment": environment.value,
            "order_ids": [order.order_id for order in orders],
            "since": at - WEBHOOK_CAUSES_READ,
        },
    )
    return Context(
        top_ups=top_ups,
        top_up_of=top_up_of,
        places=places,
        users=users,
        ranks=ranks,
        last_read={row.provider_order_id: (row.status_class, row.hold) for row in last},
        hinted=frozenset(hinted.scalars()),
        scales={asset.code: asset.scale for asset in await db.exec(select(Asset))},
        evidence=await evidence_of(db, orders),
    )


def rank_of(word: str | None) -> int:
    """Return how far an order of this status class has come; 0 for None."""
    return StatusClass(word).rank if word else 0


def _with_originals(ids: Sequence[str], top_ups: Mapping[str, TopUp]) -> list[str]:
    originals = {top_up.linked_to for top_up in top_ups.values() if top_up.linked_to}
    return sorted({*ids, *originals})


async def _bindings(
    db: AsyncSession, orders: Sequence[OrderRecord], environment: Environment
) -> tuple[dict[str, Place], dict[str, str]]:
    """Return the places by recognition id, and top-up ids by the ids of the orders that belong to one."""
    recognition_ids = {order.recognition_id for order in orders if order.recognition_id}
    places: dict[str, Place] = {}
    owners: dict[str, str] = {}
    if recognition_ids:
        query = select(WidgetRecord).where(
            col(WidgetRecord.recognition_id).in_(recognition_ids),
            WidgetRecord.environment == environment.value,
        )
        for row in await db.exec(query):
            places[row.recognition_id] = Place(row.asset, row.network, row.address, row.memo)
            owners[row.recognition_id] = row.top_up_id
    top_up_of = {
        order.id: top_up_id
        for order in orders
        if (top_up_id := order.top_up_id or owners.get(order.recognition_id or "")) is not None
    }
    return places, top_up_of


async def _people(db: AsyncSession, top_up_ids: Sequence[str]) -> dict[str, User]:
    """Return the owners by id, locked, so that none can close their account before the batch is booked.

    Where we have limits, they get the same lock as when a top-up is begun.
    """
    if not top_up_ids:
        return {}
    owners = select(TopUp.user_id).where(col(TopUp.id).in_(top_up_ids))
    query = select(User).where(col(User.id).in_(owners)).order_by(col(User.id))
    limits = get_settings().limits
    counts = any(is_limited(tier) for tier in (limits.none, limits.basic, limits.full))
    # Booking takes the weaker lock in any case; many transactions can share it.
    query = query.with_for_update(read=not counts, key_share=True)
    return {row.id: row for row in await db.exec(query)}
