"""The client of one JSON-RPC server of an EVM network, over HTTP. Answers are checked before they are used.

URLs of servers often contain a key, so nothing here logs or repeats one: a server is named by its host.
"""

import asyncio
import itertools
import re
import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx
from prometheus_client import Counter

from onramp_app.chain.errors import ServerFailed, ServerSilent
from onramp_app.domain.exact_json import JsonOut, NotJson, read_json_bytes, write_json
from onramp_app.proxies import proxy_for

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 5.0
# The receipt of a transaction that pays many people has some hundred kilobytes.
MAX_ANSWER_BYTES = 4 * 1024 * 1024
_AT_ONCE = 8
_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_DATA = re.compile(r"0x(?:[0-9a-fA-F]{2})*")

_ASKED = Counter("chain_calls", "Requests to JSON-RPC servers.", ["network", "outcome"])


@cache
def _authorities() -> ssl.SSLContext:
    """Load the trusted certificates, with the operator's SSL_CERT_FILE; once a process, as it takes 40 ms."""
    return httpx.create_ssl_context()


class RpcServer:
    """The client of one server. Belongs to one event loop; `close` it before another takes over."""

    def __init__(self, url: str, *, network: str) -> None:
        """Prepare the client. Raises `ConfigurationError` if the environment names an unusable proxy."""
        self.host = urlsplit(url).hostname or ""
        self._url = url
        self._network = network
        self._numbers = itertools.count(1)
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=_AT_ONCE, max_keepalive_connections=2, keepalive_expiry=30),
            follow_redirects=False,
            # Answers are limited as they arrive; a compressed one could expand a thousandfold in one step.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            # Otherwise httpx would read the proxies itself, even for loopback, and a .netrc.
            trust_env=False,
            proxy=proxy_for(url),
            verify=_authorities(),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def call(self, method: str, *parameters: JsonOut) -> Any:
        """Call a method and return its result, parsed from JSON with exact numbers.

        Raises:
            ServerFailed: no answer in time, a refusal, or an answer that is not valid JSON-RPC 2.0.
        """
        outcome = "failed"
        try:
            async with self._places:
                result = await self._ask(method, parameters)
            outcome = "ok"
            return result
        finally:
            _ASKED.labels(self._network, outcome).inc()

    async def _ask(self, method: str, parameters: tuple[JsonOut, ...]) -> Any:
        number = next(self._numbers)
        asked: JsonOut = {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
        try:
            status, content = await self._exchange(write_json(asked).encode())
        except (TimeoutError, httpx.TimeoutException):
            raise ServerSilent("it does not answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise ServerSilent("it cannot be reached") from None
        if status != httpx.codes.OK:
            # Mostly the server is busy, or does not accept our key.
            raise ServerSilent(f"it answers with HTTP status {status}")
        return _result(content, number)

    async def _exchange(self, content: bytes) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"}
        async with (
            asyncio.timeout(ANSWER_SECONDS),
            self._http.stream("POST", self._url, content=content, headers=headers) as response,
        ):
            if response.headers.get("content-encoding", "identity") != "identity":
                raise ServerFailed("it answers with compressed content that nobody asked for")
            received = bytearray()
            async for chunk in response.aiter_raw():
                received += chunk
                if len(received) > MAX_ANSWER_BYTES:
                    raise ServerFailed("its answer is longer than 4 MiB")
            return response.status_code, bytes(received)


def _result(content: bytes, number: int) -> Any:
    try:
        answer = read_json_bytes(content)
    except NotJson:
        raise ServerFailed("its answer is not JSON") from None
    if not isinstance(answer, Mapping) or answer.get("jsonrpc") != "2.0" or answer.get("id") != number:
        raise ServerFailed("its answer is not one of JSON-RPC 2.0")
    if (error := answer.get("error")) is not None:
        code = error.get("code") if isinstance(error, Mapping) else None
        raise ServerFailed(f"it refuses with code {code if isinstance(code, int) else 'unknown'}")
    if "result" not in answer:
        raise ServerFailed("its answer has no result")
    return answer["result"]


def quantity(value: object, *, bits: int = 63) -> int:
    """Return a number of up to `bits` bits, which JSON-RPC writes like `0x1b4`. Raises `ServerFailed`."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise ServerFailed("it writes a number in a form that is none")
    if (number := int(value, 16)).bit_length() > bits:
        raise ServerFailed("it writes a number that is too large")
    return number


def octets(value: object, *, length: int) -> str:
    """Return `length` bytes as JSON-RPC writes them, `0x…`, in lower case. Raises `ServerFailed`."""
    if not isinstance(value, str) or len(value) != 2 + 2 * length or not _DATA.fullmatch(value):
        raise ServerFailed(f"it writes {length} bytes in a form that is none")
    return value.lower()
