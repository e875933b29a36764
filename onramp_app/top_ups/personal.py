"""A person's payments, for their data file, and the open ones, which keep their account from being closed."""

from dataclasses import dataclass

from sqlmodel import col, func, or_, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.cases.cases import CASES
from onramp_app.cases.tables import Case
from onramp_app.chain.personal import EVIDENCE
from onramp_app.db.personal import Inner, Part
from onramp_app.provider_orders.personal import ORDERS
from onramp_app.top_ups.tables import TopUp
from onramp_app.top_ups.transitions import OPEN, TopUpStatus

# Left out is what can open an order with the provider: the payment page's address, and the id in it.
TOP_UPS = Part(
    name="top_ups",
    shows={
        "id": "top_ups.id",
        "environment": "top_ups.environment",
        "fiat_amount": "top_ups.fiat_amount",
        "fiat_currency": "top_ups.fiat_currency",
        "asset": "top_ups.asset",
        "network": "top_ups.network",
        "payment_method": "top_ups.payment_method",
        "quote": "CAST(top_ups.quote AS json)",
        "expected_amount": "top_ups.expected_amount",
        "paid_amount": "top_ups.paid_amount",
        "base_amount": "top_ups.base_amount",
        "base_currency": "top_ups.base_currency",
        "status": "top_ups.status",
        "reason": "top_ups.reason",
        "charged": "top_ups.charged",
        "received_asset": "top_ups.received_asset",
        "linked_to": "top_ups.linked_to",
        "link_id": "top_ups.link_id",
        "created_at": "top_ups.created_at",
        "updated_at": "top_ups.updated_at",
        "claimed_at": "top_ups.claimed_at",
        "settled_at": "top_ups.settled_at",
    },
    amounts={"received": "top_ups.received_minor"},
    source="top_ups LEFT JOIN assets ON assets.code = top_ups.received_asset",
    whose="top_ups.user_id = :user_id",
    order=("top_ups.created_at", "top_ups.id"),
    id="top_ups.id",
    lists=(
        Inner(
            name="steps",
            shows={
                "at": "top_up_steps.at",
                "status": "top_up_steps.status",
                "reason": "top_up_steps.reason",
                "charged": "top_up_steps.charged",
                "source": "top_up_steps.source",
                "act": "top_up_steps.act",
                "status_class": "top_up_steps.status_class",
                "hold": "top_up_steps.hold",
                "detail": "top_up_steps.detail",
            },
            source="top_up_steps",
            by="top_up_steps.top_up_id",
            order=("top_up_steps.id",),
        ),
        Inner(
            name="widget_sessions",
            shows={
                "network": "widget_sessions.network",
                "address": "widget_sessions.address",
                "memo": "widget_sessions.memo",
                "fiat_amount": "widget_sessions.fiat_amount",
                "created_at": "widget_sessions.created_at",
                "offered_until": "widget_sessions.offered_until",
            },
            source="widget_sessions",
            by="widget_sessions.top_up_id",
            order=("widget_sessions.created_at", "widget_sessions.recognition_id"),
        ),
        ORDERS,
        EVIDENCE,
        CASES,
    ),
)


@dataclass(frozen=True, slots=True)
class OpenPayments:
    """How many top-ups a person may still pay or is waiting for, and how many need an operator's review."""

    open: int
    in_review: int


async def open_payments(db: AsyncSession, user_id: str) -> OpenPayments:
    """Count a person's open payments. Lock the person's row first where the counts must not change."""
    is_looked_at = (
        select(Case.id)
        .where(Case.top_up_id == TopUp.id, col(Case.closed_at).is_(None))
        .correlate(TopUp)
        .exists()
    )
    is_open = col(TopUp.status).in_([status.value for status in OPEN])
    is_in_review = or_(TopUp.status == TopUpStatus.IN_REVIEW.value, is_looked_at) & ~is_open
    query = select(func.count().filter(is_open), func.count().filter(is_in_review))
    found = (await db.exec(query.where(TopUp.user_id == user_id))).one()
    return OpenPayments(*found)
