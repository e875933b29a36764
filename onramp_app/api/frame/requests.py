"""The layers that every request to the API passes, as plain ASGI: its id, its log line, its size limit.

They stand in front of the framework, so that refusals by the framework carry the id too.
"""

import re
import time

import structlog
from prometheus_client import Counter
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onramp_app.api.frame.bodies import MAX_BODY_BYTES, read_body
from onramp_app.api.frame.problems import problem_response, unexpected_problem
from onramp_app.domain.errors import PayloadTooLarge, RequestTooSlow
from onramp_app.domain.networks import network_of
from onramp_app.domain.shares import asked_from
from onramp_app.telemetry.trace import random_id
from onramp_app.throttle.callers import address_of

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_REQUESTS = Counter(
    "http_requests", "Requests to the API, by route and status.", ["method", "route", "status"]
)
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{8,64}")
_log = structlog.get_logger(__name__)


class RequestContext:
    """Gives each request an id, writes one log line for it, and turns an escaped exception into a 500.

    A well-formed `X-Request-ID` of the caller is kept, so that a proxy's logs agree with these. The log
    line has the path without the query, which may hold what a person typed. What stands before this layer
    says in the scope which route it is, `counted_as`, and when the request `began` by `time.perf_counter`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with asked_from(network_of(address_of(scope))):
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = dict(scope["headers"]).get(b"x-request-id", b"")
        request_id = given.decode() if is_request_id(given) else random_id(16)
        structlog.contextvars.bind_contextvars(request_id=request_id)
        began = scope.get("began") or time.perf_counter()
        status = 0
        is_complete = False

        async def send_with_id(message: Message) -> None:
            nonlocal status, is_complete
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {
                    **message,
                    "headers": [*message["headers"], (b"x-request-id", request_id.encode())],
                }
            is_complete = message["type"] == "http.response.body" and not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            _log.exception("request failed", method=scope["method"], path=scope["path"])
            if not status:
                await unexpected_problem()(scope, receive, send_with_id)
            elif not is_complete:  # Half an answer is out: only a broken connection can say that it failed.
                raise
        finally:
            _count(scope, status)
            milliseconds = round((time.perf_counter() - began) * 1000, 1)
            _log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                milliseconds=milliseconds,
            )
            structlog.contextvars.unbind_contextvars("request_id")


def is_request_id(given: bytes) -> bool:
    """Return whether an `X-Request-ID` of a caller is one that is kept."""
    return _REQUEST_ID.fullmatch(given) is not None


def counted(method: str, route: str, status: int) -> Counter:
    """Return the count of such requests, for what answers without this layer."""
    return _REQUESTS.labels(method, route, status)


def _count(scope: Scope, status: int) -> None:
    """Count a request. What callers make up, a path or a method, never becomes a label."""
    method = scope["method"] if scope["method"] in _METHODS else "other"
    route = scope.get("counted_as") or getattr(scope.get("route"), "path", "none")
    _REQUESTS.labels(method, route, status or "gone").inc()  # without a status: the caller went first


class BodyLimit:
    """Reads the whole body first, and refuses one that is too large or too slow."""

    def __init__(self, app: ASGIApp, *, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        received = bytearray()
        try:
            if not await read_body(receive, received=received, max_bytes=self._max_bytes):
                return
        except (PayloadTooLarge, RequestTooSlow) as error:
            await problem_response(error)(scope, receive, send)
            return
        body = bytes(received)
        delivered = False

        async def replay() -> Message:
            nonlocal delivered
            if delivered:
                return await receive()
            delivered = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)
