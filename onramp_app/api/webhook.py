"""`POST /api/webhooks/onramp` as plain ASGI, ahead of the framework, because it is the busiest route.

200 means that the event is stored, and nothing else. Hostile input never causes a 5xx: it is answered by 401,
408, 409 or 413. 503 says that the database is away.
"""

import time
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onramp_app.api.frame.bodies import read_body
from onramp_app.api.frame.problems import problem_response
from onramp_app.api.frame.requests import RequestContext, counted, is_request_id
from onramp_app.domain.clock import now
from onramp_app.domain.errors import ApplicationError, PayloadTooLarge, RequestTooSlow
from onramp_app.provider_orders.inbox import RefusedRequest, TooManyBodies, get_inbox, verified_arrival
from onramp_app.providers.errors import WebhookRefused
from onramp_app.throttle.callers import address_of

PATH = "/api/webhooks/onramp"
_PAYLOAD, _SIGNATURE, _REQUEST_ID = b"x-onramp-payload", b"x-onramp-signature", b"x-request-id"
STORED_HEADERS = ((b"content-type", b"application/json"), (b"content-length", b"15"))
STORED_BODY: Message = {"type": "http.response.body", "body": b'{"stored":true}'}
_stored = counted("POST", PATH, 200)


def webhook_before(api: ASGIApp) -> ASGIApp:
    """Return an application that takes the webhooks of the provider, and passes everything else to `api`."""

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == PATH:
            scope["counted_as"], scope["began"] = PATH, time.perf_counter()
            await _take(scope, receive, send)
        else:
            await api(scope, receive, send)

    return dispatch


async def _take(scope: Scope, receive: Receive, send: Send) -> None:
    """Store a webhook and say so; what comes to nothing is answered and logged as on any other route."""
    received = bytearray()
    try:
        if not await read_body(receive, received=received):
            await RequestContext(_no_answer)(scope, receive, send)
            return
        payload, signature = _only(scope, _PAYLOAD), _only(scope, _SIGNATURE)
        arrival = verified_arrival(payload, signature, body=bytes(received))
        await get_inbox().store(arrival)
    except Exception as error:  # noqa: BLE001 - what is unexpected is raised again where it is logged
        if (reason := _reason_of(error)) is not None:
            _keep_refusal(scope, reason, bytes(received))
        await RequestContext(_answer_of(error))(scope, receive, send)
        return
    # The row in the inbox says more than a log line, which would cost as much as the rest of the request. It
    # names the trace, whose id is that of the request where the caller gave none.
    given = _only(scope, _REQUEST_ID)
    request_id = given if given and is_request_id(given) else arrival.trace.trace_id.encode()
    headers = [*STORED_HEADERS, (_REQUEST_ID, request_id)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send(STORED_BODY)
    _stored.inc()


def _reason_of(error: Exception) -> str | None:
    """Return why a request was refused; None where it was not, or may come again."""
    match error:
        case WebhookRefused():
            return error.reason.value
        case TooManyBodies():
            return error.code
        case PayloadTooLarge():
            return "body_too_large"
        case RequestTooSlow():
            return "body_too_slow"
        case _:
            return None


def _answer_of(error: Exception) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if not isinstance(error, ApplicationError):
            raise error
        await problem_response(error)(scope, receive, send)

    return answer


async def _no_answer(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer nothing: the caller has gone."""


def _only(scope: Scope, name: bytes) -> bytes | None:
    # A header that came twice is treated as missing: nobody can say which of the two was signed.
    values = [value for key, value in scope["headers"] if key == name]
    return values[0] if len(values) == 1 else None


def _keep_refusal(scope: Scope, reason: str, body: bytes) -> None:
    get_inbox().refuse(
        RefusedRequest(
            reason=reason,
            address=address_of(scope),
            header=next((value for key, value in scope["headers"] if key == _PAYLOAD), b""),
            body=body,
            body_bytes=len(body),
            received_at=now(),
        )
    )


def describe(schema: dict[str, object]) -> None:
    """Add the route, which the framework does not know, to the description of the API."""
    paths = schema.setdefault("paths", {})
    assert isinstance(paths, dict)  # noqa: S101 - OpenAPI 3.1: `paths` is an object
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    refusals = {
        HTTPStatus.UNAUTHORIZED: "The signature is missing or wrong",
        HTTPStatus.REQUEST_TIMEOUT: "The body did not come within 10 seconds",
        HTTPStatus.CONFLICT: "The header came with twenty other bodies: this one is not stored",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body has more than 64 KiB, or comes in too many pieces",
        HTTPStatus.SERVICE_UNAVAILABLE: "The event cannot be stored now: send it again",
    }
    paths[PATH] = {
        "post": {
            "tags": ["webhooks"],
            "summary": "Take an event of the payment provider",
            "description": "For the provider only. 200 once the event is stored.",
            "parameters": [
                {"name": name, "in": "header", "required": True, "schema": {"type": "string"}}
                for name in (_PAYLOAD.decode(), _SIGNATURE.decode())
            ],
            "requestBody": {"content": {"application/json": {"schema": {}}}},
            "responses": {
                "200": {
                    "description": "Stored",
                    "content": {
                        "application/json": {
                            "schema": {"type": "object", "properties": {"stored": {"type": "boolean"}}}
                        }
                    },
                },
                **{str(int(s)): {"description": text, "content": problem} for s, text in refusals.items()},
            },
        }
    }
