"""Sends one webhook: connects to the very address that was checked, follows no redirect, and reads little.

A program chooses where its webhooks go, so the request must not become a way into the operator's network
(OWASP: Server-Side Request Forgery). The host name is resolved once; if any of its addresses is not public,
the request is refused. Redirects count as a refusal, and the environment's proxies are not used, because the
address that a proxy connects to could not be checked here.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from time import monotonic
from typing import Any, Self

import httpcore
import httpx
import structlog

from onramp_app.outgoing_webhooks.addresses import may_connect
from onramp_app.outgoing_webhooks.words import MAX_ANSWER_BYTES

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0  # for one whole request: resolving, connecting, TLS, the answer and its body
# Concurrent requests of this process; each may wait for name resolution, which takes a thread.
AT_ONCE = 32
_MOST_ADDRESSES = 3
_log = structlog.get_logger(__name__)
_SECONDS = re.compile(r"[0-9]{1,9}")

Resolve = Callable[[str, int], Awaitable[list[str]]]


class _NotSent(Exception):
    """The request was refused before it was sent. The text says why, without the address."""


@dataclass(slots=True)
class Answer:
    """The outcome of one request. `status` is None where no answer came; `problem` then says why.

    `body` is the beginning of the answer's body, up to `MAX_ANSWER_BYTES`, unchanged.
    """

    status: int | None = None
    body: bytes = b""
    problem: str | None = None
    retry_after: timedelta | None = None
    took_ms: int = 0

    @property
    def is_taken(self) -> bool:
        """Whether the endpoint acknowledged the webhook, with a status of 200 to 299."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether the endpoint answered that it is gone for good (410) and wants no more webhooks."""
        return self.status == httpx.codes.GONE


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects only to IP addresses that were checked, never to a host name."""

    def __init__(self, resolve: Resolve, allows: Callable[[str], bool]) -> None:
        self._resolve = resolve
        self._allows = allows
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is the library's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._resolve(host, port)
        # The same sentence for both, so that it does not reveal which names the operator's network knows.
        if not addresses or not all(map(self._allows, addresses)):
            raise _NotSent("the name of the host leads to no address of the internet")
        failure: Exception = OSError()
        for address in addresses[:_MOST_ADDRESSES]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        raise _NotSent("a file is no address")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)


@cache
def _authorities() -> ssl.SSLContext:
    """Load the trusted certificates, with the operator's SSL_CERT_FILE; once a process, as it takes 40 ms."""
    return httpx.create_ssl_context()


class Poster:
    """Sends requests to endpoints while the context lasts.

    Args:
        resolve: returns the IP addresses of a host name.
        allows: returns whether a request may go to an IP address.
        tls: whose certificates are trusted; by default as for all requests of the application.
        total_seconds: how long one request may take.
    """

    def __init__(
        self,
        *,
        resolve: Resolve | None = None,
        allows: Callable[[str], bool] = may_connect,
        tls: ssl.SSLContext | None = None,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        # Its own threads: a name server that is slow on purpose must not use up those of everything else.
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="names of endpoints")
        self._total_seconds = total_seconds
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or _authorities(),
            max_connections=AT_ONCE,
            # The other end may close a kept-alive connection just as the next request goes out.
            max_keepalive_connections=0,
            network_backend=_CheckedBackend(resolve or self._addresses, allows),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send one request and return its outcome. Never raises for anything that the other end does."""
        answer, began = Answer(), monotonic()
        try:
            async with asyncio.timeout(self._total_seconds):
                await self._exchange(url, body, headers, answer)
        except (TimeoutError, httpcore.TimeoutException):
            answer.problem = "no answer in time"
        except _NotSent as error:
            answer.problem = str(error)
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError, ValueError) as error:
            answer.problem = _words_of(error)
        except Exception:  # noqa: BLE001 - what a foreign server does must not stop other webhooks
            answer.problem = "the request failed"
            _log.warning("a request to an endpoint failed in a way that was not foreseen", exc_info=True)
        answer.took_ms = int((monotonic() - began) * 1000)
        if answer.status is not None:
            # Once the status has arrived, a failure while reading the body does not matter.
            answer.problem = None if answer.is_taken else _words_of_status(answer.status)
        return answer

    async def _exchange(self, url: str, body: bytes, headers: Mapping[str, str], answer: Answer) -> None:
        seconds = {"connect": CONNECT_SECONDS, "pool": None, "read": None, "write": None}
        sent = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
        async with self._pool.stream(
            "POST", url, headers=sent, content=body, extensions={"timeout": seconds}
        ) as response:
            answer.status = response.status
            answer.retry_after = _retry_after(response.headers)
            async for part in response.aiter_stream():
                answer.body += part[: MAX_ANSWER_BYTES - len(answer.body)]
                if len(answer.body) == MAX_ANSWER_BYTES:
                    break

    async def _addresses(self, host: str, port: int) -> list[str]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.run_in_executor(self._threads, _look_up, host, port)
        except (OSError, UnicodeError):  # there is no such name, or it cannot be a host name
            return []
        return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _look_up(host: str, port: int) -> list[Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _retry_after(headers: Iterable[tuple[bytes, bytes]]) -> timedelta | None:
    text = next((value for name, value in headers if name.lower() == b"retry-after"), b"").decode("latin-1")
    if _SECONDS.fullmatch(text.strip()):
        return timedelta(seconds=int(text))
    try:
        at = parsedate_to_datetime(text)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(timedelta(), at - datetime.now(UTC))
    except (ValueError, OverflowError):  # a year of twenty digits overflows
        return None


def _words_of(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate is not right: {cause.verify_message}"[:200]
        if isinstance(cause, ssl.SSLError):
            return "the server does not speak TLS"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpcore.ConnectError):
        return "no connection"
    return "the answer is not HTTP" if isinstance(error, httpcore.ProtocolError) else "the connection broke"


def _words_of_status(status: int) -> str:
    if 300 <= status < 400:
        return f"answered {status}, and redirects are not followed"
    return f"answered {status}"
