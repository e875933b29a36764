"""Asks for evidence of a delivery, and says what follows from it. The looking itself is `watcher.py`'s."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from enum import StrEnum

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.chain.networks import is_hash
from onramp_app.chain.tables import ChainEvidence
from onramp_app.chain.words import PENDING, PROVEN, EvidenceState
from onramp_app.config import Settings
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.treasury.places import Place

# How long a delivery may stay without a hash, or its transaction out of every block, before it is missing.
MISSING_AFTER = timedelta(minutes=30)
# How long no server of a network may answer before a person has to know.
AWAY_ALARM_AFTER = timedelta(minutes=5)
_PRECISION = 80


async def evidence_of(db: AsyncSession, orders: Sequence[OrderRecord]) -> dict[str, ChainEvidence]:
    """Return the evidence of orders that have some, by the id of our row of the order."""
    ids = [order.id for order in orders]
    query = select(ChainEvidence).where(col(ChainEvidence.provider_order_id).in_(ids))
    return {row.provider_order_id: row for row in await db.exec(query)} if ids else {}


def is_needed(network: str, known: ChainEvidence | None, settings: Settings) -> bool:
    """Return whether a delivery on the network is believed only once the network shows it.

    It is where `CHAIN_RPC` names the network, and once proven the proof stands.
    """
    return network in settings.chain_rpc or (known is not None and known.state in PROVEN)


def demand(
    order: OrderRecord,
    place: Place,
    *,
    known: ChainEvidence | None,
    recorded_minor: int | None,
    at: datetime,
) -> ChainEvidence:
    """Return the evidence of a delivery, asked for now where nobody has; the caller adds it to the session.

    A pending one follows the provider's record: another hash begins the look again.

    Args:
        order: a delivered one, locked.
        place: our address that it went to.
        known: its evidence, if there is any.
        recorded_minor: what the provider's figures make by the delivered rule; None where they make nothing.
        at: now.
    """
    name = (order.transaction_hash or "").lower()
    name = name if name.startswith("0x") else f"0x{name}"
    wanted = name if is_hash(name) else None
    if known is None:
        known = ChainEvidence(
            provider_order_id=order.id,
            environment=order.environment,
            asset=place.asset,
            network=place.network,
            address=place.spelled,
            since=at,
            unseen_since=at,
        )
        known.next_look_at, known.transaction_hash = at, wanted
    if known.state in PROVEN:
        return known
    known.recorded_minor = recorded_minor
    where = (known.asset, known.network, known.address)
    if known.state == EvidenceState.DROPPED or (
        (wanted, place.asset, place.network, place.spelled) != (known.transaction_hash, *where)
    ):
        known.transaction_hash = wanted
        known.asset, known.network, known.address = place.asset, place.network, place.spelled
        known.block_number = known.block_hash = None
        known.state = EvidenceState.WAITING.value
        known.why, known.next_look_at, known.unseen_since = "", at, at
    return known


def begin_again(known: ChainEvidence, *, at: datetime) -> None:
    """Look once more for what had arrived and left the chain, since nothing has been booked for it yet."""
    known.state, known.why, known.confirmed_at = EvidenceState.WAITING.value, "", None
    known.amount_minor = known.block_number = known.block_hash = None
    known.looks_after, known.next_look_at, known.unseen_since = 0, at, at


def drop(known: ChainEvidence) -> None:
    """Let the provider's word count again, where `CHAIN_RPC` does not name the network any more."""
    if known.state not in PROVEN:
        known.state, known.next_look_at, known.away_since = EvidenceState.DROPPED.value, None, None


def is_pending(evidence: ChainEvidence) -> bool:
    """Return whether nothing can be said yet."""
    return evidence.state in PENDING


class Fit(StrEnum):
    """How what arrived compares with the provider's record."""

    AS_RECORDED = "as_recorded"
    LESS = "less"
    MORE = "more"


def fit_of(
    amount: Decimal, *, bought: Decimal | None, fee: Decimal | None, tolerance_percent: Decimal
) -> Fit:
    """Compare what arrived with the provider's record, all in whole units of one asset.

    The record has two figures, what was bought and the network's fee, and does not say whether the fee comes
    off; so anything from the one reading to the other fits. Without figures nothing can be compared, and the
    answer is the one for which a person looks.
    """
    if bought is None:
        return Fit.MORE
    with localcontext(prec=_PRECISION):
        least = (bought - (fee or 0)) * (100 - tolerance_percent) / 100
        most = bought * (100 + tolerance_percent) / 100
    if amount < least:
        return Fit.LESS
    return Fit.MORE if amount > most else Fit.AS_RECORDED


def differs_from_recorded(
    evidence: ChainEvidence, amount_minor: int | None, *, tolerance_percent: Decimal
) -> bool:
    """Return whether what arrived is not what an operator credited by hand, by more than the tolerance."""
    if amount_minor is None or evidence.recorded_minor is None:
        return True
    with localcontext(prec=_PRECISION):
        difference = abs(Decimal(amount_minor - evidence.recorded_minor))
        return difference * 100 > evidence.recorded_minor * tolerance_percent
