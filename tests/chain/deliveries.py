"""Writes deliveries that wait for their network, as rows."""

from datetime import timedelta
from typing import Any

from onramp_app.domain.clock import now
from tests import rows
from tests.chain.node import NAME, OURS
from tests.ledger.books import Books


def waiting(books: Books, delivered_minor: int, *, top_up_id: str | None = None, **evidence: Any) -> str:
    """Write an order that the provider reports as delivered, with its evidence. Returns the row's id."""
    delivery = books.delivery(delivered_minor, top_up_id=top_up_id)
    order_row = delivery.provider_order_id
    books.owner.execute(
        "UPDATE provider_orders SET delivered_minor = NULL, transaction_hash = %s, wallet_address = %s"
        " WHERE id = %s",
        (evidence.get("transaction_hash", NAME), OURS, order_row),
    )
    at = now() - timedelta(seconds=10)
    row = {
        "provider_order_id": order_row,
        "environment": "simulator",
        "asset": "USDT",
        "network": "matic20",
        "address": OURS,
        "transaction_hash": NAME,
        "recorded_minor": delivered_minor,
        "state": "waiting",
        "why": "",
        "since": at,
        "unseen_since": at,
        "next_look_at": at,
    } | evidence
    rows.insert(books.owner, "chain_evidence", **row)
    return order_row


def shown(books: Books, order_row: str, *columns: str) -> tuple[Any, ...]:
    wanted = ", ".join(columns)
    found = books.owner.execute(
        f"SELECT {wanted} FROM chain_evidence WHERE provider_order_id = %s", (order_row,)
    ).fetchone()
    assert found is not None
    return tuple(found)


def open_kinds(books: Books) -> list[str]:
    found = books.owner.execute("SELECT kind FROM exceptions WHERE closed_at IS NULL ORDER BY kind")
    return [kind for (kind,) in found]
