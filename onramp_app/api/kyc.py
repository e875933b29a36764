"""`/api/kyc`: where somebody's verification stands, their limits, and how to take it up."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from onramp_app.api.frame.identity import CurrentViewer
from onramp_app.api.frame.problems import error_responses
from onramp_app.api.frame.routes import RequestBody, forbid_caching
from onramp_app.domain.errors import (
    DatabaseUnavailable,
    Forbidden,
    PayloadTooLarge,
    RateLimited,
    Unauthenticated,
    ValidationFailed,
)
from onramp_app.domain.money import decimal_text
from onramp_app.providers.errors import ProviderUnavailable, UnsupportedCurrency
from onramp_app.top_ups.meter import Meter, meter_of_person
from onramp_app.verification import hints
from onramp_app.verification.errors import PhoneTaken, VerificationNotStartable, VerificationRefused
from onramp_app.verification.lines import get_line
from onramp_app.verification.views import NextStepView, own_next_step

router = APIRouter(prefix="/api/kyc", tags=["verification"], dependencies=[Depends(forbid_caching)])


class LimitAnswer(BaseModel):
    """One limit, in whole units of `currency`. That of `provider` is published and no promise.

    `min` is the least that the payment methods take, null elsewhere. `used` is null for a single top-up.
    `raised_by` is the tier that raises the limit, null where none does. `binds` is true of one limit: of
    those that refuse a top-up, the one that leaves least now.
    """

    rule: Literal["method", "provider", "tier"]
    period: Literal["top_up", "day", "month"]
    currency: str
    min: str | None
    max: str
    used: str | None
    left: str
    raised_by: Literal["basic", "full"] | None
    binds: bool

    @classmethod
    def all_of(cls, meter: Meter) -> list[Self]:
        """Build the answers from a meter."""
        return [
            cls.model_validate(
                {
                    "rule": line.rule.value,
                    "period": line.period.value,
                    "currency": meter.currency,
                    "min": _text(line.min),
                    "max": decimal_text(line.max),
                    "used": _text(line.used),
                    "left": decimal_text(line.left),
                    "raised_by": None if line.raised_by is None else line.raised_by.value,
                    "binds": line == meter.binding,
                }
            )
            for line in meter.lines
        ]


class NextStepAnswer(BaseModel):
    """What the person can do, and the page where they do it."""

    action: Literal["start", "continue", "raise", "try_again", "wait", "contact_support"]
    url: str

    @classmethod
    def of(cls, step: NextStepView | None) -> Self | None:
        """Build the answer from the view."""
        return None if step is None else cls.model_validate({"action": step.action.value, "url": step.url})


class KycAnswer(BaseModel):
    """Where a person stands. `next_step` is null where there is nothing to do."""

    status: Literal["none", "started", "in_review", "approved", "rejected", "resubmit"]
    tier: Literal["none", "basic", "full"]
    limits: list[LimitAnswer]
    next_step: NextStepAnswer | None


class StartRequest(RequestBody):
    """The phone number with its country code, which the provider needs once. It is passed on and not kept."""

    phone: str | None = Field(default=None, min_length=1, max_length=40, examples=["+91 99999 99999"])


class StartAnswer(BaseModel):
    """The provider's page for this person. Show it to nobody else."""

    url: str


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else decimal_text(amount)


@router.get(
    "",
    responses=error_responses(
        Unauthenticated,
        Forbidden,
        ValidationFailed,
        UnsupportedCurrency,
        ProviderUnavailable,
        DatabaseUnavailable,
    ),
)
async def read_kyc(
    viewer: CurrentViewer,
    fiat_currency: Annotated[str | None, Query(pattern=r"^[A-Z]{3}$", description="ISO 4217")] = None,
    country: Annotated[str | None, Query(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2")] = None,
) -> KycAnswer:
    """Return where the caller stands, with their limits in a currency: by default that of their country."""
    meter = await meter_of_person(viewer, currency=fiat_currency, country=country)
    await hints.look_again(viewer)
    return KycAnswer.model_validate(
        {
            "status": viewer.kyc_status,
            "tier": viewer.kyc_tier,
            "limits": LimitAnswer.all_of(meter),
            "next_step": NextStepAnswer.of(own_next_step(viewer)),
        }
    )


@router.post(
    "/start",
    responses=error_responses(
        Unauthenticated,
        Forbidden,
        VerificationRefused,
        VerificationNotStartable,
        PhoneTaken,
        ValidationFailed,
        PayloadTooLarge,
        RateLimited,
        ProviderUnavailable,
        DatabaseUnavailable,
    ),
)
async def start(viewer: CurrentViewer, body: StartRequest | None = None) -> StartAnswer:
    """Take up the verification of the caller. Repeating it gives a fresh address of the same verification."""
    return StartAnswer(url=await get_line().start(viewer, body.phone if body else None))
