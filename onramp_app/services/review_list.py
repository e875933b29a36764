"""What waits for an operator: the open exceptions, oldest first."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from onramp_app.db.engine import transaction
from onramp_app.domain.money import amount_text

MAX_ITEMS = 1000

# What was booked for the top-up, or else of the order; nothing where nothing was.
_OPEN = text("""
SELECT x.id, x.kind, x.environment, x.top_up_id, o.order_id, x.opened_at, x.detail, u.email,
       t.status, t.reason, s.code AS asset, s.scale,
       CASE WHEN t.has_entry THEN t.received_minor ELSE o.delivered_minor END AS amount_minor
  FROM exceptions x
  LEFT JOIN top_ups t ON t.id = x.top_up_id
  LEFT JOIN users u ON u.id = t.user_id
  LEFT JOIN provider_orders o ON o.id = coalesce(x.provider_order_id, t.best_order_id)
  LEFT JOIN assets s ON s.code = CASE WHEN t.has_entry THEN t.received_asset ELSE o.asset END
 WHERE x.closed_at IS NULL
 ORDER BY x.opened_at, x.id LIMIT :most
""")
_COUNT = text("SELECT count(*) FROM exceptions WHERE closed_at IS NULL")


@dataclass(frozen=True, slots=True)
class OpenItem:
    """One open exception: what it is about, since when, and why a person must look.

    `amount` is what was booked, in whole units of `asset`; both None where nothing was.
    """

    id: str
    kind: str
    environment: str
    top_up_id: str | None
    status: str | None
    reason: str | None
    order_id: str | None
    since: datetime
    amount: str | None
    asset: str | None
    user: str | None
    why: str


@dataclass(frozen=True, slots=True)
class OpenItems:
    """The oldest open exceptions, and how many there are in all."""

    items: list[OpenItem]
    total: int


async def open_items(*, limit: int) -> OpenItems:
    """Return the oldest `limit` (at most 1,000) open exceptions. Raises `DatabaseUnavailable`."""
    async with transaction() as session:
        connection = await session.connection()
        rows = (await connection.execute(_OPEN, {"most": min(limit, MAX_ITEMS)})).all()
        total = await connection.scalar(_COUNT)
    items = [
        OpenItem(
            id=row.id,
            kind=row.kind,
            environment=row.environment,
            top_up_id=row.top_up_id,
            status=row.status,
            reason=row.reason,
            order_id=row.order_id,
            since=row.opened_at,
            amount=None if row.amount_minor is None else amount_text(int(row.amount_minor), scale=row.scale),
            asset=None if row.amount_minor is None else row.asset,
            user=row.email,
            why=row.detail,
        )
        for row in rows
    ]
    return OpenItems(items, total or 0)
