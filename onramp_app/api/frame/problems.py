"""Errors as answers: every refusal is an RFC 9457 `application/problem+json` document."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from onramp_app.domain.errors import ApplicationError, FieldError, NotFound, ValidationFailed

_MAX_FIELD_ERRORS = 20  # A hostile body can break thousands of fields; nobody reads more than a few.


class ProblemField(BaseModel):
    """What is wrong with one field."""

    field: str
    message: str


class Problem(BaseModel):
    """An RFC 9457 problem document. `code` is stable; `title` and `detail` are for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[ProblemField] | None = None


def problem_response(error: ApplicationError) -> Response:
    """Return the problem document of `error`, with `Retry-After` where the error has one.

    A 401 carries `WWW-Authenticate`, as RFC 9110 section 11.6.1 demands.
    """
    fields = [ProblemField(field=e.field, message=e.message) for e in error.errors]
    problem = Problem(
        type=f"/api/docs#{error.code}",
        title=error.title,
        status=error.status,
        detail=error.detail,
        code=error.code,
        errors=fields or None,
    )
    headers = {"Retry-After": str(error.retry_after_seconds)} if error.retry_after_seconds is not None else {}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = error.challenge
    return _respond(problem, extra=error.extra, headers=headers)


def unexpected_problem() -> Response:
    """Return the 500 for a fault of this server. The log has the details under the id of the request."""
    return _respond(
        Problem(
            type="/api/docs#internal_error",
            title="Something failed on our side",
            status=500,
            detail="The fault was recorded. Try again, and name the X-Request-ID of this answer if it stays.",
            code="internal_error",
        )
    )


def _respond(
    problem: Problem, *, extra: Mapping[str, object] | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    document = {**problem.model_dump(exclude_none=True), **(extra or {})}
    return Response(
        json.dumps(document, ensure_ascii=False),
        status_code=problem.status,
        headers={"Cache-Control": "no-store", **(headers or {})},
        media_type="application/problem+json",
    )


def error_responses(*errors: type[ApplicationError]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of the errors that a route answers, for its `responses`."""
    described: dict[int | str, dict[str, Any]] = {}
    for status in sorted({error.status for error in errors}):
        codes = [error.code for error in errors if error.status == status]
        described[status] = {
            "description": " or ".join(f"`{code}`" for code in codes),
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    if challenged := described.get(HTTPStatus.UNAUTHORIZED):
        challenged["headers"] = {
            "WWW-Authenticate": {"description": "What is asked for", "schema": {"type": "string"}}
        }
    return described


def invalid_fields(items: Sequence[Mapping[str, Any]]) -> tuple[FieldError, ...]:
    """Return the errors of pydantic by field.

    The input is left out: it may be a password, and the answer may be logged elsewhere.
    """
    return tuple(
        FieldError(".".join(str(part) for part in item["loc"]) or "body", item["msg"])
        for item in items[:_MAX_FIELD_ERRORS]
    )


def add_error_handlers(api: FastAPI) -> None:
    """Make `api` answer every error with a problem document."""

    @api.exception_handler(ApplicationError)
    async def _known(_: Request, error: ApplicationError) -> Response:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            structlog.get_logger(__name__).warning(
                "request refused", code=error.code, reason=str(error.__cause__)
            )
        return problem_response(error)

    @api.exception_handler(Exception)
    async def _unexpected(_: Request, _error: Exception) -> Response:
        return unexpected_problem()  # The framework raises the error again, and RequestContext logs it.

    @api.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> Response:
        items = [{**item, "loc": item["loc"][1:] or item["loc"]} for item in error.errors()]
        return problem_response(
            ValidationFailed("One or more fields cannot be used.", errors=invalid_fields(items))
        )

    @api.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> Response:
        if error.status_code == NotFound.status:
            return problem_response(NotFound("There is nothing at this address."))
        if error.status_code == HTTPStatus.BAD_REQUEST:  # not UTF-8, or nested too deeply to be read
            return problem_response(ValidationFailed("The body cannot be read."))
        phrase = HTTPStatus(error.status_code).phrase
        problem = Problem(
            type="about:blank",
            title=phrase,
            status=error.status_code,
            detail=str(error.detail),
            code=phrase.lower().replace(" ", "_"),
        )
        return _respond(problem, headers=error.headers)
