"""Makes views of top-ups: what their owner sees, out of the rows."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.provider_tables import ProviderOrder
from onramp_app.db.top_up_tables import TopUp, TopUpStep, WidgetSession
from onramp_app.domain.money import amount_text, decimal_text
from onramp_app.domain.provider_status import Flow
from onramp_app.domain.top_up import Charged, Reason, TopUpState, TopUpStatus
from onramp_app.domain.views import ProviderOrderView, QuoteView, StepView, TopUpView
from onramp_app.providers.port import ProviderQuote
from onramp_app.services.assets import scales

# A provider that wavers may write many lines and orders; nobody reads more than these.
MAX_STEPS = 200
MAX_ORDERS = 50


def state_of(top_up: TopUp) -> TopUpState:
    """Return what decides how the top-up moves."""
    return TopUpState(
        status=TopUpStatus(top_up.status),
        reason=Reason(top_up.reason) if top_up.reason else None,
        charged=Charged(top_up.charged),
        rank=top_up.rank,
        has_entry=top_up.has_entry,
    )


def quote_view(quoted: ProviderQuote) -> QuoteView:
    """Return the provider's quote as it is shown."""
    return QuoteView(
        rate=decimal_text(quoted.rate),
        fiat_amount=decimal_text(quoted.fiat_amount),
        expected_amount=decimal_text(quoted.expected_amount),
        provider_fee=decimal_text(quoted.provider_fee),
        gateway_fee=decimal_text(quoted.gateway_fee),
        network_fee=decimal_text(quoted.network_fee),
        client_fee=decimal_text(quoted.client_fee),
        expires_at=quoted.expires_at,
    )


def quote_members(quote: QuoteView) -> dict[str, object]:
    """Return a quote as the members of the public contract's object: what is kept, and what is told."""
    return {
        "rate": quote.rate,
        "fiat_amount": quote.fiat_amount,
        "expected_amount": quote.expected_amount,
        "fees": {
            "provider": quote.provider_fee,
            "gateway": quote.gateway_fee,
            "network": quote.network_fee,
            "client": quote.client_fee,
        },
        "expires_at": quote.expires_at.isoformat().replace("+00:00", "Z"),
    }


def quote_of(kept: Mapping[str, Any]) -> QuoteView:
    """Return a quote out of what `quote_members` made of it."""
    fees = kept["fees"]
    return QuoteView(
        rate=kept["rate"],
        fiat_amount=kept["fiat_amount"],
        expected_amount=kept["expected_amount"],
        provider_fee=fees["provider"],
        gateway_fee=fees["gateway"],
        network_fee=fees["network"],
        client_fee=fees["client"],
        expires_at=datetime.fromisoformat(kept["expires_at"]),
    )


async def view_of(db: AsyncSession, top_up: TopUp, *, at: datetime) -> TopUpView:
    """Return a top-up with its timeline, its provider orders and the widget address it is offered at."""
    steps = (
        await db.exec(
            select(TopUpStep)
            .where(TopUpStep.top_up_id == top_up.id)
            .order_by(col(TopUpStep.id).desc())
            .limit(MAX_STEPS)
        )
    ).all()
    orders = (
        await db.exec(
            select(ProviderOrder)
            .where(ProviderOrder.top_up_id == top_up.id, ProviderOrder.flow == Flow.BUY.value)
            .order_by(col(ProviderOrder.id).desc())
            .limit(MAX_ORDERS)
        )
    ).all()
    known = await scales(db)
    best = next((order for order in orders if order.id == top_up.best_order_id), None)
    return TopUpView(
        id=top_up.id,
        status=top_up.status,
        reason=top_up.reason,
        charged=top_up.charged,
        fiat_amount=decimal_text(top_up.fiat_amount),
        fiat_currency=top_up.fiat_currency,
        asset=top_up.asset,
        network=top_up.network,
        payment_method=top_up.payment_method,
        quote=None if top_up.quote is None else quote_of(json.loads(top_up.quote)),
        received_amount=received_text(top_up, known),
        provider_order_id=best.order_id if best else None,
        provider_orders=tuple(_order_view(order, known) for order in reversed(orders)),
        transaction_hash=best.transaction_hash if best else None,
        widget_url=await _offered_url(db, top_up, at),
        created_at=top_up.created_at,
        updated_at=top_up.updated_at,
        settled_at=top_up.settled_at,
        timeline=tuple(StepView(step.status, step.at, step.source, step.detail) for step in reversed(steps)),
    )


def received_text(top_up: TopUp, known: dict[str, int]) -> str | None:
    """Return what was booked, None when nothing was, or when it was another asset than asked for."""
    if top_up.received_minor is None or top_up.received_asset != top_up.asset:
        return None
    return amount_text(top_up.received_minor, scale=known[top_up.asset])


def _order_view(order: ProviderOrder, known: dict[str, int]) -> ProviderOrderView:
    amount = None
    if order.delivered_minor is not None and order.asset is not None:
        amount = amount_text(order.delivered_minor, scale=known[order.asset])
    return ProviderOrderView(order.order_id, order.status_class, amount, order.transaction_hash)


async def _offered_url(db: AsyncSession, top_up: TopUp, at: datetime) -> str | None:
    if not state_of(top_up).can_cancel:  # Claimed, paid or ended: paying again would be paying twice.
        return None
    query = (
        select(WidgetSession.url)
        .where(WidgetSession.top_up_id == top_up.id, col(WidgetSession.offered_until) > at)
        .order_by(col(WidgetSession.created_at).desc())
        .limit(1)
    )
    return (await db.exec(query)).first()
