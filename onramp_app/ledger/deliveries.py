"""Finds a booked delivery: an operator's decision moves what the books say, not what the provider says now.

The provider's record may have changed since; the treasury account and the amount of the entry that received
the delivery cannot.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.engine import execute
from onramp_app.domain.environment import Environment
from onramp_app.ledger.instructions import Delivery
from onramp_app.ledger.words import TransferKind

_ORDER_OF_TOP_UP = text(
    "SELECT provider_order_id FROM ledger_transfers"
    " WHERE top_up_id = :top_up_id AND kind IN ('receive', 'attribute')"
)
_RECEIVED = text(
    "SELECT t.environment, o.order_id, a.asset, a.network, a.address, e.amount_minor, s.scale"
    "  FROM ledger_transfers t"
    "  JOIN provider_orders o ON o.id = t.provider_order_id"
    "  JOIN ledger_entries e ON e.transfer_id = t.id"
    "  JOIN ledger_accounts a ON a.id = e.account_id AND a.kind = 'treasury'"
    "  JOIN assets s ON s.code = a.asset"
    " WHERE t.provider_order_id = :provider_order_id AND t.kind = 'receive'"
)
_RECOVERED = text(
    "SELECT coalesce(sum(-e.amount_minor), 0) FROM ledger_transfers t"
    "  JOIN ledger_entries e ON e.transfer_id = t.id"
    "  JOIN ledger_accounts a ON a.id = e.account_id AND a.kind = 'owed'"
    " WHERE t.top_up_id = :top_up_id AND t.kind = 'recover'"
)
_MADE = text("SELECT kind FROM ledger_transfers WHERE provider_order_id = :provider_order_id")


@dataclass(frozen=True, slots=True)
class BookedDelivery:
    """A delivery in the books, the decimals of its asset, and how often each kind of transfer moved it."""

    delivery: Delivery
    scale: int
    made: Mapping[TransferKind, int]


async def booked_for_top_up(db: AsyncSession, *, top_up_id: str) -> BookedDelivery | None:
    """Return the delivery that was received for, or attributed to, a top-up; None where there is none."""
    found = (await execute(db, _ORDER_OF_TOP_UP, {"top_up_id": top_up_id})).scalar()
    return None if found is None else await booked_for_order(db, provider_order_id=found)


async def booked_for_order(db: AsyncSession, *, provider_order_id: str) -> BookedDelivery | None:
    """Return the booked delivery of a provider order (the id of our row); None where there is none."""
    values = {"provider_order_id": provider_order_id}
    row = (await execute(db, _RECEIVED, values)).one_or_none()
    if row is None:
        return None
    delivery = Delivery(
        environment=Environment(row.environment),
        provider_order_id=provider_order_id,
        order_id=row.order_id,
        asset=row.asset,
        network=row.network,
        address=row.address,
        amount_minor=int(row.amount_minor),
    )
    kinds = (await execute(db, _MADE, values)).scalars()
    return BookedDelivery(delivery, row.scale, Counter(TransferKind(kind) for kind in kinds))


async def recovered_minor(db: AsyncSession, *, top_up_id: str) -> int:
    """Return, in minor units, how much of a top-up went to pay what the user owed; 0 for nothing."""
    return int((await execute(db, _RECOVERED, {"top_up_id": top_up_id})).scalar() or 0)
