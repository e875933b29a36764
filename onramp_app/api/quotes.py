"""`/api/quotes`: what an amount would buy right now."""

from fastapi import APIRouter, Response

from onramp_app.api.identity import CurrentViewer
from onramp_app.api.problems import error_responses
from onramp_app.api.quote_models import QuoteAnswer, QuoteRequest
from onramp_app.domain.errors import (
    DatabaseUnavailable,
    Forbidden,
    PayloadTooLarge,
    RateLimited,
    Unauthenticated,
    ValidationFailed,
)
from onramp_app.domain.provider_errors import (
    AmountOutOfLimits,
    ProviderUnavailable,
    UnsupportedAsset,
    UnsupportedCurrency,
    UnsupportedPaymentMethod,
)
from onramp_app.services import quotes, throttle
from onramp_app.services.options import get_options
from onramp_app.services.quotes import get_shared_quotes
from onramp_app.services.top_up_views import quote_view

router = APIRouter(prefix="/api/quotes", tags=["money"])


@router.post(
    "",
    responses=error_responses(
        Unauthenticated,
        Forbidden,
        PayloadTooLarge,
        ValidationFailed,
        AmountOutOfLimits,
        UnsupportedCurrency,
        UnsupportedAsset,
        UnsupportedPaymentMethod,
        RateLimited,
        ProviderUnavailable,
        DatabaseUnavailable,
    ),
)
async def read_quote(body: QuoteRequest, viewer: CurrentViewer, response: Response) -> QuoteAnswer:
    """Ask the provider what an amount would buy. Nothing is promised, and nothing is kept."""
    response.headers["Cache-Control"] = "no-store"
    await throttle.attempt(throttle.QUOTE, viewer.user_id)
    found = await quotes.quote(get_shared_quotes(), get_options(), request=body.wanted(viewer.country))
    return QuoteAnswer.of(quote_view(found.quoted))
