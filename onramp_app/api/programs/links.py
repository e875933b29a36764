"""`/api/add-money-links`: a program lets one of its people add money, at an address that it hands them."""

from datetime import datetime, timedelta
from decimal import Decimal
from io import BytesIO
from typing import Annotated, Literal, Self

import segno
from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from onramp_app.api.frame.routes import Currency, RequestBody, forbid_caching
from onramp_app.api.programs.identity import program_errors, program_with
from onramp_app.api.top_up_models import Status
from onramp_app.domain.errors import FieldError, NotFound, PayloadTooLarge, ValidationFailed
from onramp_app.links import links, views
from onramp_app.links.errors import LinkReferenceUsed
from onramp_app.links.links import WantedLink
from onramp_app.links.views import LinkView
from onramp_app.links.words import DEFAULT_LIFE, MAX_LIFE, MAX_RETURN_URL, MIN_LIFE
from onramp_app.programs.views import Program
from onramp_app.programs.words import Scope
from onramp_app.providers.errors import AmountOutOfLimits, UnsupportedAsset, UnsupportedCurrency
from onramp_app.top_ups.errors import AccountFrozen

router = APIRouter(prefix="/api/add-money-links", tags=["programs"], dependencies=[Depends(forbid_caching)])

OfLinks = Annotated[Program, program_with(Scope.LINKS)]


class LinkRequest(RequestBody):
    """What the link fixes; what is left out, the person chooses."""

    user_id: Annotated[str, Field(max_length=64, description="An `id` of `POST /api/users`")]
    fiat_currency: Currency | None = None
    fiat_amount: Annotated[
        str | None,
        Field(
            pattern=r"^[0-9]{1,15}(\.[0-9]{1,8})?$",
            description="What is paid, in `fiat_currency`",
            examples=["1000"],
        ),
    ] = None
    asset: Annotated[
        str | None,
        Field(pattern=r"^[A-Z0-9]{2,10}$", description="What is received", examples=["USDT"]),
    ] = None
    return_url: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=MAX_RETURN_URL,
            description="Where the person goes afterwards, with the signed result: at an origin of"
            " `RETURN_ORIGINS`",
            examples=["https://shop.example.com/paid?order=4711"],
        ),
    ] = None
    reference: Annotated[
        str | None,
        Field(
            pattern=r"^[!-9;-~]{1,64}$",
            description="The program's own name for this: the same request again gets the same link",
            examples=["order-4711"],
        ),
    ] = None
    expires_in: Annotated[
        int,
        Field(
            strict=True,
            ge=int(MIN_LIFE.total_seconds()),
            le=int(MAX_LIFE.total_seconds()),
            description="For how many seconds a top-up can be begun by it",
            examples=[3600],
        ),
    ] = int(DEFAULT_LIFE.total_seconds())

    def wanted(self) -> WantedLink:
        """Return the request as `links` takes it. Raises `ValidationFailed`."""
        if self.fiat_amount is not None and self.fiat_currency is None:
            message = "Name the currency of the amount."
            raise ValidationFailed(
                "One or more fields cannot be used.", errors=(FieldError("fiat_currency", message),)
            )
        return WantedLink(
            user_id=self.user_id,
            fiat_currency=self.fiat_currency,
            fiat_amount=None if self.fiat_amount is None else Decimal(self.fiat_amount),
            asset=self.asset,
            return_url=self.return_url,
            reference=self.reference,
            life=timedelta(seconds=self.expires_in),
        )


class LinkAnswer(BaseModel):
    """A link, and what has come of it. `received_amount` of `received_asset` is what arrived."""

    id: str
    url: str | None
    status: Literal["open", "used", "expired", "revoked"]
    user_id: str
    reference: str | None
    fiat_currency: str | None
    fiat_amount: str | None
    asset: str | None
    return_url: str | None
    return_secret: Annotated[str | None, Field(description="Verifies the signature of this link's returns")]
    created_at: datetime
    expires_at: datetime
    top_up_id: str | None
    top_up_status: Status | None
    received_amount: str | None
    received_asset: str | None

    @classmethod
    def of(cls, view: LinkView) -> Self:
        """Build the answer from the view."""
        return cls.model_validate({name: getattr(view, name) for name in cls.model_fields})


@router.post(
    "",
    status_code=201,
    response_model=LinkAnswer,
    responses={
        200: {"model": LinkAnswer, "description": "The same request came before: the link that it made"},
        **program_errors(
            NotFound,
            AccountFrozen,
            LinkReferenceUsed,
            UnsupportedCurrency,
            UnsupportedAsset,
            AmountOutOfLimits,
            PayloadTooLarge,
        ),
    },
)
async def create(body: LinkRequest, program: OfLinks, response: Response) -> LinkAnswer:
    """Make a link by which a person of the program adds money, once."""
    view, is_new = await links.create(program, body.wanted())
    if not is_new:
        response.status_code = 200
        response.headers["Idempotency-Replayed"] = "true"
    return LinkAnswer.of(view)


@router.get("/{link_id}", responses=program_errors(NotFound))
async def read(link_id: str, program: OfLinks) -> LinkAnswer:
    """Return one of the program's links, and what has come of it."""
    return LinkAnswer.of(await views.get(program.id, link_id))


@router.get(
    "/{link_id}/qr.svg",
    response_class=Response,
    responses={
        200: {"content": {"image/svg+xml": {"schema": {"type": "string"}}}, "description": "The picture"},
        **program_errors(NotFound),
    },
)
async def draw(link_id: str, program: OfLinks) -> Response:
    """Return the address of a link as a QR code (ISO/IEC 18004): for a screen that a phone reads."""
    view = await views.get(program.id, link_id)
    if view.url is None:
        raise NotFound("The address of this link is not known any more.")
    picture = BytesIO()
    segno.make_qr(view.url, error="m").save(picture, kind="svg", scale=4, border=4, light="white")
    return Response(picture.getvalue(), media_type="image/svg+xml", headers={"Cache-Control": "no-store"})


@router.delete("/{link_id}", status_code=204, response_class=Response, responses=program_errors(NotFound))
async def revoke(link_id: str, program: OfLinks) -> Response:
    """Let a link work no longer. A top-up that was begun by it goes on."""
    await links.revoke(program, link_id)
    return Response(status_code=204)
