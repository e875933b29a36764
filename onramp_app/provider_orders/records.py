"""Stores the provider's orders as last read: one versioned row for each, with the untouched JSON.

A row whose order has not changed is left alone, so that frequent reading costs little. An order with the same
text also counts as changed if this release understands more of it, such as a new status or currency.
"""

from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

import structlog
from sqlalchemy import case, null, or_, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from onramp_app.cases.cases import open_unnamed
from onramp_app.cases.words import CaseKind
from onramp_app.db.engine import execute, transaction
from onramp_app.domain.environment import Environment
from onramp_app.domain.ids import new_id
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.providers.port import ProviderOrder

MAX_UNREADABLE_OPEN = 100
_log = structlog.get_logger(__name__)

# The provider's text and what we parse from it. The rest of the row is our own judgement and bookkeeping.
_SHOWN = (
    "raw",
    "status_number",
    "status_text",
    "status_class",
    "recognition_id",
    "reference_id",
    "wallet_address",
    "coin_id",
    "chain_id",
    "transaction_hash",
    "fiat_type",
    "fiat_currency",
    "fiat_amount",
    "payment_kind",
    "expected_price",
    "expected_amount",
    "actual_price",
    "bought_amount",
    "gas_fee",
    "provider_fee",
    "client_fee",
    "gateway_fee",
    "is_kyc_needed",
    "ordered_at",
)
_KNOWN = text(
    f"SELECT order_id, {', '.join(_SHOWN)} FROM provider_orders"  # noqa: S608 - words of our own  # nosec B608
    " WHERE environment = :environment AND provider = 'onramp'"
    " AND flow = :flow AND order_id = ANY(CAST(:order_ids AS text[]))"
)


def _row(order: ProviderOrder, environment: Environment, *, read_at: datetime) -> dict[str, Any]:
    return {
        "id": new_id(),
        "environment": environment.value,
        "provider": "onramp",
        "flow": order.flow.value,
        "order_id": order.order_id,
        "raw": order.raw,
        "status_number": order.status_number,
        "status_text": order.status_text,
        "status_class": order.status_class.value if order.status_class else None,
        "class_since": read_at,
        "recognition_id": order.recognition_id,
        "reference_id": order.reference_id,
        "wallet_address": order.wallet_address,
        "coin_id": order.coin_id,
        "chain_id": order.chain_id,
        "transaction_hash": order.transaction_hash,
        "fiat_type": order.fiat_type,
        "fiat_currency": order.currency,
        "fiat_amount": order.fiat_amount,
        "payment_kind": None if order.payment_kind is None else order.payment_kind.value,
        "expected_price": order.expected_price,
        "expected_amount": order.expected_amount,
        "actual_price": order.actual_price,
        "bought_amount": order.bought_amount,
        "gas_fee": order.gas_fee,
        "provider_fee": order.provider_fee,
        "client_fee": order.client_fee,
        "gateway_fee": order.gateway_fee,
        "is_kyc_needed": order.is_kyc_needed,
        "ordered_at": order.created_at,
        "first_seen_at": read_at,
        "read_at": read_at,
        "version": 1,
        "applied_version": 0,
        "read_failures": 0,
        "apply_failures": 0,
    }


_shown = itemgetter(*_SHOWN)


async def _upsert(rows: Sequence[dict[str, Any]]) -> None:
    statement = insert(OrderRecord)
    read, kept = statement.excluded, OrderRecord.__table__.c  # type: ignore[attr-defined]
    statement = statement.on_conflict_do_update(
        index_elements=["environment", "provider", "flow", "order_id"],
        set_={
            **{name: read[name] for name in (*_SHOWN, "read_at")},
            "version": kept.version + 1,
            "class_since": case(
                (kept.status_class.is_distinct_from(read.status_class), read.read_at), else_=kept.class_since
            ),
            # A new version is applied at once, however often the last one failed.
            "apply_after": null(),
        },
        # A reader that lost its lease while it waited for an answer must not overwrite newer data.
        where=or_(*(kept[name].is_distinct_from(read[name]) for name in _SHOWN))
        & or_(kept.read_at.is_(None), kept.read_at <= read.read_at),
    )
    async with transaction() as db:
        await execute(db, statement, list(rows))


async def keep_orders(
    orders: Sequence[ProviderOrder], *, environment: Environment, asked_at: datetime
) -> int:
    """Record the orders of one page, all of one flow, and return how many rows are new or changed.

    Args:
        orders: the orders of the page.
        environment: the environment to record them in.
        asked_at: when the page was requested, by the database; rows from a later request stay.

    Raises:
        DatabaseUnavailable: nothing, or only a part, was recorded; read the page again.
    """
    if not orders:
        return 0
    by_id = {order.order_id: _row(order, environment, read_at=asked_at) for order in orders}
    async with transaction() as db:
        found = await execute(
            db,
            _KNOWN,
            {"environment": environment.value, "flow": orders[0].flow.value, "order_ids": list(by_id)},
        )
        known = {order_id: shown for order_id, *shown in found}
    # In the order of the unique index, so that two writers cannot deadlock.
    rows = [row for order_id, row in sorted(by_id.items()) if known.get(order_id) != list(_shown(row))]
    if not rows:
        return 0
    try:
        await _upsert(rows)
    except DBAPIError:
        for row in rows:
            await _upsert_alone(row, environment)
    return len(rows)


async def _upsert_alone(row: dict[str, Any], environment: Environment) -> None:
    try:
        await _upsert([row])
    except DBAPIError as error:
        _log.error(
            "provider order cannot be recorded", order_id=row["order_id"], error=type(error.orig).__name__
        )
        await keep_unreadable([row["raw"]], environment=environment, at=row["read_at"])


async def keep_unreadable(records: Sequence[str], *, environment: Environment, at: datetime) -> None:
    """Open a case, once, for each record that cannot be read, as long as fewer than 100 are open."""
    for record in records:
        async with transaction() as db:
            await open_unnamed(
                db,
                CaseKind.RECORD_UNREADABLE,
                record.replace("\x00", ""),
                most=MAX_UNREADABLE_OPEN,
                is_once=True,
                environment=environment,
                at=at,
            )
