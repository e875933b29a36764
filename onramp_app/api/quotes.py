"""`/api/quotes`: how much of an asset an amount would buy right now."""

from fastapi import APIRouter, Response

from onramp_app.api.frame.identity import CurrentViewer
from onramp_app.api.frame.problems import error_responses
from onramp_app.api.quote_models import QuoteAnswer, QuoteRequest
from onramp_app.domain.errors import (
    DatabaseUnavailable,
    Forbidden,
    PayloadTooLarge,
    RateLimited,
    Unauthenticated,
    ValidationFailed,
)
from onramp_app.pricing import quotes
from onramp_app.pricing.catalogue import get_options
from onramp_app.pricing.quotes import get_shared_quotes, quote_view
from onramp_app.providers.errors import (
    AmountOutOfLimits,
    ProviderUnavailable,
    UnsupportedAsset,
    UnsupportedCurrency,
    UnsupportedPaymentMethod,
)
from onramp_app.throttle import throttle

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
    """Return the quote of the provider for an amount. The quote promises nothing, and is not stored."""
    response.headers["Cache-Control"] = "no-store"
    await throttle.attempt(throttle.QUOTE, viewer.user_id)
    found = await quotes.quote(get_shared_quotes(), get_options(), request=body.wanted(viewer.country))
    return QuoteAnswer.of(quote_view(found.quoted))
