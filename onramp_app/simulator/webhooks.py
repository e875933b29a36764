"""Signed webhooks: what each one says, when it is due, and sending it until it is acknowledged."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

from onramp_app.simulator.market.catalog import SELL, catalog, sample_webhook
from onramp_app.simulator.scenarios import Scenarios
from onramp_app.simulator.signing import API_SECRET, NEXT_SECRET, encoded, sign
from onramp_app.simulator.store import Order, Store, Webhook
from onramp_app.simulator.wire import now_ms, printed_document, to_json

MAX_TRIALS = 10
_MAX_WAIT_SECONDS = 60
_AT_ONCE = 32
_EARLIER_STATUS = 2
_FORGED_SECRET = "somebody-else"  # noqa: S105 - what a forger signs with  # nosec B105


@dataclass(frozen=True)
class Timing:
    """How fast things go, in seconds."""

    tempo_seconds: Decimal
    webhook_timeout_seconds: Decimal
    webhook_retry_seconds: Decimal


class Webhooks:
    """Keeps webhooks in the store and sends the due ones. They survive a restart and end after MAX_TRIALS."""

    def __init__(self, store: Store, scenarios: Scenarios, *, timing: Timing) -> None:
        self._store = store
        self._scenarios = scenarios
        self._timing = timing
        self._sending: dict[int, asyncio.Task[None]] = {}
        self._client: httpx.AsyncClient | None = None
        self.acknowledged: Callable[[int], None] = lambda _order_id: None
        self.wake: Callable[[], None] = lambda: None

    @property
    def url(self) -> str | None:
        """Where webhooks go, as registered."""
        return self._store.setting("webhook_url")

    @url.setter
    def url(self, value: str) -> None:
        self._store.set_setting("webhook_url", value)

    def purchase_completed(self, order: Order) -> None:
        """Queue the one webhook of a completed order, changed by the scenarios that wait for it."""
        body = event_body(order)
        variant, delay_seconds = self._variant(order, body)
        count = 1
        duplicates = self._scenarios.take("duplicate_webhooks", order)
        if duplicates:
            count = int(duplicates.value)
        lost = self._scenarios.take("lost_webhook", order) is not None
        for _ in range(count):
            self._queue(order.order_id, body, variant=variant, delay_seconds=delay_seconds, lost=lost)
        if self._scenarios.take("out_of_order", order):
            earlier = {**body, "status": _EARLIER_STATUS, "updatedAt": body["createdAt"]}
            later_seconds = delay_seconds + self._timing.tempo_seconds
            self._queue(order.order_id, earlier, variant={}, delay_seconds=later_seconds, lost=lost)

    def _variant(self, order: Order, body: dict[str, Any]) -> tuple[dict[str, Any], Decimal]:
        take = self._scenarios.take
        variant: dict[str, Any] = {}
        if take("forged_signature", order):
            variant["secret"] = _FORGED_SECRET
            variant["once"] = True
        if rotated := take("rotated_key", order):
            variant["secret"] = rotated.value or NEXT_SECRET
        if stale := take("stale_timestamp", order):
            variant["age_seconds"] = stale.value
        if take("header_without_body", order):
            variant["header"] = "time"
        if take("header_is_body", order):
            variant["header"] = "body"
        if differs := take("body_differs", order):
            other = differs.value or {"actualCryptoAmount": Decimal(str(body["actualCryptoAmount"])) * 10}
            variant["http_body"] = {**body, **other}
        delayed = take("delayed_webhook", order)
        return variant, Decimal(delayed.value) if delayed else Decimal(0)

    def send_again(self, order: Order) -> None:
        """Queue an order's webhook once more, as the merchant asked."""
        self._queue(order.order_id, event_body(order), variant={}, delay_seconds=Decimal(0), lost=False)

    def send_dummy(self, url: str) -> None:
        """Queue the documented example for an address."""
        self._store.add_webhook(
            Webhook(order_id=None, url=url, body=sample_webhook(), variant={}, due_ms=now_ms())
        )
        self.wake()

    def send_white_label(self, order_id: int | None, body: dict[str, Any]) -> None:
        """Queue an event of the white-label line: an envelope of its own, which the header itself carries."""
        self._queue(order_id, body, variant={"header": "body"}, delay_seconds=Decimal(0), lost=False)

    def _queue(
        self,
        order_id: int | None,
        body: dict[str, Any],
        *,
        variant: dict[str, Any],
        delay_seconds: Decimal,
        lost: bool,
    ) -> None:
        url = self.url
        sent = url is not None and not lost
        self._store.add_webhook(
            Webhook(
                order_id=order_id,
                url=url or "",
                body=body,
                variant=variant,
                due_ms=now_ms() + int(delay_seconds * 1000) if sent else None,
                state="waiting" if sent else ("lost" if lost else "no address"),
            )
        )
        self.wake()

    def start_due(self) -> None:
        """Begin to send the due webhooks, a limited number at once."""
        free = _AT_ONCE - len(self._sending)
        # A process that dies while sending leaves the webhook due at the end of this lease.
        lease_ms = now_ms() + int(self._timing.webhook_timeout_seconds * 2000)
        for webhook in self._store.due_webhooks(now_ms(), free):
            webhook.due_ms = lease_ms
            self._store.save_webhook(webhook)
            self._sending[webhook.webhook_id] = asyncio.create_task(self._send(webhook))

    async def _send(self, webhook: Webhook) -> None:
        try:
            accepted, webhook.result = await self._post(webhook)
            webhook.trials += 1
            webhook.due_ms = None
            if accepted:
                webhook.state = "delivered"
            elif webhook.trials >= MAX_TRIALS or webhook.variant.get("once"):
                webhook.state = "given up"
            else:
                doubled_seconds = self._timing.webhook_retry_seconds * 2 ** (webhook.trials - 1)
                webhook.due_ms = now_ms() + int(min(doubled_seconds, Decimal(_MAX_WAIT_SECONDS)) * 1000)
            self._store.save_webhook(webhook)
            if accepted and webhook.order_id is not None:
                self.acknowledged(webhook.order_id)
        finally:
            del self._sending[webhook.webhook_id]
            self.wake()

    async def _post(self, webhook: Webhook) -> tuple[bool, str]:
        body = dict(webhook.body)
        if "webhookTrials" in body:
            body["webhookTrials"] = webhook.trials
        variant = webhook.variant
        timestamp_ms = now_ms() - int(Decimal(variant.get("age_seconds", 0)) * 1000)
        match variant.get("header"):
            case "body":
                payload = encoded(body)
            case "time":
                payload = encoded({"timestamp": timestamp_ms})
            case _:
                payload = encoded({"timestamp": timestamp_ms, "body": body})
        headers = {
            "Content-Type": "application/json",
            "x-onramp-payload": payload,
            "x-onramp-signature": sign(variant.get("secret", API_SECRET), payload),
        }
        if self._client is None:
            self._client = httpx.AsyncClient(  # nosec B113
                timeout=None,  # noqa: S113 - the provider counts the whole exchange, which wait_for does below
                trust_env=False,
            )
        try:
            answer = await asyncio.wait_for(
                self._client.post(
                    webhook.url, content=to_json(variant.get("http_body", body)), headers=headers
                ),
                float(self._timing.webhook_timeout_seconds),
            )
        except TimeoutError:
            return False, "no answer in time"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return False, type(error).__name__
        return answer.is_success, f"HTTP {answer.status_code}"

    async def close(self) -> None:
        """Stop sending; what was on its way is sent again at the next start."""
        for task in list(self._sending.values()):
            task.cancel()
        await asyncio.gather(*self._sending.values(), return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()


def event_body(order: Order) -> dict[str, Any]:
    """Return the webhook's body: the order as printed, and fields that come and go."""
    body = {**printed_document(order.document), "webhookTrials": 0}
    if order.flow == SELL:
        return {**body, "eventType": "offramp"}
    if order.order_id % 2:
        offered = catalog()
        coin = offered.coin_by_id(int(order.document["coinId"]))
        network = offered.networks[int(order.document["chainId"])]
        body |= {
            "eventType": "onramp",
            "coinCode": coin.code if coin else None,
            "network": network.symbol,
            "appId": order.facts.get("app_id"),
            "statusDescription": offered.statuses[order.flow].get(order.status),
        }
    return body
