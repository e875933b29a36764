"""What the networks have shown of a top-up's deliveries, with links for its owner to check."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import any_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.chain.networks import transaction_page
from onramp_app.chain.tables import ChainEvidence
from onramp_app.chain.words import PROVEN, EvidenceState
from onramp_app.db.each import IDS
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.providers.status import StatusClass

_SEEN = select(ChainEvidence).where(
    col(ChainEvidence.provider_order_id) == any_(IDS),
    col(ChainEvidence.state).in_([state.value for state in PROVEN]),
)


@dataclass(frozen=True, slots=True)
class SeenView:
    """What a network has shown of a delivery: the block it is in, and where anybody can see it.

    `page` is the transaction's address at the network's explorer. `has_left`: the block has left the chain.
    """

    network: str
    block_number: int
    page: str
    has_left: bool


async def seen_of(db: AsyncSession, orders: Sequence[OrderRecord]) -> dict[str, SeenView]:
    """Return what the networks have shown of these orders' deliveries, by `OrderRecord.id`."""
    delivered = [
        order.id
        for order in orders
        if order.status_class == StatusClass.DELIVERED and order.transaction_hash is not None
    ]
    if not delivered:
        return {}
    return {
        row.provider_order_id: SeenView(
            row.network,
            row.block_number,
            page,
            has_left=row.state == EvidenceState.LEFT,
        )
        for row in await db.exec(_SEEN, params={"ids": delivered})
        if row.block_number is not None
        if (page := transaction_page(row.network, row.transaction_hash or "")) is not None
    }
