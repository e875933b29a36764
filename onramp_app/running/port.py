"""The monitoring port of a worker: `/api/health/live`, `/ready` and `/status`, and `/metrics`.

Paths and answers are those of a web instance. The server is a small one of its own, because a worker serves
no people and starts without the web framework. It reads the head of one request, bounded, answers and closes.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

import structlog

from onramp_app.config import ConfigurationError, Settings
from onramp_app.domain.errors import ApplicationError
from onramp_app.running import metrics
from onramp_app.running.health import readiness, status
from onramp_app.running.parts import health_document

DEFAULT_PORT = 8002
REQUEST_SECONDS = 5.0
ANSWER_SECONDS = 5.0
MAX_HEAD_BYTES = 8 * 1024
MAX_AT_ONCE = 20

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: HTTPStatus
    content_type: str
    body: bytes


@asynccontextmanager
async def worker_port(settings: Settings) -> AsyncIterator[int | None]:
    """Answer on the monitoring port of a worker while the context lasts; yield the port, or None without one.

    If WORKER_PORT is not set, a taken port is only logged: crediting does not wait for monitoring.

    Raises:
        ConfigurationError: WORKER_PORT cannot be listened on.
    """
    at_work: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - asyncio runs this in a task of its own
        at_work.add(task)
        try:
            if len(at_work) <= MAX_AT_ONCE:
                await _serve(reader, writer)
        finally:
            at_work.discard(task)
            writer.close()

    host, port = settings.listen_host, settings.worker_port or DEFAULT_PORT
    try:
        server = await asyncio.start_server(serve, host, port, limit=MAX_HEAD_BYTES)
    except OSError as error:
        why = f"{host}:{port} cannot be listened on ({error.strerror or 'unknown address'})"
        if settings.worker_port is not None:
            raise ConfigurationError(f"WORKER_PORT cannot be used: {why}.") from error
        _log.warning("this worker cannot be seen: set WORKER_PORT to a free port", reason=why)
        yield None
        return
    _log.info("worker can be seen", host=host, port=port)
    try:
        yield port
    finally:
        server.close()
        for task in at_work:
            task.cancel()
        await asyncio.gather(*at_work, return_exceptions=True)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(TimeoutError, ConnectionError, asyncio.IncompleteReadError):
        async with asyncio.timeout(REQUEST_SECONDS):
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.LimitOverrunError:
                head = b""
        async with asyncio.timeout(ANSWER_SECONDS):
            method, path, token = _parsed(head)
            answer = await _answer(method, path, token)
            writer.write(_written(answer, with_body=method != "HEAD"))
            await writer.drain()


def _parsed(head: bytes) -> tuple[str, str, str | None]:
    """Return the method, the path without its query, and the bearer token; empty if `head` is not HTTP/1."""
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return "", "", None
    fields = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    kind, _, token = fields.get("authorization", "").partition(" ")
    return words[0], words[1].partition("?")[0], token if kind.lower() == "bearer" else None


async def _answer(method: str, path: str, token: str | None) -> _Answer:
    if not method:
        return _problem(HTTPStatus.BAD_REQUEST, "This is no request.")
    if method not in ("GET", "HEAD"):
        return _problem(HTTPStatus.METHOD_NOT_ALLOWED, "Only GET and HEAD are answered here.")
    if (look := _LOOKS.get(path)) is None:
        return _problem(HTTPStatus.NOT_FOUND, "There is nothing here.")
    try:
        return await look(token)
    except ApplicationError as error:
        return _problem(HTTPStatus(error.status), error.detail)


async def _live(_token: str | None) -> _Answer:
    return _json(HTTPStatus.OK, {"status": "ok"})


async def _ready(_token: str | None) -> _Answer:
    document = health_document(await readiness())
    is_well = document["status"] == "ok"
    return _json(HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE, document)


async def _status(_token: str | None) -> _Answer:
    return _json(HTTPStatus.OK, health_document(await status()))


async def _metrics(token: str | None) -> _Answer:
    metrics.check_token(token)
    return _Answer(HTTPStatus.OK, metrics.CONTENT_TYPE, await metrics.exposition())


_LOOKS: Mapping[str, Callable[[str | None], Awaitable[_Answer]]] = {
    "/api/health/live": _live,
    "/api/health/ready": _ready,
    "/api/health/status": _status,
    "/metrics": _metrics,
}


def _json(code: HTTPStatus, document: dict[str, object]) -> _Answer:
    return _Answer(code, "application/json", json.dumps(document).encode())


def _problem(code: HTTPStatus, detail: str) -> _Answer:
    document = {"type": "about:blank", "title": code.phrase, "status": code.value, "detail": detail}
    return _Answer(code, "application/problem+json", json.dumps(document).encode())


def _written(answer: _Answer, *, with_body: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {answer.status.value} {answer.status.phrase}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    ]
    if answer.status is HTTPStatus.UNAUTHORIZED:
        lines.append("WWW-Authenticate: Bearer")
    if answer.status is HTTPStatus.SERVICE_UNAVAILABLE:
        lines.append("Retry-After: 5")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head + (answer.body if with_body else b"")
