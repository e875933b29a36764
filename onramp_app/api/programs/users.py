"""`/api/users`: the people of a program, what they have, and what changed that."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from onramp_app.accounts.fields import MAX_EMAIL_LENGTH
from onramp_app.api.frame.routes import Country, Currency, RequestBody, forbid_caching
from onramp_app.api.programs.amounts import AmountText, AssetName
from onramp_app.api.programs.identity import program_errors, program_with
from onramp_app.api.wallet import BalancesAnswer, GivenFilters, TransactionAnswer, TransactionsAnswer
from onramp_app.domain.errors import ApplicationError, NotFound, PayloadTooLarge
from onramp_app.domain.paging import MAX_LENGTH
from onramp_app.programs import people
from onramp_app.programs.people import Introduction, LowBalance
from onramp_app.programs.views import Program, ProgramPerson
from onramp_app.programs.words import EXTERNAL_ID, Scope
from onramp_app.providers.errors import UnsupportedAsset
from onramp_app.wallet import balances, transactions

router = APIRouter(prefix="/api/users", tags=["programs"], dependencies=[Depends(forbid_caching)])

OfUsers = Annotated[Program, program_with(Scope.USERS)]
OfBalances = Annotated[Program, program_with(Scope.BALANCES)]
_NAME = f"^{EXTERNAL_ID.pattern}$"
_LOW: dict[str, Any] = {"asset": "USDT", "amount": "5"}
_ASKED: dict[str, Any] = {
    "external_id": "customer-4711",
    "email": "ada@example.com",
    "country": "IN",
    "balance_low": _LOW,
}
_PERSON: dict[str, Any] = {
    "id": "0f8fad5bd9cb469fa16570867728950e",
    "external_id": "customer-4711",
    "is_claimed": False,
    "country": "IN",
    "display_currency": "INR",
    "balance_low": _LOW,
    "created_at": "2026-11-30T14:20:00Z",
}


class LowBalanceBody(RequestBody):
    """Below which available amount of an asset the program wants a webhook `balance.low`."""

    asset: AssetName
    amount: AmountText

    def wanted(self) -> LowBalance:
        """Return the body as `people` takes it."""
        return LowBalance(self.asset, Decimal(self.amount))


class PersonRequest(RequestBody):
    """The program's own name for a person, and what an account that is opened begins with."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ASKED]})

    external_id: Annotated[
        str, Field(pattern=_NAME, description="The program's own; no secret", examples=["customer-4711"])
    ]
    email: Annotated[
        str | None,
        Field(
            max_length=MAX_EMAIL_LENGTH,
            description="Where the link goes by which the person claims the account",
            examples=["ada@example.com"],
        ),
    ] = None
    country: Country | None = None
    display_currency: Currency | None = None
    balance_low: LowBalanceBody | None = None


class PersonChange(RequestBody):
    """What the program wants to hear of a person: `balance_low` null: nothing of their balance."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"balance_low": _LOW}, {"balance_low": None}]})

    balance_low: LowBalanceBody | None


class LowBalanceAnswer(BaseModel):
    """An amount of an asset."""

    asset: str
    amount: str


class PersonAnswer(BaseModel):
    """A person as the program knows them; never their name or address."""

    model_config = ConfigDict(json_schema_extra={"examples": [_PERSON]})

    id: str
    external_id: str
    is_claimed: bool
    country: str | None
    display_currency: str
    balance_low: LowBalanceAnswer | None
    created_at: datetime

    @classmethod
    def of(cls, person: ProgramPerson) -> Self:
        """Build the answer from the view."""
        low = person.balance_low
        return cls(
            id=person.user_id,
            external_id=person.external_id,
            is_claimed=person.is_claimed,
            country=person.country,
            display_currency=person.display_currency,
            balance_low=LowBalanceAnswer(amount=low[0], asset=low[1]) if low else None,
            created_at=person.created_at,
        )


def _errors(*errors: type[ApplicationError]) -> dict[int | str, dict[str, Any]]:
    return program_errors(NotFound, *errors)


@router.post(
    "",
    status_code=201,
    response_model=PersonAnswer,
    responses={
        200: {"model": PersonAnswer, "description": "The program knows this person already"},
        **program_errors(UnsupportedAsset, PayloadTooLarge),
    },
)
async def find_or_open(body: PersonRequest, program: OfUsers, response: Response) -> PersonAnswer:
    """Find a person by the program's own name for them, or open an account without password for them."""
    low = body.balance_low.wanted() if body.balance_low else None
    given = Introduction(body.external_id, body.email, body.country, body.display_currency, low)
    person, is_new = await people.find_or_open(program, given)
    response.status_code = 201 if is_new else 200
    return PersonAnswer.of(person)


@router.get("", responses=_errors())
async def find(program: OfUsers, external_id: Annotated[str, Query(pattern=_NAME)]) -> PersonAnswer:
    """Find a person by the program's own name for them."""
    return PersonAnswer.of(await people.find(program, external_id))


@router.patch("/{user_id}", responses=_errors(UnsupportedAsset, PayloadTooLarge))
async def change(user_id: str, body: PersonChange, program: OfUsers) -> PersonAnswer:
    """Say below which balance of a person the program wants to hear of it."""
    low = body.balance_low.wanted() if body.balance_low else None
    return PersonAnswer.of(await people.note_low(program, user_id, low))


@router.get("/{user_id}/balances", responses=_errors())
async def read_balances(user_id: str, program: OfBalances) -> BalancesAnswer:
    """Return the balances of a person of the program, as they see them."""
    return BalancesAnswer.of(await balances.get(await people.get(program, user_id)))


@router.get("/{user_id}/transactions", responses=_errors())
async def list_transactions(
    user_id: str,
    program: OfBalances,
    filters: GivenFilters,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=MAX_LENGTH)] = None,
) -> TransactionsAnswer:
    """List what changed the balances of a person of the program, newest first."""
    person = await people.get(program, user_id)
    views, next_cursor = await transactions.page(person, filters, limit=limit, cursor=cursor)
    return TransactionsAnswer(items=[TransactionAnswer.of(view) for view in views], next_cursor=next_cursor)
