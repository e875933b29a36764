"""Reads a person's balances, and what they are worth in the display currency."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import ROUND_DOWN, Decimal, localcontext

from babel.numbers import get_currency_precision
from sqlalchemy import any_
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.views import Owner
from onramp_app.db.each import IDS
from onramp_app.db.engine import transaction
from onramp_app.debits.views import on_hold
from onramp_app.domain import clock
from onramp_app.domain.money import amount_text, decimal_text, from_minor
from onramp_app.ledger.balances import AssetBalance
from onramp_app.ledger.balances import balances as read_balances
from onramp_app.pricing.rate_book import RateBook
from onramp_app.pricing.rates import book_after, rates_into, read_stored
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import TopUpStatus
from onramp_app.wallet.views import AssetBalanceView, BalancesView

DOLLARS = "USD"
_PRECISION = 60

# Built once: building the query takes longer than running it.
_PENDING = (
    select(TopUp.user_id, TopUp.asset, func.sum(col(TopUp.expected_amount)))
    .where(col(TopUp.user_id) == any_(IDS), TopUp.status == TopUpStatus.PROCESSING.value)
    .group_by(col(TopUp.user_id), col(TopUp.asset))
)


@dataclass(frozen=True, slots=True)
class Holdings:
    """A person's balances, and the amounts expected from paid top-ups not yet arrived (`pending`, by asset).

    `reserved` is the part of the held money that is on hold for debits, in minor units by asset.
    """

    kept: list[AssetBalance]
    pending: dict[str, Decimal]
    reserved: dict[str, int] = field(default_factory=dict)

    @property
    def available(self) -> dict[str, Decimal]:
        """The available balances, in whole units by asset; assets with none are left out."""
        return {
            one.asset: from_minor(one.balance.available_minor, scale=one.scale)
            for one in self.kept
            if one.balance.available_minor
        }


async def get(owner: Owner) -> BalancesView:
    """Return the owner's balances and their worth (see `view_of`).

    Raises:
        DatabaseUnavailable: the balances could not be read.
    """
    async with transaction() as db:
        holdings = (await read(db, [owner.user_id]))[owner.user_id]
        stored = await read_stored(db) if holdings.available else None
    return view_of(owner, holdings, await book_after(stored) if holdings.available else None)


async def read(db: AsyncSession, user_ids: Collection[str]) -> dict[str, Holdings]:
    """Return the holdings of each user."""
    kept, pending = await read_balances(db, user_ids), await _pending(db, user_ids)
    holders = [user_id for user_id, items in kept.items() if any(one.balance.held_minor for one in items)]
    reserved = await on_hold(db, holders) if holders else {}
    return {
        user_id: Holdings(kept[user_id], pending[user_id], reserved.get(user_id, {})) for user_id in user_ids
    }


def view_of(owner: Owner, holdings: Holdings, book: RateBook | None) -> BalancesView:
    """Return the balances, with the worth of what is available, which is None while a rate is missing.

    `as_of` and `is_stale` describe the rates; the balances are current.
    """
    pending, available = holdings.pending, holdings.available
    items = {
        one.asset: _item(one, pending.get(one.asset, Decimal(0)), holdings.reserved.get(one.asset, 0))
        for one in holdings.kept
    }
    for asset, amount in pending.items():
        items.setdefault(asset, AssetBalanceView(asset, "0", "0", "0", decimal_text(amount)))
    now = clock.now()
    if not available:
        book = None  # An empty balance is worth nothing, whatever the rates.
    display = total_worth(available, book, currency=owner.display_currency)
    for asset, amount in available.items():
        worth = total_worth({asset: amount}, book, currency=owner.display_currency)
        items[asset] = replace(items[asset], worth=worth)
    return BalancesView(
        display_amount=display,
        display_currency=owner.display_currency,
        items=tuple(items[asset] for asset in sorted(items)),
        as_of=book.as_of if book else now,
        is_stale=display is None or (book is not None and book.is_stale(now)),
        dollar_amount=total_worth(available, book, currency=DOLLARS),
    )


async def _pending(db: AsyncSession, user_ids: Collection[str]) -> dict[str, dict[str, Decimal]]:
    """Return, by user and asset, the estimated amounts of paid top-ups that have not arrived yet."""
    found: dict[str, dict[str, Decimal]] = {user_id: {} for user_id in user_ids}
    for user_id, asset, amount in await db.exec(_PENDING, params={"ids": list(user_ids)}):
        if amount is not None:
            found[user_id][asset] = amount
    return found


def _item(one: AssetBalance, pending: Decimal, reserved_minor: int) -> AssetBalanceView:
    return AssetBalanceView(
        asset=one.asset,
        available=amount_text(one.balance.available_minor, scale=one.scale),
        held=amount_text(one.balance.held_minor, scale=one.scale),
        owed=amount_text(one.balance.owed_minor, scale=one.scale),
        pending=decimal_text(pending),
        reserved=amount_text(reserved_minor, scale=one.scale),
    )


def total_worth(available: Mapping[str, Decimal], book: RateBook | None, *, currency: str) -> str | None:
    """Return the worth of all amounts, rounded down to the currency's decimals; None if a rate is missing."""
    rates = rates_into(currency, book, available) if book else {}
    if not available.keys() <= rates.keys():
        return None  # A sum that leaves out an asset would look like a loss.
    with localcontext(prec=_PRECISION):
        total = sum((amount * rates[asset] for asset, amount in available.items()), Decimal(0))
        return format(total.quantize(Decimal(1).scaleb(-get_currency_precision(currency)), ROUND_DOWN), "f")
