"""The queries for a person's transactions: top-ups and the listed ledger transfers, merged into one order.

Each half is read newest first from its own index, so every page costs the same, however long the list is.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Integer,
    Numeric,
    Select,
    Text,
    and_,
    bindparam,
    case,
    func,
    literal,
    not_,
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

from onramp_app.db.each import EACH, EACH_ID
from onramp_app.debits.tables import DebitRecord
from onramp_app.debits.words import DebitStatus
from onramp_app.domain.paging import Position
from onramp_app.ledger.tables import LedgerAccount, LedgerEntry, LedgerTransfer
from onramp_app.ledger.words import LISTED_CONDITION, AccountKind, TransactionKind, TransferKind
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import Charged, TopUpStatus

PROVIDER = "onramp"
# A booked transfer counts as settled; a hold is processing while it lasts, and canceled if nothing was
# captured.
_OF_TRANSFERS = (TopUpStatus.SETTLED, TopUpStatus.PROCESSING, TopUpStatus.CANCELED)
_IS_HOLD = col(LedgerTransfer.kind) == TransferKind.DEBIT_HOLD.value
_IS_ON_HOLD = col(DebitRecord.status) == DebitStatus.HELD.value
_STATUS = case(
    (and_(_IS_HOLD, _IS_ON_HOLD), TopUpStatus.PROCESSING.value),
    (and_(_IS_HOLD, col(DebitRecord.posted_minor) == 0), TopUpStatus.CANCELED.value),
    else_=TopUpStatus.SETTLED.value,
).cast(Text)
_LEFT = (
    type_coerce(col(DebitRecord.posted_minor), Numeric)
    + type_coerce(col(DebitRecord.released_minor), Numeric)
    - type_coerce(col(DebitRecord.amount_minor), Numeric)
)


@dataclass(frozen=True, slots=True)
class Filters:
    """What to list: created from `since` on and before `before`; `method` is the provider's code.

    `q` is an exact id, provider order or hash. `search` is free text: one of these, or a reference, an amount
    or a payment method (`wallet.search`).
    """

    status: TopUpStatus | None = None
    asset: str | None = None
    since: datetime | None = None
    before: datetime | None = None
    q: str | None = None
    method: str | None = None
    search: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """The filters, and what `q` and `search` matched: ids of transactions, and of provider orders."""

    filters: Filters
    ids: tuple[str, ...] | None = None
    order_ids: tuple[str, ...] = ()


def statement(
    user_id: str, wanted: Wanted, *, after: Position | None, limit: int
) -> tuple[Select[Any], dict[str, Any]]:
    """Return the query for one page, newest first, and the values of its parameters.

    A transfer's asset is only in its entries: with a filter by asset, the person's listed transfers are
    examined one by one until the page is full. Top-ups never are.
    """
    filters = wanted.filters
    given: dict[str, Any] = {
        "status": filters.status.value if filters.status else None,
        "asset": filters.asset,
        "method": filters.method,
        "since": filters.since,
        "before": filters.before,
        "ids": wanted.ids,
        "order_ids": None if wanted.ids is None else wanted.order_ids,
        "after_at": after.created_at if after else None,
        "after_id": after.id if after else None,
    }
    values = {name: value for name, value in given.items() if value is not None}
    has_transfers = filters.status in (None, *_OF_TRANSFERS) and filters.method is None
    return _query(frozenset(values), has_transfers=has_transfers), {
        **values,
        "user_id": user_id,
        "most": limit,
    }


@lru_cache(maxsize=64)
def _query(given: frozenset[str], *, has_transfers: bool) -> Select[Any]:
    """Return the query for these parameters; cached, because building it takes longer than running it."""
    return _page_of(bindparam("user_id", type_=Text), given, has_transfers=has_transfers)


@lru_cache(maxsize=1)
def newest_of_each() -> Select[Any]:
    """Return the query for the `most` newest transactions of each of the people in `ids`."""
    newest = _page_of(EACH_ID, frozenset(), has_transfers=True).lateral("newest")
    return (
        select(EACH_ID.label("user_id"), newest)
        .select_from(EACH)
        .join(newest, true())
        .order_by(newest.c.created_at.desc(), newest.c.id.desc())
    )


def _page_of(user_id: ColumnElement[str], given: frozenset[str], *, has_transfers: bool) -> Select[Any]:
    parts = [_top_ups(user_id, given)]
    if has_transfers:
        parts.append(_transfers(user_id, given))
    merged = union_all(*(select(part.subquery()) for part in parts)).subquery()
    newest = select(merged).order_by(merged.c.created_at.desc(), merged.c.id.desc())
    found = newest.limit(bindparam("most", type_=Integer)).subquery()
    order = col(OrderRecord.id) == found.c.order_row_id
    # Until an order says that it was paid, its amount is only what it asks for.
    is_paid = found.c.charged == Charged.YES.value
    return (
        select(
            found,
            col(OrderRecord.order_id),
            col(OrderRecord.transaction_hash),
            case((is_paid, col(OrderRecord.fiat_amount))).label("paid_amount"),
            case((is_paid, col(OrderRecord.fiat_currency))).label("paid_currency"),
        )
        .outerjoin(OrderRecord, order)
        .order_by(found.c.created_at.desc(), found.c.id.desc())
    )


def within(created_at: Any, row_id: Any, given: frozenset[str]) -> list[Any]:
    """Return those conditions on the period and the cursor position that are among `given`."""
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
        *within(created_at, row_id, given),
    ]
    if "status" in given:
        conditions.append(col(TopUp.status) == bindparam("status", type_=Text))
    if "asset" in given:
        conditions.append(col(TopUp.asset) == bindparam("asset", type_=Text))
    if "method" in given:
        conditions.append(col(TopUp.payment_method) == bindparam("method", type_=Text))
    if "ids" in given:
        conditions.append(row_id.in_(bindparam("ids", expanding=True)))
    # The line shows the asset that was asked for, so it must not show an amount of another one.
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
            col(TopUp.quote).label("quote"),
            null().cast(Text).label("description"),
            null().cast(Numeric).label("asked_minor"),
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
        *within(created_at, row_id, given),
    ]
    if "ids" in given:
        of_orders = col(LedgerTransfer.provider_order_id).in_(bindparam("order_ids", expanding=True))
        conditions.append(or_(row_id.in_(bindparam("ids", expanding=True)), of_orders))
    else:
        # A hold that was captured is left out: its captures are lines of their own.
        conditions.append(or_(not_(_IS_HOLD), _IS_ON_HOLD, col(DebitRecord.posted_minor) == 0))
    if "status" in given:
        conditions.append(bindparam("status", type_=Text) == _STATUS)
    change = moved().lateral("moved")
    if "asset" in given:
        conditions.append(change.c.asset == bindparam("asset", type_=Text))
    return (
        select(
            row_id.label("id"),
            col(LedgerTransfer.kind).label("kind"),
            _STATUS.label("status"),
            null().cast(Numeric).label("fiat_amount"),
            null().cast(Text).label("fiat_currency"),
            change.c.asset.label("asset"),
            null().cast(Text).label("network"),
            # For a hold, what is left of it; nothing once it is over.
            case((and_(_IS_HOLD, _IS_ON_HOLD), _LEFT), (_IS_HOLD, null()), else_=change.c.amount_minor).label(
                "amount_minor"
            ),
            created_at.label("created_at"),
            case((not_(_IS_HOLD), created_at)).label("settled_at"),
            col(LedgerTransfer.provider_order_id).label("order_row_id"),
            case((col(LedgerTransfer.provider_order_id).is_not(None), PROVIDER)).cast(Text).label("provider"),
            null().cast(Text).label("payment_method"),
            null().cast(Text).label("charged"),
            null().cast(Text).label("quote"),
            col(DebitRecord.description).label("description"),
            type_coerce(col(DebitRecord.amount_minor), Numeric).label("asked_minor"),
        )
        .select_from(LedgerTransfer)
        .join(change, true())
        .outerjoin(DebitRecord, col(DebitRecord.id) == col(LedgerTransfer.debit_id))
        .where(*conditions)
        .order_by(created_at.desc(), row_id.desc())
        .limit(bindparam("most", type_=Integer))
    )


def moved(transfer: Any = LedgerTransfer) -> Select[Any, Any]:
    """Return the query for how much a transfer changed its user's money; negative if it became less.

    All accounts of the user in the asset count, since a debt lowers what the user has. Recovering a debt
    moves money between two of them, so its amount is what the available balance lost. Join the query as a
    lateral of `transfer`, which is `LedgerTransfer` or an alias; its columns are `asset` and `amount_minor`.
    """
    counted = or_(
        col(transfer.kind) != TransferKind.RECOVER.value,
        col(LedgerAccount.kind) == AccountKind.AVAILABLE.value,
    )
    of_user = and_(
        col(LedgerAccount.id) == col(LedgerEntry.account_id),
        col(LedgerAccount.user_id) == col(transfer.user_id),
    )
    return (
        select(
            col(LedgerAccount.asset).label("asset"),
            (-func.sum(type_coerce(col(LedgerEntry.amount_minor), Numeric))).label("amount_minor"),
        )
        .select_from(LedgerEntry)
        .join(LedgerAccount, of_user)
        .where(col(LedgerEntry.transfer_id) == col(transfer.id), counted)
        .group_by(col(LedgerAccount.asset))
        .correlate(transfer)
    )
