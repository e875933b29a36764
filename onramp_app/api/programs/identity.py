"""Which program sends a request, by its key. People's tokens and cookies are nothing here."""

from typing import Annotated, Any

from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from onramp_app.api.frame.problems import error_responses
from onramp_app.domain.errors import (
    ApplicationError,
    DatabaseUnavailable,
    Forbidden,
    RateLimited,
    Unauthenticated,
    ValidationFailed,
)
from onramp_app.domain.shares import ask_as_person
from onramp_app.programs import admission
from onramp_app.programs.errors import InsufficientScope
from onramp_app.programs.views import Program
from onramp_app.programs.words import Scope
from onramp_app.throttle.callers import address_of

_key = HTTPBearer(
    scheme_name="ApiKey",
    bearerFormat="amk_…",
    auto_error=False,
    description="A key of `python -m onramp_app api-keys create`. Each route names the scope that it needs: "
    "`users`, `balances`, `debits`, `links` or `webhooks`. Tokens and cookies of people do not work here.",
)


async def _program(
    request: Request,
    scopes: SecurityScopes,
    authorization: Annotated[HTTPAuthorizationCredentials | None, Security(_key)],
) -> Program:
    if authorization is None:
        raise admission.refusal()
    (scope,) = map(Scope, scopes.scopes)
    program = await admission.admit(authorization.credentials, scope=scope, address=address_of(request.scope))
    ask_as_person(program.id)
    return program


def program_with(scope: Scope) -> Any:
    """Return the dependency on a program whose key has the scope, which OpenAPI then shows.

    Write `program: Annotated[Program, program_with(Scope.DEBITS)]`; `program_errors` describes its refusals.
    """
    return Security(_program, scopes=[scope.value])


def program_errors(*errors: type[ApplicationError]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of what every route of programs may answer, and of these errors."""
    return error_responses(
        Unauthenticated,
        Forbidden,
        InsufficientScope,
        RateLimited,
        ValidationFailed,
        DatabaseUnavailable,
        *errors,
    )
