"""Makes the calls to Onramp: rate limit, circuit breaker, signature, time-outs, retries, metrics.

Logs and metrics hold the endpoint, outcome, status and time only: never a body, a header or a key.
"""

import asyncio
import logging
import random
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from time import monotonic

import httpx
import structlog
from prometheus_client import Counter, Gauge, Histogram

from onramp_app.domain.exact_json import JsonOut, write_json
from onramp_app.domain.shares import asker
from onramp_app.providers.errors import OwnRateSpent, ProviderUnavailable, ShareSpent
from onramp_app.providers.onramp.http.breaker import BreakerState, CircuitBreaker, Pass
from onramp_app.providers.onramp.http.clock_offset import ProviderClock
from onramp_app.providers.onramp.http.endpoints import CURRENT_TIMESTAMP, Endpoint
from onramp_app.providers.onramp.http.envelope import CallFailed, Outcome, open_envelope, unreadable
from onramp_app.providers.onramp.http.limits import RequestRate
from onramp_app.providers.onramp.http.pulse import Pulses
from onramp_app.providers.onramp.http.signing import HeaderStyle, signed_headers
from onramp_app.providers.onramp.wire import Answer, int_or_none
from onramp_app.providers.shared_answers import SharedAnswers
from onramp_app.proxies import proxy_for

log = structlog.get_logger(__name__)

_CALLS = Counter("provider_calls", "Requests to the payment provider.", ["endpoint", "outcome"])
_SECONDS = Histogram(
    "provider_call_seconds",
    "Time until the payment provider's whole answer was read.",
    ["endpoint"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20),
)
_BREAKER = Gauge(
    "provider_breaker_open", "1: nothing is sent to this endpoint, 0.5: one request tries it.", ["endpoint"]
)
_OFFSET = Gauge("provider_clock_offset_seconds", "The provider's clock minus ours.")
_BREAKER_VALUES = {BreakerState.CLOSED: 0.0, BreakerState.HALF_OPEN: 0.5, BreakerState.OPEN: 1.0}

_AWAY = "The payment provider does not answer at the moment. Try again shortly."
_BUSY = "Too many requests to the payment provider. Try again shortly."


@dataclass(frozen=True, slots=True)
class Credentials:
    """The account's API key and secret, and the previous secret while it is being rotated."""

    api_key: str
    secret: str
    previous_secret: str | None = None

    def __repr__(self) -> str:
        """Show nothing: an object in a traceback or a log must not carry a secret."""
        return "Credentials(…)"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return the secrets to sign with, the new one first."""
        return (self.secret,) if self.previous_secret is None else (self.secret, self.previous_secret)


@dataclass(frozen=True, slots=True)
class TransportLimits:
    """The limits on calls: times in seconds, sizes in bytes."""

    requests_per_minute: int = 120
    connect_seconds: float = 5.0
    attempt_seconds: float = 15.0
    read_attempts: int = 3
    backoff_seconds: float = 0.25
    max_backoff_seconds: float = 2.0
    max_answer_bytes: int = 8 * 1024 * 1024
    failures_to_open: int = 5
    open_seconds: float = 2.0


@cache
def _authorities() -> ssl.SSLContext:
    """Load the trusted certificates, including SSL_CERT_FILE; once per process, since it takes 40 ms."""
    return httpx.create_ssl_context()


class Transport:
    """The connection pool to one Onramp host and the state that all calls share. Belongs to one event loop.

    While the secret is being rotated, we do not know which one the provider uses. A call refused with 401 is
    signed again, once, with the other secret, which later calls then use first. The change costs one refused
    request and no outage, whichever side changes first.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        limits: TransportLimits | None = None,
        white_label_headers: HeaderStyle = "x-onramp",
    ) -> None:
        self._limits = limits or TransportLimits()
        self._credentials = credentials
        self._secret_in_use = 0
        self._white_label_headers = white_label_headers
        self._rate = RequestRate()
        self._shared: SharedAnswers[Answer] = SharedAnswers()
        self._breakers: dict[str, CircuitBreaker] = {}
        self.pulses = Pulses()
        self.clock = ProviderClock(self._ask_current_timestamp)
        self._http = httpx.AsyncClient(
            base_url=base_url,
            timeout=httpx.Timeout(self._limits.attempt_seconds, connect=self._limits.connect_seconds),
            limits=httpx.Limits(max_connections=20, max_keepalive_connections=5, keepalive_expiry=30),
            follow_redirects=False,
            # Answers are capped as they arrive; a compressed one could expand a thousandfold in one step.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            # Otherwise httpx takes proxies from the environment, even for this machine, and reads .netrc.
            trust_env=False,
            proxy=proxy_for(base_url),
            verify=_authorities(),
        )

    async def close(self) -> None:
        """Cancel the requests in flight that callers share, and close the connections."""
        await self._shared.close()
        await self._http.aclose()

    def breaker(self, endpoint: Endpoint) -> CircuitBreaker:
        """Return the endpoint's own breaker: a broken price list must not stop the reading of orders."""
        if endpoint.name not in self._breakers:
            self._breakers[endpoint.name] = CircuitBreaker(
                failures_to_open=self._limits.failures_to_open, open_seconds=self._limits.open_seconds
            )
        return self._breakers[endpoint.name]

    async def call(
        self,
        endpoint: Endpoint,
        body: Mapping[str, JsonOut] | None = None,
        *,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the endpoint's answer; a shared endpoint is called once for all callers.

        Raises only errors from `providers.errors`, never one from httpx.
        """
        if not endpoint.shared_seconds:
            return await self._call(endpoint, body or {}, query=query)
        return await self._shared.get(
            f"{endpoint.name} {write_json(body or {})}",
            endpoint.shared_seconds,
            ask=lambda: self._call(endpoint, body or {}, query=query),
        )

    async def _call(
        self, endpoint: Endpoint, body: Mapping[str, JsonOut], *, query: Mapping[str, str] | None
    ) -> Answer:
        if endpoint.is_signed and self.clock.is_due:
            await self._measure_clock()
        attempts = self._limits.read_attempts if endpoint.is_read else 1
        for attempt in range(1, attempts + 1):
            try:
                return await self._attempt(endpoint, body, query=query)
            except CallFailed as failed:
                if attempt == attempts or not failed.outcome.is_provider_down or failed.hold_seconds:
                    raise failed.error from None
            await asyncio.sleep(self._backoff(attempt))
        raise AssertionError("the last attempt either returned or raised")

    def _backoff(self, attempt: int) -> float:
        most = min(self._limits.backoff_seconds * 2 ** (attempt - 1), self._limits.max_backoff_seconds)
        return random.uniform(most / 2, most)  # noqa: S311 - jitter, not a secret  # nosec B311

    async def _attempt(
        self, endpoint: Endpoint, body: Mapping[str, JsonOut], *, query: Mapping[str, str] | None
    ) -> Answer:
        """Call once, and once more for each remedy for a refused signature: the clock, the other secret.

        A refused signature means that the provider did nothing, so this is safe for every endpoint.
        """
        cures = {Outcome.AHEAD_OF_TIME}
        if self._credentials.previous_secret is not None:
            cures.add(Outcome.CREDENTIALS)
        while True:
            measured, secret = self.clock.measurements, self._secret_in_use
            try:
                return await self._once(endpoint, self._headers(endpoint, body), body=body, query=query)
            except CallFailed as failed:
                if not endpoint.is_signed or failed.outcome not in cures:
                    raise
                cures.remove(failed.outcome)
                if failed.outcome is Outcome.AHEAD_OF_TIME:
                    await self._measure_clock(unless_newer_than=measured)
                elif self._secret_in_use == secret:
                    self._secret_in_use = 1 - secret
                    log.warning("provider_secret_switched", uses_previous=self._secret_in_use == 1)

    def _headers(self, endpoint: Endpoint, body: Mapping[str, JsonOut]) -> dict[str, str]:
        if not endpoint.is_signed:
            return {}
        return signed_headers(
            body,
            self.clock.timestamp_ms(),
            api_key=self._credentials.api_key,
            secret=self._credentials.secrets[self._secret_in_use],
            style=self._white_label_headers if endpoint.is_white_label else "x-onramp",
        )

    async def _once(
        self,
        endpoint: Endpoint,
        headers: dict[str, str],
        *,
        body: Mapping[str, JsonOut],
        query: Mapping[str, str] | None,
    ) -> Answer:
        breaker = self.breaker(endpoint)
        used = self._admit(endpoint, breaker)
        started, outcome, status = monotonic(), Outcome.CANCELED, 0
        try:
            status, retry_after, text = await self._exchange(endpoint, headers, body=body, query=query)
            answer = open_envelope(
                status, text, retry_after=retry_after, is_white_label=endpoint.is_white_label
            )
            outcome = Outcome.OK
            return answer
        except CallFailed as failed:
            outcome = failed.outcome
            if failed.hold_seconds:
                self._rate.hold(endpoint.name, failed.hold_seconds)
            raise
        finally:
            if outcome is Outcome.CANCELED:
                breaker.give_up(used)
            elif outcome.is_provider_down:
                breaker.fail(used)
            else:
                breaker.succeed(used)
            seconds = monotonic() - started
            if outcome is not Outcome.CANCELED and (pulse := self.pulses.of(endpoint.name)) is not None:
                is_busy = outcome is Outcome.BUSY
                pulse.note(seconds, is_answer=not outcome.is_provider_down, is_busy=is_busy)
            _account(endpoint, outcome, http_status=status, seconds=seconds)
            _BREAKER.labels(endpoint.name).set(_BREAKER_VALUES[breaker.state])

    def _admit(self, endpoint: Endpoint, breaker: CircuitBreaker) -> Pass:
        used = breaker.begin()
        if used is None:
            _account(endpoint, Outcome.BREAKER_OPEN)
            wait = breaker.retry_after_seconds
            raise CallFailed(ProviderUnavailable(_AWAY, retry_after_seconds=wait), Outcome.BREAKER_OPEN)
        per_minute = self._limits.requests_per_minute
        if endpoint.requests_per_minute is not None:
            per_minute = min(per_minute, endpoint.requests_per_minute)
        who = asker() if endpoint.is_chosen else None
        if (refused := self._rate.take(endpoint.name, per_minute, who)) is not None:
            breaker.give_up(used)
            _account(endpoint, Outcome.OWN_RATE)
            error = ShareSpent if refused.is_share else OwnRateSpent
            raise CallFailed(error(_BUSY, retry_after_seconds=refused.seconds), Outcome.OWN_RATE)
        return used

    async def _exchange(
        self,
        endpoint: Endpoint,
        headers: dict[str, str],
        *,
        body: Mapping[str, JsonOut],
        query: Mapping[str, str] | None,
    ) -> tuple[int, str | None, bytes]:
        """Return status, `Retry-After` and body. Raises `CallFailed`: no answer, too late or too large."""
        content = write_json(body).encode() if endpoint.method == "POST" else None
        if content is not None:
            headers = {**headers, "Content-Type": "application/json;charset=UTF-8"}
        try:
            async with (
                asyncio.timeout(self._limits.attempt_seconds),
                self._http.stream(
                    endpoint.method, endpoint.path, content=content, headers=headers, params=query
                ) as response,
            ):
                text = await self._capped(response)
                return response.status_code, response.headers.get("retry-after"), text
        except (TimeoutError, httpx.TimeoutException):
            raise _no_answer(Outcome.TIMEOUT) from None
        except (httpx.HTTPError, httpx.InvalidURL):
            raise _no_answer(Outcome.CONNECTION) from None

    async def _capped(self, response: httpx.Response) -> bytes:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise unreadable()
        received = bytearray()
        async for chunk in response.aiter_raw():
            received += chunk
            if len(received) > self._limits.max_answer_bytes:
                raise unreadable()
        return bytes(received)

    async def _ask_current_timestamp(self) -> int:
        answer = await self._once(CURRENT_TIMESTAMP, {}, body={}, query=None)
        timestamp = int_or_none(answer.data)
        if timestamp is None:
            raise unreadable()
        return timestamp

    async def _measure_clock(self, *, unless_newer_than: int | None = None) -> None:
        try:
            await self.clock.measure(unless_newer_than=unless_newer_than)
        except CallFailed as failed:
            # The call that follows shows whether the provider is down; the last offset is better than none.
            log.warning("provider_clock_not_measured", outcome=failed.outcome)
        else:
            _OFFSET.set(self.clock.offset_ms / 1000)


def _no_answer(outcome: Outcome) -> CallFailed:
    return CallFailed(ProviderUnavailable(_AWAY, retry_after_seconds=5), outcome)


def _account(
    endpoint: Endpoint, outcome: Outcome, *, http_status: int = 0, seconds: float | None = None
) -> None:
    _CALLS.labels(endpoint.name, outcome).inc()
    if seconds is not None:
        _SECONDS.labels(endpoint.name).observe(seconds)
    log.log(
        logging.DEBUG if outcome is Outcome.OK else logging.WARNING,
        "provider_call",
        endpoint=endpoint.name,
        outcome=str(outcome),
        http_status=http_status or None,
        duration_ms=None if seconds is None else round(seconds * 1000),
    )
