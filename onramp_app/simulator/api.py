"""The provider's HTTP surface: which path is what, who may call it and how often."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onramp_app.simulator.merchant import Merchant
from onramp_app.simulator.scenarios import Scenarios
from onramp_app.simulator.signing import API_SECRET, NEXT_SECRET, verified_body
from onramp_app.simulator.white_label import WhiteLabel
from onramp_app.simulator.wire import (
    ProviderError,
    failure,
    now_ms,
    read_limited,
    success,
    to_json,
)

REQUESTS_A_MINUTE = 10
_MINUTE_SECONDS = 60
_COMMON = "/onramp/api/v2/common"
_WHITE_LABEL = "/onramp/api/v2/whiteLabel"


@dataclass(frozen=True)
class Endpoint:
    """One documented call. `limited`: the documented ten requests a minute. `public`: needs no signature.

    `answer` makes the JSON text of `data` out of the body; None answers with the provider's clock.
    """

    method: str
    path: str
    answer: Callable[[Mapping[str, Any]], str] | None
    limited: bool = False
    public: bool = False


def endpoints(merchant: Merchant, white_label: WhiteLabel) -> list[Endpoint]:
    """Return the whole table."""
    transaction, public, merchants = f"{_COMMON}/transaction", f"{_COMMON}/public", "/onramp/api/v1/merchant"
    return [
        Endpoint("POST", f"{transaction}/quotes", merchant.quotes),
        Endpoint("POST", f"{transaction}/orderStatus", merchant.order_status),
        Endpoint("POST", f"{transaction}/generateLink", merchant.generate_link),
        Endpoint("POST", "/onramp/api/v1/transaction/merchantHistory", merchant.merchant_history),
        Endpoint("POST", f"{transaction}/limits", merchant.limits, limited=True),
        Endpoint("POST", f"{transaction}/allConfigMapping", merchant.all_config_mapping, limited=True),
        Endpoint("POST", f"{transaction}/allChainMapping", merchant.all_chain_mapping, limited=True),
        Endpoint("POST", f"{transaction}/allGasFee", merchant.all_gas_fee, limited=True),
        Endpoint("POST", f"{transaction}/allCoinLimits", merchant.all_coin_limits, limited=True),
        Endpoint("GET", f"{public}/fetchPaymentMethodType", merchant.payment_methods, public=True),
        Endpoint(
            "GET", f"{public}/fetchAllCountryConfig", merchant.country_config, limited=True, public=True
        ),
        Endpoint("GET", f"{public}/currentTimestamp", None, public=True),
        Endpoint("GET", "/onramp/api/v2/sell/public/allConfig", merchant.sell_config, public=True),
        Endpoint("POST", f"{merchants}/setWebhookUrl", merchant.set_webhook_url),
        Endpoint("POST", f"{merchants}/resendWebhook", merchant.resend_webhook),
        Endpoint("POST", f"{merchants}/sendDummyWebhook", merchant.send_dummy_webhook),
        Endpoint("GET", "/sdk-apis/generate-url", merchant.generate_url, public=True),
        Endpoint("POST", f"{_WHITE_LABEL}/kyc/url", white_label.kyc_url),
        Endpoint("POST", f"{_WHITE_LABEL}/kyc/status", white_label.kyc_status),
        Endpoint("POST", f"{_WHITE_LABEL}/user/limit", white_label.user_limit),
        Endpoint("POST", f"{_WHITE_LABEL}/onramp/quote", white_label.quote),
        Endpoint("POST", f"{_WHITE_LABEL}/onramp/createTransaction", white_label.create_transaction),
        Endpoint("POST", f"{_WHITE_LABEL}/onramp/transaction", white_label.transaction),
        Endpoint("POST", f"{_WHITE_LABEL}/test/changeKycStatus", white_label.change_kyc_status),
        Endpoint("POST", f"{_WHITE_LABEL}/test/changeOnrampStatus", white_label.change_onramp_status),
    ]


class Api:
    """Answers every endpoint in the provider's envelope, counts requests and keeps the documented limits."""

    def __init__(self, table: list[Endpoint], scenarios: Scenarios) -> None:
        self._scenarios = scenarios
        self._table = table
        self._recent: dict[str, deque[float]] = {}
        self.counts: Counter[tuple[str, str, int]] = Counter()

    def routes(self) -> list[Route]:
        """Return one route per endpoint."""
        return [
            Route(endpoint.path, self._handler(endpoint), methods=[endpoint.method])
            for endpoint in self._table
        ]

    def reset(self) -> None:
        """Forget all counts, those of the limits included."""
        self._recent.clear()
        self.counts.clear()

    def _handler(self, endpoint: Endpoint) -> Callable[[Request], Any]:
        async def handle(request: Request) -> Response:
            try:
                response = success(await self._answer(endpoint, request))
            except ProviderError as error:
                is_plain = error.plain is not None and self._scenarios.take("plain_400")
                response = failure(ProviderError(400, str(error.plain)) if is_plain else error)
            self.counts[endpoint.method, endpoint.path, response.status_code] += 1
            return response

        return handle

    async def _answer(self, endpoint: Endpoint, request: Request) -> str:
        await self._trouble()
        clock_ms = now_ms()
        if skew := self._scenarios.take("clock_skew"):
            clock_ms += int(Decimal(skew.value) * 1000)
        body = await self._body(endpoint, request, clock_ms)
        if endpoint.limited:
            self._keep_limit(endpoint)
        return to_json(clock_ms) if endpoint.answer is None else endpoint.answer(body)

    async def _trouble(self) -> None:
        if slow := self._scenarios.take("api_slow"):
            await asyncio.sleep(float(slow.value))
        if self._scenarios.take("api_down"):
            raise ProviderError(503, "Under maintenance")
        if limited := self._scenarios.take("rate_limited"):
            raise ProviderError(429, "Too many requests", retry_after_seconds=int(limited.value))

    async def _body(self, endpoint: Endpoint, request: Request, clock_ms: int) -> Mapping[str, Any]:
        raw_body = await read_limited(request)
        headers = _credentials(request, plain="/whiteLabel/" in endpoint.path)
        if endpoint.public and not any(headers.values()):
            return dict(request.query_params)
        secrets = (API_SECRET, NEXT_SECRET)
        body = verified_body(headers, secrets, clock_ms=clock_ms, raw_body=raw_body)
        return dict(request.query_params) if endpoint.public else body

    def _keep_limit(self, endpoint: Endpoint) -> None:
        now = time.monotonic()
        recent = self._recent.setdefault(endpoint.path, deque())
        while recent and now - recent[0] >= _MINUTE_SECONDS:
            recent.popleft()
        if len(recent) >= REQUESTS_A_MINUTE:
            wait_seconds = int(_MINUTE_SECONDS - (now - recent[0])) + 1
            raise ProviderError(429, "Too many requests", retry_after_seconds=wait_seconds)
        recent.append(now)


def _credentials(request: Request, *, plain: bool) -> dict[str, str]:
    found = {
        name: request.headers.get(f"x-onramp-{header}", "")
        for name, header in (("key", "apikey"), ("payload", "payload"), ("signature", "signature"))
    }
    if plain and not any(found.values()):
        return {
            name: request.headers.get(header, "")
            for name, header in (("key", "apikey"), ("payload", "payload"), ("signature", "signature"))
        }
    return found
