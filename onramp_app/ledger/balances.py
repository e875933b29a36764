"""Reads balances: those of users from the kept rows, those of treasuries summed from entries."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.engine import execute
from onramp_app.db.personal import Inner, Part
from onramp_app.domain.money import from_minor
from onramp_app.ledger.transfers import Balance
from onramp_app.ledger.words import TransferKind

_BALANCES = text(
    "SELECT b.user_id, b.asset, s.scale, b.available_minor, b.held_minor, b.owed_minor, b.version"
    " FROM user_balances b JOIN assets s ON s.code = b.asset"
    " WHERE b.user_id = ANY(CAST(:user_ids AS text[])) ORDER BY b.asset"
)
_TREASURIES = text(
    "SELECT a.network, a.address, a.asset, s.scale, sum(e.amount_minor) AS balance_minor"
    " FROM ledger_accounts a JOIN assets s ON s.code = a.asset JOIN ledger_entries e ON e.account_id = a.id"
    " WHERE a.kind = 'treasury' GROUP BY a.id, s.scale ORDER BY a.name"
)
# A count belongs to the day that its reference ends with, whenever it was booked.
_TREASURIES_ON = text(
    "SELECT a.network, a.address, a.asset, s.scale, coalesce(sum(e.amount_minor) FILTER (WHERE"
    "       CASE t.kind WHEN 'count' THEN CAST(right(t.reference, 10) AS date) <= CAST(:day AS date)"
    "       ELSE t.created_at < CAST(:end AS timestamptz) END), 0) AS balance_minor"
    " FROM ledger_accounts a JOIN assets s ON s.code = a.asset JOIN ledger_entries e ON e.account_id = a.id"
    " JOIN ledger_transfers t ON t.id = e.transfer_id"
    " WHERE a.kind = 'treasury' GROUP BY a.id, s.scale ORDER BY a.name"
)
_LAST_COUNTS = text(
    "SELECT a.name, max(CAST(right(t.reference, 10) AS date)) AS day FROM ledger_transfers t"
    " JOIN ledger_entries e ON e.transfer_id = t.id JOIN ledger_accounts a ON a.id = e.account_id"
    " WHERE t.kind = 'count' AND a.kind = 'treasury' GROUP BY a.name"
)
_COUNTED_SINCE = text(
    "SELECT a.asset, s.scale, sum(abs(e.amount_minor)) AS minor FROM ledger_transfers t"
    " JOIN ledger_entries e ON e.transfer_id = t.id JOIN ledger_accounts a ON a.id = e.account_id"
    " JOIN assets s ON s.code = a.asset"
    " WHERE t.kind = 'count' AND a.kind = 'treasury' AND t.created_at > :since"
    " GROUP BY a.asset, s.scale ORDER BY a.asset"
)
# Every adjustment has one entry here, and little else has.
_ADJUSTED_SINCE = text(
    "SELECT a.asset, s.scale, sum(abs(e.amount_minor)) AS minor FROM ledger_accounts a"
    " JOIN assets s ON s.code = a.asset JOIN ledger_entries e ON e.account_id = a.id"
    " JOIN ledger_transfers t ON t.id = e.transfer_id"
    " WHERE a.kind = 'adjustments' AND t.kind = :kind AND t.created_at > :since"
    " GROUP BY a.asset, s.scale ORDER BY a.asset"
)
# What the rule `treasury_covers` of `ledger.rules` sums.
_SPARE = text(
    "SELECT coalesce(sum(e.amount_minor), 0) FROM ledger_entries e"
    " JOIN ledger_accounts a ON a.id = e.account_id WHERE a.asset = :asset"
    " AND a.kind IN ('treasury', 'available', 'held', 'suspense', 'payable')"
)

# All that is held about a person in the books, for their file. Who decided for the operator, and why, is not.
PARTS = (
    Part(
        name="balances",
        shows={"asset": "user_balances.asset"},
        amounts={
            "available": "user_balances.available_minor",
            "held": "user_balances.held_minor",
            "owed": "user_balances.owed_minor",
        },
        source="user_balances JOIN assets ON assets.code = user_balances.asset",
        whose="user_balances.user_id = :user_id",
        order=("user_balances.asset",),
    ),
    Part(
        name="transfers",
        shows={
            "id": "ledger_transfers.id",
            "environment": "ledger_transfers.environment",
            "reference": "ledger_transfers.reference",
            "kind": "ledger_transfers.kind",
            "top_up_id": "ledger_transfers.top_up_id",
            "source": "ledger_transfers.source",
            "created_at": "ledger_transfers.created_at",
        },
        source="ledger_transfers",
        whose="ledger_transfers.user_id = :user_id",
        order=("ledger_transfers.created_at", "ledger_transfers.id"),
        id="ledger_transfers.id",
        lists=(
            Inner(
                name="entries",
                shows={"account": "ledger_accounts.kind", "asset": "ledger_accounts.asset"},
                # With the sign that a person reads: more is more, also of what they owe.
                amounts={
                    "amount": "CASE WHEN ledger_accounts.kind = 'owed' THEN 1 ELSE -1 END"
                    " * ledger_entries.amount_minor"
                },
                # The other side of a transfer is the operator's.
                source="ledger_entries JOIN ledger_accounts ON ledger_accounts.id = ledger_entries.account_id"
                " AND ledger_accounts.user_id = :user_id JOIN assets ON assets.code = ledger_accounts.asset",
                by="ledger_entries.transfer_id",
                order=("ledger_entries.transfer_id", "ledger_entries.account_id"),
            ),
        ),
    ),
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


async def balances(db: AsyncSession, user_ids: Collection[str]) -> dict[str, list[AssetBalance]]:
    """Return each user's balances, sorted by asset; an asset that never moved is missing."""
    found: dict[str, list[AssetBalance]] = {user_id: [] for user_id in user_ids}
    for row in await execute(db, _BALANCES, {"user_ids": list(user_ids)}):
        balance = Balance(int(row.available_minor), int(row.held_minor), int(row.owed_minor))
        found[row.user_id].append(AssetBalance(row.asset, row.scale, balance, row.version))
    return found


async def treasury_totals(db: AsyncSession, *, on: date | None = None) -> list[TreasuryTotal]:
    """Return what every treasury account holds by the books, to compare with the chain.

    Args:
        db: the transaction.
        on: the day whose end in UTC is meant; None means now.
    """
    if on is None:
        rows = await execute(db, _TREASURIES)
    else:
        end = datetime.combine(on, time.min, tzinfo=UTC) + timedelta(days=1)
        rows = await execute(db, _TREASURIES_ON, {"day": on, "end": end})
    return [
        TreasuryTotal(row.network, row.address, row.asset, row.scale, int(row.balance_minor)) for row in rows
    ]


async def last_counts(db: AsyncSession) -> dict[str, date]:
    """Return, by name of the treasury account, the last day for which a counted difference was booked."""
    rows = await execute(db, _LAST_COUNTS)
    return {row.name: row.day for row in rows}


async def counted_since(db: AsyncSession, since: datetime) -> list[tuple[Decimal, str]]:
    """Return the counted differences booked since a moment, by asset: (sum of amounts in whole units, asset).

    Differences in either direction add up.
    """
    rows = await execute(db, _COUNTED_SINCE, {"since": since})
    return [(from_minor(int(row.minor), scale=row.scale), row.asset) for row in rows]


async def adjusted_since(
    db: AsyncSession, kind: TransferKind, *, since: datetime
) -> list[tuple[Decimal, str]]:
    """Return what one kind of adjustment moved since a moment, by asset: (sum in whole units, asset)."""
    rows = await execute(db, _ADJUSTED_SINCE, {"kind": kind.value, "since": since})
    return [(from_minor(int(row.minor), scale=row.scale), row.asset) for row in rows]


async def spare_minor(db: AsyncSession, asset: str) -> int:
    """Return what the treasury holds beside what is owed, below zero where it does not cover that.

    Reads every entry of the asset.
    """
    return int((await execute(db, _SPARE, {"asset": asset})).scalar() or 0)
