"""Bodies and answers of the top-up routes. Amounts are decimal strings; a JSON number is refused."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field

from onramp_app.api.quote_models import QuoteAnswer, QuoteRequest
from onramp_app.top_ups.views import TopUpView

# Enough digits for any coin. The decimals of the asset itself are checked when it is known.
CoinText = Annotated[str, Field(pattern=r"^[0-9]{1,20}(\.[0-9]{1,18})?$", examples=["11.25"])]
Status = Literal[
    "created",
    "awaiting_payment",
    "processing",
    "settled",
    "canceled",
    "expired",
    "failed",
    "in_review",
    "reversed",
]


class TopUpRequest(QuoteRequest):
    """What to add. `country` chooses where the provider has several entries for the currency.

    The default is the country of the account. `expected_amount` is that of an earlier quote: if a fresh quote
    differs from it by more than 1 %, the request is refused with `quote_changed`.
    """

    expected_amount: CoinText | None = None


class FiatAnswer(BaseModel):
    """An amount of money."""

    amount: str
    currency: str


class ProviderOrderAnswer(BaseModel):
    """One order that the provider has for a top-up; a widget address can be paid more than once."""

    order_id: str
    status: str | None
    amount: str | None
    transaction_hash: str | None


class StepAnswer(BaseModel):
    """One line of the timeline."""

    status: Status
    at: datetime
    source: Literal["webhook_read", "poll", "user", "operator", "clock", "system", "chain"]
    detail: str


class TopUpAnswer(BaseModel):
    """One top-up. `widget_url` is null once a payment was claimed, or the offer has ended."""

    id: str
    status: Status
    reason: str | None
    charged: Literal["no", "unknown", "yes"]
    fiat: FiatAnswer
    asset: str
    network: str
    payment_method: str
    quote: QuoteAnswer | None
    received_amount: str | None
    provider_order_id: str | None
    provider_orders: list[ProviderOrderAnswer]
    transaction_hash: str | None
    widget_url: str | None
    created_at: datetime
    updated_at: datetime
    settled_at: datetime | None
    timeline: list[StepAnswer]

    @classmethod
    def of(cls, view: TopUpView) -> Self:
        """Build the answer from the view."""
        return cls.model_validate(
            {
                "id": view.id,
                "status": view.status,
                "reason": view.reason,
                "charged": view.charged,
                "fiat": {"amount": view.fiat_amount, "currency": view.fiat_currency},
                "asset": view.asset,
                "network": view.network,
                "payment_method": view.payment_method,
                "quote": QuoteAnswer.of(view.quote) if view.quote else None,
                "received_amount": view.received_amount,
                "provider_order_id": view.provider_order_id,
                "provider_orders": [
                    {
                        "order_id": order.order_id,
                        "status": order.status,
                        "amount": order.amount,
                        "transaction_hash": order.transaction_hash,
                    }
                    for order in view.provider_orders
                ],
                "transaction_hash": view.transaction_hash,
                "widget_url": view.widget_url,
                "created_at": view.created_at,
                "updated_at": view.updated_at,
                "settled_at": view.settled_at,
                "timeline": [
                    {"status": step.status, "at": step.at, "source": step.source, "detail": step.detail}
                    for step in view.timeline
                ],
            }
        )
