"""Views of top-ups: what their owners see, built from the rows."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import DateTime, Select, any_, bindparam, true
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from onramp_app.accounts.views import Viewer
from onramp_app.chain.networks import transaction_page
from onramp_app.db.each import EACH, EACH_ID, IDS
from onramp_app.db.engine import transaction
from onramp_app.domain import clock
from onramp_app.domain.environment import Environment
from onramp_app.domain.errors import NotFound
from onramp_app.domain.ids import is_id
from onramp_app.domain.money import amount_text, decimal_text
from onramp_app.ledger.assets import scales
from onramp_app.ledger.deliveries import recovered_minor
from onramp_app.pricing.quotes import QuoteView, quote_of
from onramp_app.provider_orders.hints import sought_of
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.providers.status import Flow
from onramp_app.top_ups.moves import state_of, write_steps
from onramp_app.top_ups.seen import SeenView, seen_of
from onramp_app.top_ups.tables import TopUp, TopUpStep, WidgetRecord
from onramp_app.top_ups.transitions import OPEN, Charged, TopUpStatus, can_cancel

_T = TypeVar("_T", TopUpStep, OrderRecord)

# A provider that keeps changing its mind may cause many lines and orders; nobody reads more than these.
MAX_STEPS = 200
MAX_ORDERS = 50
MAX_LINKED = 10
MAX_SHOWN_OPEN = 10  # more than may be open at a time, because those in review are shown too


@dataclass(frozen=True, slots=True)
class ProviderOrderView:
    """One provider order of a top-up: its class, what it delivered and what was paid, where known.

    `seen` is None until the network has shown the delivery, and where nobody looks at the network. `page` is
    the transaction's address at the network's explorer, "" where none is known or the order is simulated.
    """

    order_id: str
    status: str | None
    amount: str | None
    transaction_hash: str | None
    fiat_amount: str | None = None
    fiat_currency: str | None = None
    seen: SeenView | None = None
    page: str = ""


@dataclass(frozen=True, slots=True)
class StepView:
    """One line of a top-up's timeline.

    `act` is a word of `top_ups.transitions.Act`. `status_class` is the class of the order that was read, None
    where the line is not a read; `order_id` is the provider's id of that order, if the view shows the order.
    `hold` is a word of `Reason`: why a delivery was not simply credited.
    """

    status: str
    at: datetime
    source: str
    detail: str
    status_class: str | None
    order_id: str | None
    act: str
    hold: str | None = None


@dataclass(frozen=True, slots=True)
class LinkedView:
    """A top-up created for a second delivery of `amount` of `asset`; None where it was not booked."""

    id: str
    status: str
    asset: str
    amount: str | None


@dataclass(frozen=True, slots=True)
class TopUpView:
    """One top-up as its owner sees it.

    Amounts are decimal strings; `status`, `reason` and `charged` are words of `top_ups.transitions`.
    `received_amount` is in `asset`, and None when another asset arrived. `widget_url` is None once a
    payment was claimed or the offer has ended.

    `booked_amount` of `booked_asset` arrived and is in the books, whichever asset it is; `has_entry` says
    that there is such an amount, and `recovered_amount` of it covered what the person owed. `rank` is the
    highest progress (`StatusClass.rank`). A top-up created for a second delivery has the first top-up's id in
    `linked_to`; the first one lists such top-ups in `linked`.
    """

    id: str
    status: str
    reason: str | None
    charged: str
    fiat_amount: str
    fiat_currency: str
    asset: str
    network: str
    payment_method: str
    quote: QuoteView | None
    received_amount: str | None
    provider_order_id: str | None
    provider_orders: tuple[ProviderOrderView, ...]
    transaction_hash: str | None
    widget_url: str | None
    created_at: datetime
    updated_at: datetime
    settled_at: datetime | None
    timeline: tuple[StepView, ...]
    rank: int
    has_entry: bool
    booked_amount: str | None
    booked_asset: str | None
    recovered_amount: str | None
    linked_to: str | None
    linked: tuple[LinkedView, ...]

    @property
    def can_cancel(self) -> bool:
        """Whether the owner may cancel, and may still pay without paying twice."""
        return can_cancel(TopUpStatus(self.status), Charged(self.charged))


def _newest_of_each(row: type[_T], newest: Select[Any]) -> SelectOfScalar[_T]:
    """Return a query for the newest rows of each top-up, in ascending order."""
    found = aliased(row, newest.lateral("found"))
    return select(found).select_from(EACH).join(found, true()).order_by(col(found.id))


# Built once: building it takes longer than running it.
_STEPS = _newest_of_each(
    TopUpStep,
    select(TopUpStep)
    .where(TopUpStep.top_up_id == EACH_ID)
    .order_by(col(TopUpStep.id).desc())
    .limit(MAX_STEPS),
)
_ORDERS = _newest_of_each(
    OrderRecord,
    select(OrderRecord)
    .where(OrderRecord.top_up_id == EACH_ID, OrderRecord.flow == Flow.BUY.value)
    .order_by(col(OrderRecord.id).desc())
    .limit(MAX_ORDERS),
)
_URLS = (
    select(WidgetRecord.top_up_id, WidgetRecord.url)
    .ext(distinct_on(col(WidgetRecord.top_up_id)))
    .where(
        col(WidgetRecord.top_up_id) == any_(IDS),
        col(WidgetRecord.offered_until) > bindparam("at", type_=DateTime(timezone=True)),
    )
    .order_by(col(WidgetRecord.top_up_id), col(WidgetRecord.created_at).desc())
)
_OPEN_OF_EACH = aliased(
    TopUp,
    select(TopUp)
    .where(
        col(TopUp.user_id) == EACH_ID,
        col(TopUp.status).in_([status.value for status in (*OPEN, TopUpStatus.IN_REVIEW)]),
    )
    .order_by(col(TopUp.created_at).desc(), col(TopUp.id).desc())
    .limit(MAX_SHOWN_OPEN)
    .lateral("open_of_each"),
)
_NOT_OVER = (
    select(_OPEN_OF_EACH)
    .select_from(EACH)
    .join(_OPEN_OF_EACH, true())
    .order_by(col(_OPEN_OF_EACH.created_at).desc(), col(_OPEN_OF_EACH.id).desc())
)


async def own(db: AsyncSession, user_id: str, top_up_id: str, *, lock: bool = False) -> TopUp:
    """Return a person's top-up row, locked on request. Raises `NotFound`, also for somebody else's top-up."""
    found = None
    if is_id(top_up_id):
        query = select(TopUp).where(TopUp.id == top_up_id, TopUp.user_id == user_id)
        found = (await db.exec(query.with_for_update() if lock else query)).first()
    if found is None:
        raise NotFound("There is no such top-up.")
    return found


async def get(viewer: Viewer, top_up_id: str) -> TopUpView:
    """Return one top-up. Raises `NotFound`, also for somebody else's top-up."""
    async with transaction() as db:
        return await view_of(db, await own(db, viewer.user_id, top_up_id), at=clock.now())


async def list_open(viewer: Viewer) -> list[TopUpView]:
    """Return the person's unfinished top-ups, newest first: open ones and those in review."""
    async with transaction() as db:
        return (await read_open(db, [viewer.user_id]))[viewer.user_id]


async def read_open(db: AsyncSession, user_ids: Collection[str]) -> dict[str, list[TopUpView]]:
    """Return the unfinished top-ups of each person, newest first, by the person's id."""
    found: dict[str, list[TopUpView]] = {user_id: [] for user_id in user_ids}
    rows = (await db.exec(_NOT_OVER, params={"ids": list(user_ids)})).all()
    for row, view in zip(rows, await views_of(db, rows, at=clock.now()), strict=True):
        found[row.user_id].append(view)
    return found


async def view_of(db: AsyncSession, top_up: TopUp, *, at: datetime) -> TopUpView:
    """Return the view of one top-up, with timeline, provider orders, and the widget address while offered."""
    return (await views_of(db, [top_up], at=at))[0]


async def views_of(db: AsyncSession, top_ups: Sequence[TopUp], *, at: datetime) -> list[TopUpView]:
    """Return the views of many top-ups, read together."""
    if not top_ups:
        return []
    await write_steps(db)
    sought = await sought_of(db, [top_up.id for top_up in top_ups if top_up.charged == Charged.NO])
    ids = [top_up.id for top_up in top_ups]
    steps: dict[str | None, list[TopUpStep]] = {one: [] for one in ids}
    for step in await db.exec(_STEPS, params={"ids": ids}):
        steps[step.top_up_id].append(step)
    orders: dict[str | None, list[OrderRecord]] = {one: [] for one in ids}
    for order in await db.exec(_ORDERS, params={"ids": ids}):
        orders[order.top_up_id].append(order)
    known, seen = await scales(db), await seen_of(db, [order for some in orders.values() for order in some])
    urls = await _offered_urls(db, [top_up for top_up in top_ups if top_up.id not in sought], at)
    return [
        _view(
            top_up,
            _RelatedRows(
                steps=steps[top_up.id],
                orders=orders[top_up.id],
                seen=seen,
                widget_url=urls.get(top_up.id),
                is_sought=top_up.id in sought,
                recovered_amount=await _recovered_text(db, top_up, known),
                linked=await _linked(db, top_up, known),
            ),
            known,
        )
        for top_up in top_ups
    ]


@dataclass(frozen=True, slots=True)
class _RelatedRows:
    """What other rows say about one top-up; steps and orders are oldest first."""

    steps: Sequence[TopUpStep]
    orders: Sequence[OrderRecord]
    seen: Mapping[str, SeenView]
    widget_url: str | None
    is_sought: bool
    recovered_amount: str | None
    linked: tuple[LinkedView, ...]


def _view(top_up: TopUp, related: _RelatedRows, known: dict[str, int]) -> TopUpView:
    best = next((order for order in related.orders if order.id == top_up.best_order_id), None)
    return TopUpView(
        id=top_up.id,
        status=top_up.status,
        reason=top_up.reason,
        charged=Charged.UNKNOWN.value if related.is_sought else top_up.charged,
        fiat_amount=decimal_text(top_up.fiat_amount),
        fiat_currency=top_up.fiat_currency,
        asset=top_up.asset,
        network=top_up.network,
        payment_method=top_up.payment_method,
        quote=None if top_up.quote is None else quote_of(json.loads(top_up.quote)),
        received_amount=received_text(top_up, known),
        provider_order_id=best.order_id if best else None,
        provider_orders=tuple(
            _order_view(order, known, seen=related.seen.get(order.id)) for order in related.orders
        ),
        transaction_hash=best.transaction_hash if best else None,
        widget_url=related.widget_url,
        created_at=top_up.created_at,
        updated_at=top_up.updated_at,
        settled_at=top_up.settled_at,
        timeline=tuple(_step_view(step, related.orders) for step in related.steps),
        rank=top_up.rank,
        has_entry=top_up.has_entry,
        booked_amount=_booked_text(top_up, known),
        booked_asset=top_up.received_asset,
        recovered_amount=related.recovered_amount,
        linked_to=top_up.linked_to,
        linked=related.linked,
    )


def _step_view(step: TopUpStep, orders: Sequence[OrderRecord]) -> StepView:
    order = next((order for order in orders if order.id == step.provider_order_id), None)
    return StepView(
        step.status,
        step.at,
        step.source,
        step.detail,
        status_class=step.status_class,
        order_id=order.order_id if order else None,
        act=step.act,
        hold=step.hold,
    )


def _booked_text(top_up: TopUp, known: dict[str, int]) -> str | None:
    if top_up.received_minor is None or top_up.received_asset is None:
        return None
    return amount_text(top_up.received_minor, scale=known[top_up.received_asset])


async def _recovered_text(db: AsyncSession, top_up: TopUp, known: dict[str, int]) -> str | None:
    if top_up.status != TopUpStatus.SETTLED or top_up.received_asset is None:
        return None
    recovered = await recovered_minor(db, top_up_id=top_up.id)
    return amount_text(recovered, scale=known[top_up.received_asset]) if recovered else None


async def _linked(db: AsyncSession, top_up: TopUp, known: dict[str, int]) -> tuple[LinkedView, ...]:
    if not top_up.has_entry:  # A second delivery follows a first one.
        return ()
    query = (
        select(TopUp)
        .where(TopUp.linked_to == top_up.id)
        .order_by(col(TopUp.created_at), col(TopUp.id))
        .limit(MAX_LINKED)
    )
    return tuple(
        LinkedView(one.id, one.status, one.received_asset or one.asset, _booked_text(one, known))
        for one in await db.exec(query)
    )


def received_text(top_up: TopUp, known: dict[str, int]) -> str | None:
    """Return the booked amount; None when nothing was booked, or another asset than was asked for."""
    return _booked_text(top_up, known) if top_up.received_asset == top_up.asset else None


def _order_view(order: OrderRecord, known: dict[str, int], *, seen: SeenView | None) -> ProviderOrderView:
    amount = None
    if order.delivered_minor is not None and order.asset is not None:
        amount = amount_text(order.delivered_minor, scale=known[order.asset])
    return ProviderOrderView(
        order.order_id,
        order.status_class,
        amount,
        order.transaction_hash,
        fiat_amount=None if order.fiat_amount is None else decimal_text(order.fiat_amount),
        fiat_currency=order.fiat_currency,
        seen=seen,
        page=_page_of(order),
    )


def _page_of(order: OrderRecord) -> str:
    if order.environment == Environment.SIMULATOR or order.transaction_hash is None:
        return ""
    return transaction_page(order.network or "", order.transaction_hash) or ""


async def _offered_urls(db: AsyncSession, top_ups: Sequence[TopUp], at: datetime) -> dict[str, str]:
    # Once a payment was claimed or seen, another one could mean paying twice; an ended top-up is not offered.
    payable = [top_up.id for top_up in top_ups if state_of(top_up).can_cancel]
    if not payable:
        return {}
    return dict((await db.exec(_URLS, params={"ids": payable, "at": at})).all())
