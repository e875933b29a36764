"""Requests evidence of deliveries, and compares amounts with the record; `watcher.py` makes the looks."""

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

# How long a delivery may have no hash, or its transaction be in no block, before it counts as missing.
MISSING_AFTER = timedelta(minutes=30)
# How long all servers of a network may fail before a case is opened for a person.
AWAY_ALARM_AFTER = timedelta(minutes=5)
_PRECISION = 80


async def evidence_of(db: AsyncSession, orders: Sequence[OrderRecord]) -> dict[str, ChainEvidence]:
    """Return the evidence of those orders that have any, by the id of the order's row."""
    ids = [order.id for order in orders]
    query = select(ChainEvidence).where(col(ChainEvidence.provider_order_id).in_(ids))
    return {row.provider_order_id: row for row in await db.exec(query)} if ids else {}


def is_needed(network: str, known: ChainEvidence | None, settings: Settings) -> bool:
    """Return whether a delivery on the network counts only once the network shows it.

    This is so where `CHAIN_RPC` names the network, and for evidence that is already proven.
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
    """Return the evidence of a delivery, new if there is none yet; the caller adds it to the session.

    Unproven evidence follows the provider's record: another hash or address starts the looks afresh.

    Args:
        order: a delivered order, locked.
        place: our address that the delivery went to.
        known: the existing evidence, if there is any.
        recorded_minor: the amount that the delivered rule computes from the provider's figures; None if it
            computes none.
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
    """Start the looks afresh for a delivery that left the chain before anything was booked for it."""
    known.state, known.why, known.confirmed_at = EvidenceState.WAITING.value, "", None
    known.amount_minor = known.block_number = known.block_hash = None
    known.looks_after, known.next_look_at, known.unseen_since = 0, at, at


def drop(known: ChainEvidence) -> None:
    """Drop unproven evidence, so that the provider's word counts; for networks no longer in `CHAIN_RPC`."""
    if known.state not in PROVEN:
        known.state, known.next_look_at, known.away_since = EvidenceState.DROPPED.value, None, None


def is_pending(evidence: ChainEvidence) -> bool:
    """Return whether the looks have decided nothing yet."""
    return evidence.state in PENDING


class Fit(StrEnum):
    """How the amount that arrived compares with the provider's record."""

    AS_RECORDED = "as_recorded"
    LESS = "less"
    MORE = "more"


def fit_of(
    amount: Decimal, *, bought: Decimal | None, fee: Decimal | None, tolerance_percent: Decimal
) -> Fit:
    """Compare the amount that arrived with the provider's record, all in whole units of one asset.

    The record has two figures, the amount bought and the network fee, and does not say whether the fee is
    deducted; so anything between the two readings fits. Without figures nothing can be compared, and the
    answer is `MORE`, which makes a person look.
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
    """Return whether what arrived differs by more than the tolerance from what was credited by hand."""
    if amount_minor is None or evidence.recorded_minor is None:
        return True
    with localcontext(prec=_PRECISION):
        difference = abs(Decimal(amount_minor - evidence.recorded_minor))
        return difference * 100 > evidence.recorded_minor * tolerance_percent
