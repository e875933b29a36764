"""`/api/users`: the people of a program, what they have, and what changed that."""

from datetime import datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, Field

from onramp_app.accounts.fields import MAX_EMAIL_LENGTH
from onramp_app.api.frame.routes import Country, Currency, RequestBody, forbid_caching
from onramp_app.api.programs.identity import program_errors, program_with
from onramp_app.api.wallet import BalancesAnswer, GivenFilters, TransactionAnswer, TransactionsAnswer
from onramp_app.domain.errors import ApplicationError, NotFound, PayloadTooLarge
from onramp_app.domain.paging import MAX_LENGTH
from onramp_app.programs import people
from onramp_app.programs.people import Introduction
from onramp_app.programs.views import Program, ProgramPerson
from onramp_app.programs.words import EXTERNAL_ID, Scope
from onramp_app.wallet import balances, transactions

router = APIRouter(prefix="/api/users", tags=["programs"], dependencies=[Depends(forbid_caching)])

OfUsers = Annotated[Program, program_with(Scope.USERS)]
OfBalances = Annotated[Program, program_with(Scope.BALANCES)]
_NAME = f"^{EXTERNAL_ID.pattern}$"


class PersonRequest(RequestBody):
    """The program's own name for a person, and what an account that is opened begins with."""

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


class PersonAnswer(BaseModel):
    """A person as the program knows them; never their name or address."""

    id: str
    external_id: str
    is_claimed: bool
    country: str | None
    display_currency: str
    created_at: datetime

    @classmethod
    def of(cls, person: ProgramPerson) -> Self:
        """Build the answer from the view."""
        return cls(
            id=person.user_id,
            external_id=person.external_id,
            is_claimed=person.is_claimed,
            country=person.country,
            display_currency=person.display_currency,
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
        **program_errors(PayloadTooLarge),
    },
)
async def find_or_open(body: PersonRequest, program: OfUsers, response: Response) -> PersonAnswer:
    """Find a person by the program's own name for them, or open an account without password for them."""
    person, is_new = await people.find_or_open(
        program, Introduction(body.external_id, body.email, body.country, body.display_currency)
    )
    response.status_code = 201 if is_new else 200
    return PersonAnswer.of(person)


@router.get("", responses=_errors())
async def find(program: OfUsers, external_id: Annotated[str, Query(pattern=_NAME)]) -> PersonAnswer:
    """Find a person by the program's own name for them."""
    return PersonAnswer.of(await people.find(program, external_id))


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
