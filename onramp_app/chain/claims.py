"""Claims the transfers in an order's transaction: each transfer belongs to one order, for ever."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.chain.receipts import Look
from onramp_app.chain.tables import ChainEvidence
from onramp_app.db.engine import execute
from onramp_app.db.locks import Lock

# In key order, so that of two orders with the same transaction one waits for the other, without a deadlock.
_CLAIM = text("""
INSERT INTO chain_claims (network, transaction_hash, log_index, provider_order_id, units, claimed_at)
SELECT :network, :name, c.log_index, :order_id, c.units, :at
  FROM unnest(CAST(:indexes AS bigint[]), CAST(:units AS numeric[])) AS c (log_index, units)
 ORDER BY c.log_index
    ON CONFLICT (network, transaction_hash, log_index) DO NOTHING
""")
# In a fixed order, so that two processes that lock several transactions never deadlock.
_ONE_AT_A_TIME = text("""
SELECT pg_advisory_xact_lock(hashtextextended(t.name, :use))
  FROM (SELECT DISTINCT name FROM unnest(CAST(:names AS text[])) AS n (name) ORDER BY name) AS t
""")
# Deliveries credited by the provider's word, while the network was not or could not be read, have no claim.
_TAKEN = text("""
SELECT EXISTS (SELECT FROM chain_claims
                WHERE network = :network AND transaction_hash = :name
                  AND log_index = ANY(CAST(:indexes AS bigint[])) AND provider_order_id <> :order_id)
    OR EXISTS (SELECT FROM chain_evidence
                WHERE network = :network AND transaction_hash = :name AND asset = :asset
                  AND address = :address AND confirmed_at IS NOT NULL AND provider_order_id <> :order_id)
    OR EXISTS (SELECT FROM provider_orders
                WHERE transaction_hash = ANY(CAST(:spellings AS text[])) AND network = :network
                  AND asset = :asset AND lower(wallet_address) = :address
                  AND delivered_minor IS NOT NULL AND id <> :order_id)
""")


async def lock_transactions(db: AsyncSession, evidences: Sequence[ChainEvidence]) -> None:
    """Lock the transactions of these deliveries until the end; call it after locking their evidence.

    A credit by hand makes no claim that would refuse a second one, so claiming and crediting must not check
    concurrently whether a transaction is taken.
    """
    names = [evidence.transaction_hash for evidence in evidences if evidence.transaction_hash]
    if names:
        await execute(db, _ONE_AT_A_TIME, {"use": Lock.TRANSACTIONS.value, "names": names})


async def is_taken(db: AsyncSession, evidence: ChainEvidence) -> bool:
    """Return whether the transfers of its transaction were claimed by, or credited for, another order.

    The answer is reliable only after `lock_transactions`.
    """
    return bool((await execute(db, _TAKEN, _values(evidence, []))).scalar())


async def claim_transfers(db: AsyncSession, evidence: ChainEvidence, look: Look, *, at: datetime) -> bool:
    """Claim the transfers that a look has seen arrive. Returns False where another order has one of them.

    The database decides the claim: of two orders that name the same transaction, the first one gets it,
    whichever process looks. The caller has called `lock_transactions`.
    """
    values = _values(evidence, [transfer.index for transfer in look.transfers])
    if (await execute(db, _TAKEN, values)).scalar():
        return False
    units = [Decimal(transfer.units) for transfer in look.transfers]
    await execute(db, _CLAIM, {**values, "units": units, "at": at})
    return not (await execute(db, _TAKEN, values)).scalar()


def _values(evidence: ChainEvidence, indexes: Sequence[int]) -> dict[str, object]:
    return {
        "network": evidence.network,
        "name": evidence.transaction_hash,
        "order_id": evidence.provider_order_id,
        "indexes": list(indexes),
        "asset": evidence.asset,
        "address": evidence.address,
        "spellings": _spellings(evidence.transaction_hash or ""),
    }


def _spellings(name: str) -> list[str]:
    """Return the spellings in which the provider may have written a hash."""
    digits = name.removeprefix("0x")
    return [name, digits, digits.upper(), f"0x{digits.upper()}", f"0X{digits.upper()}"]
