"""Claims the transfers that an order's transaction brought: each belongs to one order, for ever."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.chain.receipts import Look
from onramp_app.chain.tables import ChainEvidence
from onramp_app.db.engine import execute

# In the order of the key, so that two orders of one transaction wait for each other and never both.
_CLAIM = text("""
INSERT INTO chain_claims (network, transaction_hash, log_index, provider_order_id, units, claimed_at)
SELECT :network, :name, c.log_index, :order_id, c.units, :at
  FROM unnest(CAST(:indexes AS bigint[]), CAST(:units AS numeric[])) AS c (log_index, units)
 ORDER BY c.log_index
    ON CONFLICT (network, transaction_hash, log_index) DO NOTHING
""")
# What was credited by the provider's word, before or while nobody could read the network, has no claim.
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


async def claim_transfers(db: AsyncSession, evidence: ChainEvidence, look: Look, *, at: datetime) -> bool:
    """Claim what a look has seen arrive. Returns False where another order has a part of it.

    The claim is the database's to give: two orders that name one transaction get it one after the other,
    whichever process looks.
    """
    indexes = [transfer.index for transfer in look.transfers]
    values = {
        "network": evidence.network,
        "name": evidence.transaction_hash,
        "order_id": evidence.provider_order_id,
        "indexes": indexes,
        "asset": evidence.asset,
        "address": evidence.address,
        "spellings": _spellings(evidence.transaction_hash or ""),
    }
    if (await execute(db, _TAKEN, values)).scalar():
        return False
    units = [Decimal(transfer.units) for transfer in look.transfers]
    await execute(db, _CLAIM, {**values, "units": units, "at": at})
    return not (await execute(db, _TAKEN, values)).scalar()


def _spellings(name: str) -> list[str]:
    """Return how a provider may have written a hash."""
    digits = name.removeprefix("0x")
    return [name, digits, digits.upper(), f"0x{digits.upper()}", f"0X{digits.upper()}"]
