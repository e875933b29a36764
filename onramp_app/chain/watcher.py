"""Looks for deliveries on one network, and stores what it sees as evidence.

Any number of processes may look: due looks are claimed for a minute, so that each is made once, and its
meaning is decided under the locks of the order and its evidence. No transaction is open during a look. Each
network has its own loop, so that a dead server delays neither another network nor settling.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.cases.cases import Concern, close_cases, open_cases
from onramp_app.cases.words import CaseKind
from onramp_app.chain.claims import claim_transfers, lock_transactions
from onramp_app.chain.errors import ServerFailed, ServersAway, ServerSilent
from onramp_app.chain.evidence import AWAY_ALARM_AFTER
from onramp_app.chain.networks import token_of
from onramp_app.chain.receipts import NOTHING, Found, Look, look_up
from onramp_app.chain.servers import Servers, Sight
from onramp_app.chain.tables import ChainEvidence
from onramp_app.chain.verdicts import Verdict, after_away, after_look
from onramp_app.chain.words import PROVEN, UNPROVEN, EvidenceState
from onramp_app.config import get_settings
from onramp_app.db.engine import execute, transaction
from onramp_app.domain.clock import now
from onramp_app.domain.environment import current_environment
from onramp_app.fleet import channels
from onramp_app.fleet.watch import made_progress
from onramp_app.ledger.assets import scales
from onramp_app.provider_orders.tables import OrderRecord

AT_ONCE = 50
TICK_SECONDS = 1.0
# Longer than the calls of one look may take, time-outs and the wait for a place included.
LOOK_WITHIN_SECONDS = 60.0
# If the process that claimed a look ends, another one claims it after this time.
_TAKEN_FOR = timedelta(minutes=1)

_log = structlog.get_logger(__name__)

_TAKE = text("""
UPDATE chain_evidence SET next_look_at = CAST(:until AS timestamptz)
 WHERE provider_order_id IN (
    SELECT provider_order_id FROM chain_evidence
     WHERE network = :network AND environment = :environment AND next_look_at <= CAST(:at AS timestamptz)
     ORDER BY next_look_at LIMIT :most FOR UPDATE SKIP LOCKED)
RETURNING provider_order_id, asset, address, transaction_hash
""")
# An order that was applied is applied again; one that still waits to be applied needs nothing.
_APPLY_AGAIN = text("""
UPDATE provider_orders SET applied_version = version - 1, apply_after = NULL
 WHERE id = ANY(CAST(:ids AS text[])) AND applied_version = version AND version > 0
   AND delivered_minor IS NULL
""")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a look is for: the transaction (`name` is its hash), and the asset and address of the transfer."""

    order_id: str
    asset: str
    address: str
    name: str | None


async def keep_looking(servers: Servers) -> None:
    """Make the looks on a network as they become due, for ever."""
    while True:
        made_progress()
        if await look_at_due(servers) < AT_ONCE:
            await asyncio.sleep(TICK_SECONDS)


async def look_at_due(servers: Servers, *, at: datetime | None = None) -> int:
    """Make the looks that are due on a network. Returns how many.

    Args:
        servers: the servers of the network.
        at: the time that counts as now.

    Raises:
        DatabaseUnavailable: looks whose results were not stored are made again.
    """
    at = at or now()
    wanted = await _take(servers.network.name, at)
    if not wanted:
        return 0
    # Without a hash or a known contract there is nothing to ask; they only become missing with time.
    nameless = [
        one for one in wanted if one.name is None or token_of(one.asset, servers.network.name) is None
    ]
    left = [one for one in wanted if one not in nameless]
    await _keep({one.order_id: (one, NOTHING) for one in nameless}, at=at)
    if left:
        await _ask(servers, left, at=at)
    return len(wanted)


async def _ask(servers: Servers, left: list[_Wanted], *, at: datetime) -> None:
    """Make the looks at one server after another until each look has its answer."""
    reason = ""
    try:
        async for sight in servers.sights():
            looks = await _look_at_all(servers, sight, left)
            await _keep({one.order_id: (one, look) for one, look in looks}, at=at)
            seen = {one.order_id for one, _ in looks}
            left = [one for one in left if one.order_id not in seen]
            if not left:
                break
        reason = "every server failed while it was asked" if left else ""
    except ServersAway as error:
        reason = str(error)
    if left:
        await _keep_away(left, reason, at=at)


async def _take(network: str, at: datetime) -> list[_Wanted]:
    values = {"network": network, "environment": current_environment().value, "most": AT_ONCE}
    async with transaction() as db:
        rows = await execute(db, _TAKE, {**values, "at": at, "until": at + _TAKEN_FOR})
        return [_Wanted(row.provider_order_id, row.asset, row.address, row.transaction_hash) for row in rows]


async def _look_at_all(
    servers: Servers, sight: Sight, wanted: Sequence[_Wanted]
) -> list[tuple[_Wanted, Look]]:
    """Return the looks that this server answered; once it is silent, no further look is started."""
    is_silent = False

    async def look(one: _Wanted) -> tuple[_Wanted, Look] | None:
        nonlocal is_silent
        token = token_of(one.asset, servers.network.name)
        if is_silent:
            return None
        if one.name is None or token is None:
            raise ValueError("a look needs a hash and a token")
        try:
            found = await look_up(
                sight, one.name, address=one.address, token=token, confirmations=servers.confirmations
            )
        except ServerFailed as error:
            is_silent = is_silent or isinstance(error, ServerSilent)
            _log.warning(
                "look at the chain failed",
                network=servers.network.name,
                host=sight.server.host,
                provider_order_id=one.order_id,
                reason=str(error),
            )
            return None
        finally:
            made_progress()
        return one, found

    return [found for found in await asyncio.gather(*map(look, wanted)) if found is not None]


async def _locked(db: AsyncSession, wanted: Sequence[_Wanted]) -> list[tuple[OrderRecord, ChainEvidence]]:
    """Lock orders, then evidence, in the same order as crediting; return those whose look is still wanted."""
    names = {one.order_id: (one.asset, one.address, one.name) for one in wanted}
    orders = select(OrderRecord).where(col(OrderRecord.id).in_(names)).order_by(col(OrderRecord.id))
    by_id = {order.id: order for order in await db.exec(orders.with_for_update(key_share=True))}
    rows = (
        select(ChainEvidence)
        .where(col(ChainEvidence.provider_order_id).in_(names))
        .order_by(col(ChainEvidence.provider_order_id))
    )
    return [
        (by_id[row.provider_order_id], row)
        for row in await db.exec(rows.with_for_update())
        if (row.asset, row.address, row.transaction_hash) == names[row.provider_order_id]
        and row.state != EvidenceState.DROPPED
    ]


async def _keep(looks: Mapping[str, tuple[_Wanted, Look]], *, at: datetime) -> None:
    """Store the results of looks, claim what arrived, and have orders applied again where that matters."""
    if not looks:
        return
    settings, verdicts = get_settings(), []
    async with transaction() as db:
        known = await scales(db)
        found = await _locked(db, [one for one, _ in looks.values()])
        await lock_transactions(db, [row for _, row in found if looks[row.provider_order_id][1].transfers])
        for order, row in found:
            look = looks[order.id][1]
            is_ours = True
            if look.found is Found.ARRIVED and row.state not in PROVEN:
                is_ours = await claim_transfers(db, row, look, at=at)
            verdict = after_look(row, look, is_ours=is_ours, scale=known[row.asset], settings=settings, at=at)
            verdicts.append((order, row, verdict))
        await db.flush()
        await _follow(db, verdicts, at=at)
    if any(verdict.is_news for _, _, verdict in verdicts):
        channels.order_read.ring()


async def _keep_away(wanted: Sequence[_Wanted], reason: str, *, at: datetime) -> None:
    async with transaction() as db:
        concerns = []
        for order, row in await _locked(db, wanted):
            after_away(row, reason, at=at)
            is_long = row.away_since is not None and at - row.away_since >= AWAY_ALARM_AFTER
            if is_long and row.state in UNPROVEN and order.delivered_minor is None:
                concerns.append(_concern(CaseKind.CHAIN_AWAY, order, detail=f"no server answers: {reason}"))
        await db.flush()
        await open_cases(db, concerns, environment=current_environment(), at=at)


async def _follow(
    db: AsyncSession, verdicts: Sequence[tuple[OrderRecord, ChainEvidence, Verdict]], *, at: datetime
) -> None:
    news = [order.id for order, _, verdict in verdicts if verdict.is_news]
    if news:
        await execute(db, _APPLY_AGAIN, {"ids": sorted(news)})
    answered = [
        _concern(kind, order, detail=row.why or row.state)
        for order, row, verdict in verdicts
        for kind in verdict.answers
    ]
    await close_cases(db, answered, at=at)
    raised = [
        _concern(kind, order, detail=detail)
        for order, _, verdict in verdicts
        for kind, detail in verdict.raises
    ]
    await open_cases(db, raised, environment=current_environment(), at=at)


def _concern(kind: CaseKind, order: OrderRecord, *, detail: str) -> Concern:
    return Concern(kind, top_up_id=order.top_up_id, provider_order_id=order.id, detail=detail)
