"""`/api/top-ups`: begin, read and cancel top-ups."""

from decimal import Decimal
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import ValidationError
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app import idempotency
from onramp_app.accounts.views import Viewer
from onramp_app.api.frame.idempotency import IdempotencyKey, once
from onramp_app.api.frame.identity import CurrentViewer
from onramp_app.api.frame.problems import error_responses, invalid_fields
from onramp_app.api.frame.routes import forbid_caching
from onramp_app.api.top_up_models import TopUpAnswer, TopUpRequest
from onramp_app.domain.errors import (
    ApplicationError,
    DatabaseUnavailable,
    Forbidden,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    Unauthenticated,
    ValidationFailed,
)
from onramp_app.idempotency import Claim, IdempotencyConflict, IdempotencyInProgress, KeptAnswer
from onramp_app.providers.errors import (
    AmountOutOfLimits,
    ProviderUnavailable,
    UnsupportedAsset,
    UnsupportedCurrency,
    UnsupportedPaymentMethod,
)
from onramp_app.throttle import throttle
from onramp_app.top_ups import top_ups, views
from onramp_app.top_ups.errors import (
    AccountFrozen,
    EmailNotConfirmed,
    KycRequired,
    NotCancelable,
    QuoteChanged,
    TooManyOpenTopUps,
)
from onramp_app.top_ups.views import TopUpView

router = APIRouter(prefix="/api/top-ups", tags=["top-ups"], dependencies=[Depends(forbid_caching)])


def _errors(*errors: type[ApplicationError]) -> dict[int | str, dict[str, Any]]:
    return error_responses(
        Unauthenticated, Forbidden, ValidationFailed, PayloadTooLarge, DatabaseUnavailable, *errors
    )


_CREATE: dict[int | str, dict[str, Any]] = {
    201: {
        "description": "The top-up with the widget address it is offered at",
        "model": TopUpAnswer,
        "headers": {
            "Idempotency-Replayed": {
                "description": "`true` when this is the kept answer of an earlier request",
                "schema": {"type": "string"},
            }
        },
    },
    **_errors(
        AccountFrozen,
        EmailNotConfirmed,
        KycRequired,
        IdempotencyConflict,
        IdempotencyInProgress,
        TooManyOpenTopUps,
        QuoteChanged,
        AmountOutOfLimits,
        UnsupportedCurrency,
        UnsupportedAsset,
        UnsupportedPaymentMethod,
        RateLimited,
        ProviderUnavailable,
    ),
}
# The route reads the body itself, because the refusal of an invalid body is kept under the key too.
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": TopUpRequest.model_json_schema()}},
    }
}


@router.post("", status_code=201, response_class=Response, responses=_CREATE, openapi_extra=_BODY)
async def create_top_up(
    request: Request, viewer: CurrentViewer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Begin a top-up. Refusals, except 429 and 5xx, are kept under the key too."""
    body = await request.body()

    async def act(claim: Claim | None) -> Response:
        return await _create(viewer, body, claim)

    # Before a key is claimed, so that a refused request costs no rows.
    await throttle.refuse_if_spent(throttle.TOP_UP, viewer.user_id)
    return await once(viewer.user_id, idempotency_key, body, act=act)


async def _create(viewer: Viewer, body: bytes, claim: Claim | None) -> Response:
    try:
        wanted = TopUpRequest.model_validate_json(body)
    except ValidationError as error:
        raise ValidationFailed(
            "One or more fields cannot be used.", errors=invalid_fields(error.errors())
        ) from None
    answer = b""

    async def render(db: AsyncSession, view: TopUpView) -> None:
        nonlocal answer
        answer = TopUpAnswer.of(view).model_dump_json().encode()
        if claim is not None:
            await idempotency.keep(db, claim, KeptAnswer(201, answer.decode()))

    expected = Decimal(wanted.expected_amount) if wanted.expected_amount else None
    await top_ups.create(viewer, wanted.wanted(viewer.country), expected_amount=expected, on_created=render)
    return Response(
        answer, status_code=201, media_type="application/json", headers={"Cache-Control": "no-store"}
    )


@router.get("/{top_up_id}", responses=_errors(NotFound))
async def read_top_up(top_up_id: str, viewer: CurrentViewer) -> TopUpAnswer:
    """Return one top-up."""
    return TopUpAnswer.of(await views.get(viewer, top_up_id))


@router.post("/{top_up_id}/cancel", responses=_errors(NotFound, NotCancelable))
async def cancel_top_up(top_up_id: str, viewer: CurrentViewer) -> TopUpAnswer:
    """End the offer of a top-up. A payment that is made all the same is still credited."""
    return TopUpAnswer.of(await top_ups.cancel(viewer, top_up_id))
