"""Sends requests with an API key: errors become exceptions, and what is safe to repeat is repeated."""

import json
import random
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

# Stands for a field that is left out where None is a value: None says "none" there.
OMITTED: Any = object()
_REPEATED = frozenset({429, 502, 503, 504})
_LONGEST_WAIT_SECONDS = 30.0
# A request that carries one of these happens once however often it is sent.
_NAMES_OF_A_REQUEST = ("reference", "external_id")


class WalletError(Exception):
    """A refusal of the wallet (RFC 9457).

    `status` is the HTTP status, `code` the word to decide by, such as `insufficient_funds`, `detail` a
    sentence for people, `problem` everything that the wallet said.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(problem.get("code", "unknown"))
        self.detail = str(problem.get("detail", f"The wallet answered with status {status}."))
        self.problem = dict(problem)
        super().__init__(f"{self.code}: {self.detail}")


class Calls:
    """One key of one wallet, with a pool of connections. May be shared by threads.

    Args:
        url: where the wallet is, such as `https://wallet.example.com`.
        api_key: `amk_…`, of `python -m onramp_app api-keys create`.
        timeout_seconds: how long one try may wait for the wallet.
        tries: how often a request is sent at most. Sent again is what was not carried out (429, or there was
            no connection) and, where a repeat changes nothing, what may have been (no answer, 502, 503, 504).
    """

    def __init__(self, url: str, api_key: str, *, timeout_seconds: float = 10, tries: int = 4) -> None:
        self._tries = tries
        self._client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {api_key}"}, timeout=timeout_seconds
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        """Send a request, without what is omitted in it. Returns the JSON of the answer, or its text.

        Raises:
            WalletError: the wallet refused.
            httpx.TransportError: the wallet did not answer.
        """
        left_out = OMITTED if method == "PATCH" else None
        given = {name: value for name, value in (body or {}).items() if value is not left_out}
        params = {name: value for name, value in (query or {}).items() if value is not None}
        is_repeatable = method != "POST" or any(name in given for name in _NAMES_OF_A_REQUEST)
        for number in range(1, self._tries + 1):
            is_last = number == self._tries
            try:
                answer = self._client.request(
                    method, path, params=params, json=given if body is not None else None
                )
            except httpx.TransportError as error:
                if is_last or not (is_repeatable or isinstance(error, httpx.ConnectError)):
                    raise
                time.sleep(_wait_seconds(number, None))
                continue
            if answer.is_success:
                return _content(answer)
            if method == "DELETE" and answer.status_code == 404 and number > 1:
                return None  # The try before this one has done it.
            was_refused = answer.status_code == 429
            if is_last or answer.status_code not in _REPEATED or not (was_refused or is_repeatable):
                raise WalletError(answer.status_code, _problem(answer))
            time.sleep(_wait_seconds(number, answer.headers.get("Retry-After")))
        raise AssertionError("a call is tried once at least")


def _content(answer: httpx.Response) -> Any:
    if not answer.content:
        return None
    is_json = answer.headers.get("content-type", "").partition(";")[0] == "application/json"
    return json.loads(answer.content) if is_json else answer.text


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        found = json.loads(answer.content)
    except ValueError:  # Something between the wallet and us answered.
        return {}
    return found if isinstance(found, dict) else {}


def _wait_seconds(number: int, retry_after: str | None) -> float:
    asked = float(retry_after) if retry_after is not None and retry_after.isdecimal() else 0.0
    own = random.uniform(0.25, 0.5) * (1 << (number - 1))  # noqa: S311 - no secret
    return min(_LONGEST_WAIT_SECONDS, asked + own)
