"""Reads a person's transactions, by page or one by one: top-ups together with the listed ledger transfers."""

import json
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any

from sqlalchemy import Row, select, text, true
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.views import Owner, Viewer
from onramp_app.db.engine import execute, transaction
from onramp_app.debits.tables import DebitRecord
from onramp_app.domain.environment import current_environment
from onramp_app.domain.errors import FieldError, NotFound, ValidationFailed
from onramp_app.domain.ids import is_id
from onramp_app.domain.money import amount_text, decimal_text
from onramp_app.domain.paging import Position, read_cursor, write_cursor
from onramp_app.ledger.assets import scales
from onramp_app.ledger.tables import LedgerTransfer
from onramp_app.ledger.words import LISTED, LISTED_CONDITION, TransactionKind, TransferKind
from onramp_app.pricing.quotes import quote_of
from onramp_app.provider_orders.hints import sought_of
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.providers.status import Flow
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import Charged
from onramp_app.wallet import search
from onramp_app.wallet.transaction_queries import (
    PROVIDER,
    Filters,
    Wanted,
    moved,
    newest_of_each,
    statement,
)
from onramp_app.wallet.views import TransactionView, TransferView

EXPORT_PAGE = 500
_OF_DEBIT: tuple[Any, ...] = (
    col(DebitRecord.amount_minor).label("asked_minor"),
    col(DebitRecord.description),
    col(DebitRecord.status),
    col(DebitRecord.expires_at),
    col(DebitRecord.fiat_amount),
    col(DebitRecord.fiat_currency),
    col(DebitRecord.rate),
)
_MAX_FOUND = 50  # provider orders that one order id or hash may lead to


async def page(
    owner: Owner, filters: Filters, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[TransactionView], str | None]:
    """Return one page, newest first, and the cursor of the next one or None.

    Raises:
        ValidationFailed: the cursor is not from an earlier answer.
    """
    after = None
    if cursor is not None:
        try:
            after = read_cursor(cursor)
        except ValueError as error:
            message = "This is not a cursor of an earlier answer."
            raise ValidationFailed(
                "One or more fields cannot be used.", errors=(FieldError("cursor", message),)
            ) from error
    async with transaction() as db:
        wanted = await _look_up(db, owner.user_id, filters, after=after, limit=limit + 1)
        views = await _read(db, owner.user_id, wanted, after=after, limit=limit + 1)
    shown = views[:limit]
    last = shown[-1] if len(views) > limit else None
    return shown, write_cursor(Position(last.created_at, last.id)) if last else None


async def newest(
    db: AsyncSession, user_ids: Collection[str], *, limit: int
) -> dict[str, list[TransactionView]]:
    """Return the newest transactions of each user, at most `limit`, newest first."""
    values = {"ids": list(user_ids), "most": limit}
    rows = (await execute(db, newest_of_each(), values)).all()
    found: dict[str, list[TransactionView]] = {user_id: [] for user_id in user_ids}
    for row, view in zip(rows, await _views(db, rows), strict=True):
        found[row.user_id].append(view)
    return found


async def pages(viewer: Viewer, filters: Filters) -> AsyncIterator[list[TransactionView]]:
    """Yield the whole list page by page, reading each page in its own short transaction."""
    cursor = None
    while True:
        views, cursor = await page(viewer, filters, limit=EXPORT_PAGE, cursor=cursor)
        yield views
        if cursor is None:
            return


async def get(viewer: Viewer, transaction_id: str) -> TransactionView:
    """Return one of the viewer's transactions. Raises `NotFound`, even for another person's."""
    views = []
    if is_id(transaction_id):
        wanted = Wanted(Filters(), ids=(transaction_id,))
        async with transaction() as db:
            views = await _read(db, viewer.user_id, wanted, after=None, limit=1)
    if not views:
        raise NotFound("There is no such transaction.")
    return views[0]


async def get_transfer(viewer: Viewer, transfer_id: str) -> TransferView:
    """Return one of the viewer's listed ledger transfers. Raises `NotFound`, even for another person's."""
    view = None
    if is_id(transfer_id):
        async with transaction() as db:
            view = await transfer_of(db, viewer.user_id, transfer_id)
    if view is None:
        raise NotFound("There is no such transaction.")
    return view


async def transfer_of(db: AsyncSession, user_id: str, transfer_id: str) -> TransferView | None:
    """Return one of a person's listed ledger transfers; None if there is none or it is another person's."""
    change = moved().lateral("moved")
    transfer = (col(LedgerTransfer.kind), col(LedgerTransfer.created_at), col(LedgerTransfer.top_up_id))
    query = (
        select(*transfer, change.c.asset, change.c.amount_minor, *_OF_DEBIT)
        .select_from(LedgerTransfer)
        .join(change, true())
        .outerjoin(DebitRecord, col(DebitRecord.id) == col(LedgerTransfer.debit_id))
        .where(
            col(LedgerTransfer.id) == transfer_id,
            col(LedgerTransfer.user_id) == user_id,
            text(LISTED_CONDITION),
        )
    )
    row = (await execute(db, query)).first()
    if row is None:
        return None
    known = await scales(db)
    minor = -row.asked_minor if row.kind == TransferKind.DEBIT_HOLD else int(row.amount_minor)
    price = None
    if row.fiat_amount is not None:
        price = (decimal_text(row.fiat_amount), row.fiat_currency, decimal_text(row.rate))
    return TransferView(
        id=transfer_id,
        kind=row.kind,
        asset=row.asset,
        amount=amount_text(minor, scale=known[row.asset]),
        created_at=row.created_at,
        top_up_id=row.top_up_id,
        description=row.description,
        debit_status=row.status,
        expires_at=row.expires_at,
        price=price,
    )


async def methods_used(viewer: Viewer) -> list[str]:
    """Return the payment methods of the viewer's top-ups, as the provider's codes."""
    async with transaction() as db:
        return await search.methods_used(db, viewer.user_id)


async def _look_up(
    db: AsyncSession, user_id: str, filters: Filters, *, after: Position | None, limit: int
) -> Wanted:
    """Find the transactions and orders of a person that match `q` and `search`."""
    ids: set[str] | None = None
    order_ids: set[str] = set()
    if filters.q is not None:
        ids, order_ids = await _exactly(db, user_id, filters.q)
    if filters.search is not None:
        found = await search.found_ids(db, user_id, filters, after=after, limit=limit)
        named, orders = await _exactly(db, user_id, search.meanings_of(filters.search).exact)
        found |= named
        ids, order_ids = (found, orders) if ids is None else (ids & found, order_ids & orders)
    return Wanted(filters, None if ids is None else tuple(sorted(ids)), tuple(sorted(order_ids)))


async def _exactly(db: AsyncSession, user_id: str, q: str) -> tuple[set[str], set[str]]:
    """Return the ids of the transactions and of the provider orders that match an exact id, order or hash."""
    orders = (
        select(col(OrderRecord.id), col(OrderRecord.top_up_id))
        .join(TopUp, col(TopUp.id) == col(OrderRecord.top_up_id))
        .where(col(TopUp.user_id) == user_id)
    )
    by_number = orders.where(
        col(OrderRecord.environment) == current_environment().value,
        col(OrderRecord.provider) == PROVIDER,
        col(OrderRecord.flow) == Flow.BUY.value,
        col(OrderRecord.order_id) == q,
    )
    by_hash = orders.where(col(OrderRecord.transaction_hash) == q).limit(_MAX_FOUND)
    found = [
        *(await execute(db, by_number)),
        *(await execute(db, by_hash)),
    ]
    return {q} | {row.top_up_id for row in found}, {row.id for row in found}


async def _read(
    db: AsyncSession, user_id: str, wanted: Wanted, *, after: Position | None, limit: int
) -> list[TransactionView]:
    query, values = statement(user_id, wanted, after=after, limit=limit)
    return await _views(db, (await execute(db, query, values)).all())


async def _views(db: AsyncSession, rows: Sequence[Row[Any]]) -> list[TransactionView]:
    known = await scales(db)
    sought = await sought_of(db, [row.id for row in rows if row.charged == Charged.NO])
    return [_view(row, known, is_sought=row.id in sought) for row in rows]


def _view(row: Row[Any], known: dict[str, int], *, is_sought: bool) -> TransactionView:
    is_top_up = row.kind == TransactionKind.TOP_UP
    amount = None
    if row.amount_minor is not None:
        amount = amount_text(int(row.amount_minor), scale=known[row.asset])
    return TransactionView(
        id=row.id,
        kind=row.kind if is_top_up else LISTED[TransferKind(row.kind)].value,
        status=row.status,
        fiat_amount=None if row.fiat_amount is None else decimal_text(row.fiat_amount),
        fiat_currency=row.fiat_currency,
        asset=row.asset,
        network=row.network,
        amount=amount,
        created_at=row.created_at,
        settled_at=row.settled_at,
        provider=row.provider,
        provider_order_id=row.order_id,
        transaction_hash=row.transaction_hash,
        payment_method=row.payment_method,
        charged=Charged.UNKNOWN.value if is_sought else row.charged,
        paid_amount=None if row.paid_amount is None else decimal_text(row.paid_amount),
        paid_currency=row.paid_currency,
        quote=None if row.quote is None else quote_of(json.loads(row.quote)),
        transfer=None if is_top_up else row.kind,
        description=row.description,
        asked_amount=None
        if row.asked_minor is None
        else amount_text(int(row.asked_minor), scale=known[row.asset]),
    )
