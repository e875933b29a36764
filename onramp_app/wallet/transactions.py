"""A person's transactions: top-ups and the listed ledger transfers in one order, page by page.

Both halves are read newest first from an index of their own and merged, so a page costs the same wherever
it lies in however long a list.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Integer,
    Numeric,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    case,
    func,
    literal,
    null,
    or_,
    select,
    text,
    true,
    tuple_,
    type_coerce,
    union_all,
)
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.accounts.views import Viewer
from onramp_app.db.each import EACH, EACH_ID
from onramp_app.db.engine import execute, transaction
from onramp_app.domain.environment import current_environment
from onramp_app.domain.errors import FieldError, NotFound, ValidationFailed
from onramp_app.domain.ids import is_id
from onramp_app.domain.money import amount_text, decimal_text
from onramp_app.domain.paging import Position, read_cursor, write_cursor
from onramp_app.ledger.assets import scales
from onramp_app.ledger.listed import LISTED, LISTED_CONDITION, TransactionKind
from onramp_app.ledger.tables import LedgerAccount, LedgerEntry, LedgerTransfer
from onramp_app.ledger.words import AccountKind, TransferKind
from onramp_app.provider_orders.hints import sought_of
from onramp_app.provider_orders.tables import ProviderOrder
from onramp_app.providers.status import Flow
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import Charged, TopUpStatus
from onramp_app.wallet.views import TransactionView, TransferView

PROVIDER = "onramp"
EXPORT_PAGE = 500
_MAX_FOUND = 50  # provider orders that one order id or hash may lead to


@dataclass(frozen=True, slots=True)
class Filters:
    """What to list: from `since` on, before `before`; `q` is exactly an id, a provider order or a hash."""

    status: TopUpStatus | None = None
    asset: str | None = None
    since: datetime | None = None
    before: datetime | None = None
    q: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """The filters with `q` looked up: ids of top-ups or transfers, and of provider orders."""

    filters: Filters
    ids: tuple[str, ...] | None = None
    order_ids: tuple[str, ...] = ()


async def page(
    viewer: Viewer, filters: Filters, *, limit: int = 50, cursor: str | None = None
) -> tuple[list[TransactionView], str | None]:
    """Return one page, newest first, and the cursor of the next one or None.

    Raises:
        ValidationFailed: the cursor is not one of ours.
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
        wanted = Wanted(filters) if filters.q is None else await _look_up(db, viewer.user_id, filters)
        views = await _read(db, viewer.user_id, wanted, after=after, limit=limit + 1)
    shown = views[:limit]
    last = shown[-1] if len(views) > limit else None
    return shown, write_cursor(Position(last.created_at, last.id)) if last else None


async def newest(
    db: AsyncSession, user_ids: Collection[str], *, limit: int
) -> dict[str, list[TransactionView]]:
    """Read each one's newest transactions, whatever they are."""
    values = {"ids": list(user_ids), "most": limit}
    rows = (await execute(db, _newest_of_each(), values)).all()
    found: dict[str, list[TransactionView]] = {user_id: [] for user_id in user_ids}
    for row, view in zip(rows, await _views(db, rows), strict=True):
        found[row.user_id].append(view)
    return found


async def pages(viewer: Viewer, filters: Filters) -> AsyncIterator[list[TransactionView]]:
    """Walk the whole list; each page is a short transaction of its own."""
    cursor = None
    while True:
        views, cursor = await page(viewer, filters, limit=EXPORT_PAGE, cursor=cursor)
        yield views
        if cursor is None:
            return


async def get(viewer: Viewer, transaction_id: str) -> TransactionView:
    """Return one transaction. Raises `NotFound`, also for somebody else's."""
    views = []
    if is_id(transaction_id):
        wanted = Wanted(Filters(), ids=(transaction_id,))
        async with transaction() as db:
            views = await _read(db, viewer.user_id, wanted, after=None, limit=1)
    if not views:
        raise NotFound("There is no such transaction.")
    return views[0]


async def get_transfer(viewer: Viewer, transfer_id: str) -> TransferView:
    """Return one of the listed ledger transfers. Raises `NotFound`, also for somebody else's."""
    row = None
    if is_id(transfer_id):
        moved = _moved().lateral("moved")
        transfer = (col(LedgerTransfer.kind), col(LedgerTransfer.created_at), col(LedgerTransfer.top_up_id))
        query = (
            select(*transfer, moved.c.asset, moved.c.amount_minor)
            .join(moved, true())
            .where(
                col(LedgerTransfer.id) == transfer_id,
                col(LedgerTransfer.user_id) == viewer.user_id,
                text(LISTED_CONDITION),
            )
        )
        async with transaction() as db:
            row = (await execute(db, query)).first()
            known = await scales(db)
    if row is None:
        raise NotFound("There is no such transaction.")
    return TransferView(
        id=transfer_id,
        kind=row.kind,
        asset=row.asset,
        amount=amount_text(int(row.amount_minor), scale=known[row.asset]),
        created_at=row.created_at,
        top_up_id=row.top_up_id,
    )


async def _look_up(db: AsyncSession, user_id: str, filters: Filters) -> Wanted:
    """Find what an id, a provider order or a hash stands for among the person's own."""
    q = filters.q or ""
    theirs = (
        select(col(ProviderOrder.id), col(ProviderOrder.top_up_id))
        .join(TopUp, col(TopUp.id) == col(ProviderOrder.top_up_id))
        .where(col(TopUp.user_id) == user_id)
    )
    by_number = theirs.where(
        col(ProviderOrder.environment) == current_environment().value,
        col(ProviderOrder.provider) == PROVIDER,
        col(ProviderOrder.flow) == Flow.BUY.value,
        col(ProviderOrder.order_id) == q,
    )
    by_hash = theirs.where(col(ProviderOrder.transaction_hash) == q).limit(_MAX_FOUND)
    found = [
        *(await execute(db, by_number)),
        *(await execute(db, by_hash)),
    ]
    ids = {q} | {row.top_up_id for row in found}
    return Wanted(filters, tuple(sorted(ids)), tuple(sorted({row.id for row in found})))


async def _read(
    db: AsyncSession, user_id: str, wanted: Wanted, *, after: Position | None, limit: int
) -> list[TransactionView]:
    query, values = statement(user_id, wanted, after=after, limit=limit)
    return await _views(db, (await execute(db, query, values)).all())


def statement(
    user_id: str, wanted: Wanted, *, after: Position | None, limit: int
) -> tuple[Select[Any], dict[str, Any]]:
    """Return the query of one page, and its values.

    A transfer does not name its asset, its entries do: filtered by asset, the person's listed transfers are
    looked at one by one until the page is full. Top-ups are not, whatever is asked for.
    """
    filters = wanted.filters
    given: dict[str, Any] = {
        "status": filters.status.value if filters.status else None,
        "asset": filters.asset,
        "since": filters.since,
        "before": filters.before,
        "ids": wanted.ids,
        "order_ids": None if wanted.ids is None else wanted.order_ids,
        "after_at": after.created_at if after else None,
        "after_id": after.id if after else None,
    }
    values = {name: value for name, value in given.items() if value is not None}
    # What is booked has no other status.
    has_transfers = filters.status in (None, TopUpStatus.SETTLED)
    return _query(frozenset(values), has_transfers=has_transfers), {
        **values,
        "user_id": user_id,
        "most": limit,
    }


@lru_cache(maxsize=64)
def _query(given: frozenset[str], *, has_transfers: bool) -> Select[Any]:
    """Build the query for the values that are given; building it takes longer than running it."""
    return _page_of(bindparam("user_id", type_=Text), given, has_transfers=has_transfers)


@lru_cache(maxsize=1)
def _newest_of_each() -> Select[Any]:
    theirs = _page_of(EACH_ID, frozenset(), has_transfers=True).lateral("theirs")
    return (
        select(EACH_ID.label("user_id"), theirs)
        .select_from(EACH)
        .join(theirs, true())
        .order_by(theirs.c.created_at.desc(), theirs.c.id.desc())
    )


def _page_of(user_id: ColumnElement[str], given: frozenset[str], *, has_transfers: bool) -> Select[Any]:
    parts = [_top_ups(user_id, given)]
    if has_transfers:
        parts.append(_transfers(user_id, given))
    merged = union_all(*(select(part.subquery()) for part in parts)).subquery()
    newest = select(merged).order_by(merged.c.created_at.desc(), merged.c.id.desc())
    found = newest.limit(bindparam("most", type_=Integer)).subquery()
    order = col(ProviderOrder.id) == found.c.order_row_id
    # What an order says of an amount is what it asks for, until it says that this was paid.
    is_paid = found.c.charged == Charged.YES.value
    return (
        select(
            found,
            col(ProviderOrder.order_id),
            col(ProviderOrder.transaction_hash),
            case((is_paid, col(ProviderOrder.fiat_amount))).label("paid_amount"),
            case((is_paid, col(ProviderOrder.fiat_currency))).label("paid_currency"),
        )
        .outerjoin(ProviderOrder, order)
        .order_by(found.c.created_at.desc(), found.c.id.desc())
    )


def _within(created_at: Any, row_id: Any, given: frozenset[str]) -> list[Any]:
    moment = DateTime(timezone=True)
    conditions = []
    if "since" in given:
        conditions.append(created_at >= bindparam("since", type_=moment))
    if "before" in given:
        conditions.append(created_at < bindparam("before", type_=moment))
    if "after_at" in given:
        last = tuple_(bindparam("after_at", type_=moment), bindparam("after_id", type_=Text))
        conditions.append(tuple_(created_at, row_id) < last)
    return conditions


def _top_ups(user_id: ColumnElement[str], given: frozenset[str]) -> Select[Any]:
    created_at, row_id = col(TopUp.created_at), col(TopUp.id)
    conditions = [
        col(TopUp.user_id) == user_id,
        *_within(created_at, row_id, given),
    ]
    if "status" in given:
        conditions.append(col(TopUp.status) == bindparam("status", type_=Text))
    if "asset" in given:
        conditions.append(col(TopUp.asset) == bindparam("asset", type_=Text))
    if "ids" in given:
        conditions.append(row_id.in_(bindparam("ids", expanding=True)))
    # What arrived in another asset than asked for is no amount of the asset that the line names.
    received = case((col(TopUp.received_asset) == col(TopUp.asset), col(TopUp.received_minor)))
    return (
        select(
            row_id.label("id"),
            literal(TransactionKind.TOP_UP.value, Text).label("kind"),
            col(TopUp.status).label("status"),
            col(TopUp.fiat_amount).label("fiat_amount"),
            col(TopUp.fiat_currency).label("fiat_currency"),
            col(TopUp.asset).label("asset"),
            col(TopUp.network).label("network"),
            type_coerce(received, Numeric).label("amount_minor"),
            created_at.label("created_at"),
            col(TopUp.settled_at).label("settled_at"),
            col(TopUp.best_order_id).label("order_row_id"),
            literal(PROVIDER, Text).label("provider"),
            col(TopUp.payment_method).label("payment_method"),
            col(TopUp.charged).label("charged"),
        )
        .where(*conditions)
        .order_by(created_at.desc(), row_id.desc())
        .limit(bindparam("most", type_=Integer))
    )


def _transfers(user_id: ColumnElement[str], given: frozenset[str]) -> Select[Any]:
    created_at, row_id = col(LedgerTransfer.created_at), col(LedgerTransfer.id)
    conditions = [
        col(LedgerTransfer.user_id) == user_id,
        text(LISTED_CONDITION),
        *_within(created_at, row_id, given),
    ]
    if "ids" in given:
        of_orders = col(LedgerTransfer.provider_order_id).in_(bindparam("order_ids", expanding=True))
        conditions.append(or_(row_id.in_(bindparam("ids", expanding=True)), of_orders))
    moved = _moved().lateral("moved")
    if "asset" in given:
        conditions.append(moved.c.asset == bindparam("asset", type_=Text))
    return (
        select(
            row_id.label("id"),
            col(LedgerTransfer.kind).label("kind"),
            literal(TopUpStatus.SETTLED.value, Text).label("status"),
            null().cast(Numeric).label("fiat_amount"),
            null().cast(Text).label("fiat_currency"),
            moved.c.asset.label("asset"),
            null().cast(Text).label("network"),
            moved.c.amount_minor.label("amount_minor"),
            created_at.label("created_at"),
            created_at.label("settled_at"),
            col(LedgerTransfer.provider_order_id).label("order_row_id"),
            case((col(LedgerTransfer.provider_order_id).is_not(None), PROVIDER)).cast(Text).label("provider"),
            null().cast(Text).label("payment_method"),
            null().cast(Text).label("charged"),
        )
        .join(moved, true())
        .where(*conditions)
        .order_by(created_at.desc(), row_id.desc())
        .limit(bindparam("most", type_=Integer))
    )


def _moved() -> Select[Any, Any]:
    """Return what a transfer did to what its user has: less is below zero.

    All their accounts of the asset count, since a debt is less too. Recovering one moves from one to the
    other, so there it is what was taken from the available balance.
    """
    counted = or_(
        col(LedgerTransfer.kind) != TransferKind.RECOVER.value,
        col(LedgerAccount.kind) == AccountKind.AVAILABLE.value,
    )
    of_user = and_(
        col(LedgerAccount.id) == col(LedgerEntry.account_id),
        col(LedgerAccount.user_id) == col(LedgerTransfer.user_id),
    )
    return (
        select(
            col(LedgerAccount.asset).label("asset"),
            (-func.sum(type_coerce(col(LedgerEntry.amount_minor), Numeric))).label("amount_minor"),
        )
        .select_from(LedgerEntry)
        .join(LedgerAccount, of_user)
        .where(col(LedgerEntry.transfer_id) == col(LedgerTransfer.id), counted)
        .group_by(col(LedgerAccount.asset))
        .correlate(LedgerTransfer)
    )


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
    )
