"""`/api/debits`: a program takes money of a person whom it knows, at once or on hold, and gives it back."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from onramp_app.api.frame.routes import Currency, RequestBody, forbid_caching
from onramp_app.api.programs.amounts import AmountText, AssetName
from onramp_app.api.programs.identity import program_errors, program_with
from onramp_app.debits import debits, views
from onramp_app.debits.debits import DEFAULT_HOLD, MAX_HOLD, MIN_HOLD, Move, WantedDebit, WantedMove
from onramp_app.debits.errors import AccountClosed, InsufficientFunds, MoreThanLeft, RateTooOld, ReferenceUsed
from onramp_app.debits.views import DebitView
from onramp_app.debits.words import MAX_DESCRIPTION
from onramp_app.domain.errors import ApplicationError, FieldError, NotFound, PayloadTooLarge, ValidationFailed
from onramp_app.domain.paging import MAX_LENGTH
from onramp_app.programs.views import Program
from onramp_app.programs.words import Scope
from onramp_app.providers.errors import UnsupportedAsset, UnsupportedCurrency
from onramp_app.top_ups.errors import AccountFrozen

router = APIRouter(prefix="/api/debits", tags=["programs"], dependencies=[Depends(forbid_caching)])

OfDebits = Annotated[Program, program_with(Scope.DEBITS)]
MAX_METADATA_KEYS = 20
_USER = "0f8fad5bd9cb469fa16570867728950e"
_ASKED: dict[str, Any] = {
    "user_id": _USER,
    "amount": "2.50",
    "asset": "USDT",
    "reference": "order-4711",
    "description": "Two coffees",
    "metadata": {"table": "4"},
}
_ASKED_TO_HOLD: dict[str, Any] = {
    "user_id": _USER,
    "amount": "100",
    "fiat_currency": "INR",
    "reference": "cart-12",
    "hold": {"expires_in": 3600},
}
_DEBIT: dict[str, Any] = {
    "id": "7c9e6679f3ab4c0a8f5d2b1e0c4a9d38",
    "user_id": _USER,
    "status": "posted",
    "amount": "2.5",
    "asset": "USDT",
    "fiat_amount": None,
    "fiat_currency": None,
    "rate": None,
    "rate_as_of": None,
    "reference": "order-4711",
    "posted_amount": "2.5",
    "held_amount": "0",
    "released_amount": "0",
    "reversed_amount": "0",
    "description": "Two coffees",
    "metadata": {"table": "4"},
    "expires_at": None,
    "created_at": "2026-11-30T14:20:00Z",
    "updated_at": "2026-11-30T14:20:00Z",
}
Reference = Annotated[
    str,
    Field(
        pattern=r"^[!-9;-~]{1,64}$",
        description="The program's own name for this: visible ASCII without a colon",
        examples=["order-4711"],
    ),
]
Words = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=200)]


class HoldRequest(RequestBody):
    """For how many seconds the amount is only set aside."""

    expires_in: Annotated[
        int,
        Field(
            strict=True,
            ge=int(MIN_HOLD.total_seconds()),
            le=int(MAX_HOLD.total_seconds()),
            examples=[3600],
        ),
    ] = int(DEFAULT_HOLD.total_seconds())


class DebitRequest(RequestBody):
    """What to take: `amount` is of `fiat_currency` where that is named, and else of `asset`."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ASKED, _ASKED_TO_HOLD]})

    user_id: Annotated[str, Field(max_length=64, description="An `id` of `POST /api/users`")]
    amount: AmountText
    asset: Annotated[AssetName | None, Field(description="What to take it of")] = None
    fiat_currency: Currency | None = None
    reference: Reference
    description: Annotated[
        str | None,
        Field(
            pattern=r"^[^\x00-\x1f\x7f]*$",
            min_length=1,
            max_length=MAX_DESCRIPTION,
            description="What the person reads beside the amount",
            examples=["Two coffees"],
        ),
    ] = None
    hold: Annotated[
        bool | HoldRequest,
        Field(description="Set the amount aside, to be captured later; `true`: for 7 days", examples=[False]),
    ] = False
    metadata: Annotated[
        dict[Annotated[str, Field(pattern=r"^[!-~]{1,40}$")], Words],
        Field(
            default_factory=dict,
            max_length=MAX_METADATA_KEYS,
            description="The program's own notes",
            examples=[{"table": "4"}],
        ),
    ]

    def wanted(self) -> WantedDebit:
        """Return the request as `debits` takes it. Raises `ValidationFailed`."""
        if self.asset is None and self.fiat_currency is None:
            message = "Name an asset, a currency, or both."
            raise ValidationFailed(
                "One or more fields cannot be used.", errors=(FieldError("asset", message),)
            )
        seconds = (self.hold if isinstance(self.hold, HoldRequest) else HoldRequest()).expires_in
        return WantedDebit(
            user_id=self.user_id,
            amount=Decimal(self.amount),
            reference=self.reference,
            asset=self.asset,
            fiat_currency=self.fiat_currency,
            description=self.description,
            hold=timedelta(seconds=seconds) if self.hold else None,
            metadata=self.metadata,
        )


class MoveRequest(RequestBody):
    """How much; left out: all that is left."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"amount": "1", "reference": "back-1"}]})

    amount: AmountText | None = None
    reference: Reference

    def wanted(self) -> WantedMove:
        """Return the request as `debits` takes it."""
        return WantedMove(self.reference, None if self.amount is None else Decimal(self.amount))


class DebitAnswer(BaseModel):
    """One debit: `amount` is posted, held and released together, all of `asset`."""

    model_config = ConfigDict(json_schema_extra={"examples": [_DEBIT]})

    id: str
    user_id: str
    status: Literal["posted", "held", "released"]
    amount: str
    asset: str
    fiat_amount: str | None
    fiat_currency: str | None
    rate: str | None
    rate_as_of: datetime | None
    reference: str
    posted_amount: str
    held_amount: str
    released_amount: str
    reversed_amount: str
    description: str | None
    metadata: dict[str, str]
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, view: DebitView) -> Self:
        """Build the answer from the view."""
        names = [name for name in cls.model_fields if name != "metadata"]
        values = {name: getattr(view, name) for name in names}
        return cls.model_validate(values | {"metadata": dict(view.metadata)})


class DebitsAnswer(BaseModel):
    """One page, newest first."""

    items: list[DebitAnswer]
    next_cursor: str | None


def _moves(*errors: type[ApplicationError]) -> dict[int | str, dict[str, Any]]:
    return program_errors(NotFound, ReferenceUsed, MoreThanLeft, PayloadTooLarge, *errors)


@router.post(
    "",
    status_code=201,
    response_model=DebitAnswer,
    responses={
        200: {"model": DebitAnswer, "description": "The same request came before: the answer that it got"},
        **program_errors(
            NotFound,
            AccountFrozen,
            InsufficientFunds,
            ReferenceUsed,
            UnsupportedAsset,
            UnsupportedCurrency,
            RateTooOld,
            PayloadTooLarge,
        ),
    },
)
async def create(body: DebitRequest, program: OfDebits, response: Response) -> DebitAnswer:
    """Take money of a person, once under the program's reference."""
    view, is_new = await debits.create(program, body.wanted())
    if not is_new:
        response.status_code = 200
        response.headers["Idempotency-Replayed"] = "true"
    return DebitAnswer.of(view)


@router.get("", responses=program_errors())
async def list_debits(
    program: OfDebits,
    user_id: Annotated[str | None, Query(max_length=64)] = None,
    reference: Annotated[str | None, Query(pattern=r"^[!-9;-~]{1,64}$")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=MAX_LENGTH)] = None,
) -> DebitsAnswer:
    """List the program's debits, newest first."""
    found, next_cursor = await views.page(
        program.id, user_id=user_id, reference=reference, limit=limit, cursor=cursor
    )
    return DebitsAnswer(items=[DebitAnswer.of(view) for view in found], next_cursor=next_cursor)


@router.get("/{debit_id}", responses=program_errors(NotFound))
async def read(debit_id: str, program: OfDebits) -> DebitAnswer:
    """Return one of the program's debits."""
    return DebitAnswer.of(await views.get(program.id, debit_id))


@router.post("/{debit_id}/capture", responses=_moves(AccountFrozen))
async def capture(debit_id: str, body: MoveRequest, program: OfDebits) -> DebitAnswer:
    """Spend a part or all of what is on hold; any number of times, each once under its reference."""
    return DebitAnswer.of(await debits.move(program, debit_id, Move.CAPTURE, body.wanted()))


@router.post("/{debit_id}/release", responses=_moves())
async def release(debit_id: str, body: MoveRequest, program: OfDebits) -> DebitAnswer:
    """Let the person have again what is left on hold: all of it."""
    return DebitAnswer.of(await debits.move(program, debit_id, Move.RELEASE, body.wanted()))


@router.post("/{debit_id}/reverse", responses=_moves(AccountClosed))
async def reverse(debit_id: str, body: MoveRequest, program: OfDebits) -> DebitAnswer:
    """Give a part or all of what was spent back; any number of times, each once under its reference."""
    return DebitAnswer.of(await debits.move(program, debit_id, Move.REVERSE, body.wanted()))
