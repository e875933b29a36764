"""`POST /api/webhooks/onramp` as plain ASGI, ahead of the framework, because it is the busiest route.

200 means that the event is stored, and nothing else. Hostile input never causes a 5xx: it is answered by 401,
408, 409 or 413. 503 says that the database is away.
"""

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onramp_app.api.frame.bodies import read_body
from onramp_app.api.frame.problems import problem_response
from onramp_app.domain.clock import now
from onramp_app.domain.errors import ApplicationError, PayloadTooLarge, RequestTooSlow
from onramp_app.provider_orders.inbox import RefusedRequest, TooManyBodies, get_inbox, verified_arrival
from onramp_app.providers.errors import WebhookRefused
from onramp_app.throttle.callers import address_of

PATH = "/api/webhooks/onramp"
_PAYLOAD, _SIGNATURE = b"x-onramp-payload", b"x-onramp-signature"
_STORED: tuple[Message, ...] = (
    {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-type", b"application/json"), (b"content-length", b"15")],
    },
    {"type": "http.response.body", "body": b'{"stored":true}'},
)


def webhook_before(api: ASGIApp) -> ASGIApp:
    """Return an application that takes the webhooks of the provider, and passes everything else to `api`."""

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == PATH:
            scope["counted_as"] = PATH
            await _take(scope, receive, send)
        else:
            await api(scope, receive, send)

    return dispatch


async def _take(scope: Scope, receive: Receive, send: Send) -> None:
    received = bytearray()
    try:
        if not await read_body(receive, received=received):
            return
    except (PayloadTooLarge, RequestTooSlow) as error:
        reason = "body_too_large" if isinstance(error, PayloadTooLarge) else "body_too_slow"
        _keep_refusal(scope, reason, bytes(received))
        await problem_response(error)(scope, receive, send)
        return
    body = bytes(received)
    try:
        arrival = verified_arrival(_only(scope, _PAYLOAD), _only(scope, _SIGNATURE), body=body)
        await get_inbox().store(arrival)
    except WebhookRefused as error:
        _keep_refusal(scope, error.reason.value, body)
        await problem_response(error)(scope, receive, send)
    except TooManyBodies as error:
        _keep_refusal(scope, error.code, body)
        await problem_response(error)(scope, receive, send)
    except ApplicationError as error:
        await problem_response(error)(scope, receive, send)
    else:
        # The row in the inbox says more than a log line, which would cost as much as the rest of the request.
        scope["is_recorded"] = True
        for answer in _STORED:
            await send(answer)


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
