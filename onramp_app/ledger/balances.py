"""Reads balances: a user's from the kept rows, the treasuries' summed from entries."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.ledger.transfers import Balance

_BALANCES = text(
    "SELECT b.asset, s.scale, b.available_minor, b.held_minor, b.owed_minor, b.version"
    " FROM user_balances b JOIN assets s ON s.code = b.asset WHERE b.user_id = :user_id ORDER BY b.asset"
)
_TREASURIES = text(
    "SELECT a.network, a.address, a.asset, s.scale, sum(e.amount_minor) AS balance_minor"
    " FROM ledger_accounts a JOIN assets s ON s.code = a.asset JOIN ledger_entries e ON e.account_id = a.id"
    " WHERE a.kind = 'treasury' GROUP BY a.id, s.scale ORDER BY a.name"
)


@dataclass(frozen=True, slots=True)
class AssetBalance:
    """One user's balance in one asset of `scale` decimals; `version` grows with each change."""

    asset: str
    scale: int
    balance: Balance
    version: int


@dataclass(frozen=True, slots=True)
class TreasuryTotal:
    """What the books say lies at one address, in minor units of an asset of `scale` decimals."""

    network: str
    address: str
    asset: str
    scale: int
    balance_minor: int


async def balances(session: AsyncSession, user_id: str) -> list[AssetBalance]:
    """Return the user's balances by asset; an asset that never moved is missing."""
    rows = await (await session.connection()).execute(_BALANCES, {"user_id": user_id})
    return [
        AssetBalance(
            row.asset,
            row.scale,
            Balance(int(row.available_minor), int(row.held_minor), int(row.owed_minor)),
            row.version,
        )
        for row in rows
    ]


async def treasury_totals(session: AsyncSession) -> list[TreasuryTotal]:
    """Return the book's total of every treasury account, for comparing with the chain."""
    rows = await (await session.connection()).execute(_TREASURIES)
    return [
        TreasuryTotal(row.network, row.address, row.asset, row.scale, int(row.balance_minor)) for row in rows
    ]
