"""The white-label product line: identity checks, quotes and transactions for own screens."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from onramp_app.simulator.market.catalog import BUY, catalog
from onramp_app.simulator.market.prices import draw
from onramp_app.simulator.merchant import (
    APP_ID,
    Body,
    asset_fields,
    fiat_fields,
    integer_field,
    quote_data,
    text_field,
    too_small,
)
from onramp_app.simulator.orders import AmountTooSmall, Orders
from onramp_app.simulator.purchase import UnusableLink, is_web_address, read_purchase
from onramp_app.simulator.scenarios import Scenarios
from onramp_app.simulator.signing import API_SECRET, sign
from onramp_app.simulator.store import Order, Store
from onramp_app.simulator.webhooks import Webhooks
from onramp_app.simulator.wire import ProviderError, iso_time, now_ms, to_json

KYC_STATUSES = (
    "LOGIN_REQUIRED",
    "OTP_COMPLETED",
    "BASIC_KYC_COMPLETED",
    "INTERMEDIATE_KYC_COMPLETED",
    "ADVANCE_KYC_COMPLETED",
    "EDD_COMPLETED",
    "COMPLETED",
    "IN_REVIEW",
    "TEMPORARY_FAILED",
    "PERMANENT_FAILED",
)
_MONTHLY_LIMIT_USD = Decimal(10_000)
_STATUS_TEXTS = {
    0: "CREATED",
    10: "FIAT_DEPOSIT_RECEIVED",
    13: "TRADE_COMPLETED",
    14: "ON_CHAIN_INITIATED",
    15: "ON_CHAIN_COMPLETED",
}
_STATUS_NUMBERS = {text: number for number, text in _STATUS_TEXTS.items()} | {
    "TRADE COMPLETED": 13,
    "FAILED": -1,
}


def status_text(status: int) -> str:
    """Return the line's word for a status number; what is not known has failed."""
    return _STATUS_TEXTS.get(status, "FAILED")


class WhiteLabel:
    """One method per endpoint, as in `Merchant`, and what the identity page does."""

    def __init__(
        self, store: Store, scenarios: Scenarios, *, orders: Orders, webhooks: Webhooks, base_url: str
    ) -> None:
        self._store = store
        self._scenarios = scenarios
        self._orders = orders
        self._webhooks = webhooks
        self._base_url = base_url
        orders.white_label_moved = self._transaction_moved

    def kyc_url(self, body: Body) -> str:
        """Register a customer, or renew the page's address for one that is known."""
        customer_id = text_field(body, "customerId", required=False)
        if customer_id:
            return self._kyc_answer(customer_id, self._customer(body), body)
        email, phone = text_field(body, "email"), text_field(body, "phoneNumber")
        client_id = text_field(body, "clientCustomerId")
        if text_field(body, "type") != "INDIVIDUAL":
            raise ProviderError(400, "type must be INDIVIDUAL")
        known = self._store.customer_by_phone(phone)
        if known:
            raise ProviderError(400, "Phone number is already registered", data={"customerId": known})
        customer_id = f"SIM{draw(self._orders.seed_value, 'customer', client_id, phone):016x}_{len(email)}"
        customer = {
            "customerId": customer_id,
            "clientCustomerId": client_id,
            "email": email,
            "phoneNumber": phone,
            "status": "LOGIN_REQUIRED",
            "updatedAt": iso_time(now_ms()),
        }
        return self._kyc_answer(customer_id, customer, body)

    def _kyc_answer(self, customer_id: str, customer: dict[str, Any], body: Body) -> str:
        redirect_url = text_field(body, "kycRedirectUrl", required=False)
        if redirect_url and not is_web_address(redirect_url):
            raise ProviderError(400, "kycRedirectUrl must be an http or https address")
        customer["redirectUrl"] = redirect_url or customer.get("redirectUrl")
        self._store.save_customer(customer_id, phone=customer["phoneNumber"], document=customer)
        signature = sign(API_SECRET, customer_id)
        query = urlencode({"customerId": customer_id, "signature": signature})
        return to_json(
            {
                "kycUrl": f"{self._base_url}/main/kyc/?{query}",
                "customerId": customer_id,
                "clientCustomerId": customer["clientCustomerId"],
                "signature": signature,
            }
        )

    def _customer(self, body: Body) -> dict[str, Any]:
        customer = self._store.customer(text_field(body, "customerId"))
        if customer is None:
            raise ProviderError(400, "Customer does not exist")
        return customer

    def page_customer(self, query: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the customer whose identity page this is, if its signature is right."""
        customer_id = query.get("customerId", "")
        if query.get("signature") != sign(API_SECRET, customer_id):
            return None
        customer = self._store.customer(customer_id)
        if customer is not None:
            self._end_review(customer)
        return customer

    def kyc_status(self, body: Body) -> str:
        """Return the status, or before the login the bare text."""
        customer = self._customer(body)
        if customer["status"] == "LOGIN_REQUIRED":
            return to_json("LOGIN_REQUIRED")
        self._end_review(customer)
        return to_json({"status": customer["status"], "updatedAt": customer["updatedAt"]})

    def set_kyc_status(self, customer: dict[str, Any], status: str) -> str:
        """Move a customer, tell the merchant, and return what it became; the scenarios have the last word."""
        if status.endswith("COMPLETED") and status != "OTP_COMPLETED":
            if rejected := self._scenarios.take("kyc_rejected"):
                status = rejected.value
            elif self._scenarios.take("kyc_resubmit"):
                status = "TEMPORARY_FAILED"
            if slow := self._scenarios.take("kyc_slow"):
                customer["later"] = [now_ms() + int(Decimal(slow.value) * 1000), status]
                status = "IN_REVIEW"
        self._set_status(customer, status)
        return status

    def _end_review(self, customer: dict[str, Any]) -> None:
        """Give a slow verification its outcome once its time has come."""
        due_ms, status = customer.get("later") or (None, "")
        if due_ms is not None and now_ms() >= due_ms:
            del customer["later"]
            self._set_status(customer, status)

    def _set_status(self, customer: dict[str, Any], status: str) -> None:
        customer |= {"status": status, "updatedAt": iso_time(now_ms())}
        with self._store.transaction():
            self._store.save_customer(
                customer["customerId"], phone=customer["phoneNumber"], document=customer
            )
            self._webhooks.send_white_label(
                None,
                {
                    "referenceId": customer["clientCustomerId"],
                    "eventType": "KYC",
                    "status": status,
                    "metadata": self._metadata(customer["customerId"], customer["clientCustomerId"], status),
                },
            )

    def _metadata(self, customer_id: str | None, *event: object) -> dict[str, Any]:
        return {
            "customerId": customer_id,
            "eventId": f"{draw(self._orders.seed_value, 'event', now_ms(), *event):016x}",
            "eventCreatedAt": iso_time(now_ms()),
        }

    def change_kyc_status(self, body: Body) -> str:
        """Move a customer as the sandbox allows."""
        customer, status = self._customer(body), text_field(body, "status")
        if status not in KYC_STATUSES:
            raise ProviderError(400, "status is not known")
        return to_json(
            {"customerId": customer["customerId"], "status": self.set_kyc_status(customer, status)}
        )

    def user_limit(self, body: Body) -> str:
        """Return what a customer may still buy this month, in the currency asked for."""
        customer = self._customer(body)
        fiat = catalog().fiats.get(integer_field(body, "fiatType", default=1))
        if fiat is None:
            raise ProviderError(400, "fiatType is not supported")
        limit = _MONTHLY_LIMIT_USD * fiat.per_usd
        used = Decimal(customer.get("usedUsd", 0)) * fiat.per_usd
        return to_json(
            {
                "onrampLimit": limit,
                "offrampLimit": limit,
                "monthlyLimitUsedOnramp": used.quantize(Decimal("0.01")),
                "monthlyLimitUsedOfframp": 0,
                "fiatType": str(fiat.fiat_type),
            }
        )

    def quote(self, body: Body) -> str:
        """Price an amount for a customer."""
        self._customer(body)
        coin, network = asset_fields(body)
        fiat, amount = fiat_fields(body)
        try:
            found = self._orders.quote(coin, network.chain_id, fiat=fiat, fiat_amount=amount)
        except AmountTooSmall:
            raise too_small(coin, network.chain_id, fiat) from None
        return to_json({**quote_data(found), "fiatAmount": amount, "fiatType": fiat.fiat_type})

    def create_transaction(self, body: Body) -> str:
        """Open a transaction that then walks through its statuses; the customer must have logged in."""
        customer = self._customer(body)
        if customer["status"] == "LOGIN_REQUIRED":
            raise ProviderError(403, "Please login before raising this request")
        if customer["status"] in ("OTP_COMPLETED", "IN_REVIEW", "TEMPORARY_FAILED", "PERMANENT_FAILED"):
            raise ProviderError(403, "Identity is not verified")
        coin, network = asset_fields(body)
        fiat, amount = fiat_fields(body)
        address = body.get("walletAddress") or body.get("depositAddress") or ""
        values = {
            "appId": str(APP_ID),
            "walletAddress": str(address),
            "coinCode": coin.code,
            "network": network.symbol,
            "fiatType": str(fiat.fiat_type),
            "fiatAmount": to_json(amount),
            "merchantRecognitionId": text_field(body, "merchantRecognitionId", required=False),
        }
        try:
            purchase = read_purchase(catalog(), values, flow=BUY)
            order = self._orders.open(purchase, fiat_amount=amount, product="white_label")
        except UnusableLink as error:
            raise ProviderError(400, str(error)) from None
        except AmountTooSmall:
            raise too_small(coin, network.chain_id, fiat) from None
        order.facts["customer_id"] = customer["customerId"]
        self._orders.start(order)
        customer["usedUsd"] = Decimal(customer.get("usedUsd", 0)) + amount / fiat.per_usd
        self._store.save_customer(customer["customerId"], phone=customer["phoneNumber"], document=customer)
        return to_json(
            {
                "transactionId": str(order.order_id),
                "createdAt": order.document["createdAt"],
                "fiatPaymentInstructions": {"type": "SIMULATED", "reference": f"SIM-{order.order_id}"},
            }
        )

    def _transaction(self, body: Body) -> Order:
        order = self._store.order(integer_field(body, "transactionId"))
        if order is None or order.product != "white_label":
            raise ProviderError(417, "Transaction does not exist")
        return order

    def transaction(self, body: Body) -> str:
        """Return one transaction of a customer."""
        customer, order = self._customer(body), self._transaction(body)
        if order.facts["customer_id"] != customer["customerId"]:
            raise ProviderError(417, "Transaction does not exist")
        return to_json(
            {
                **order.document,
                "transactionId": str(order.order_id),
                "status": status_text(order.status),
                "eventType": "onramp",
            }
        )

    def change_onramp_status(self, body: Body) -> str:
        """Move a transaction as the sandbox allows."""
        order, status = self._transaction(body), text_field(body, "status")
        if status not in _STATUS_NUMBERS:
            raise ProviderError(400, "status is not known")
        self._orders.move(order, _STATUS_NUMBERS[status])
        return to_json({"transactionId": str(order.order_id), "status": status_text(order.status)})

    def _transaction_moved(self, order: Order) -> None:
        status = status_text(order.status)
        metadata = self._metadata(order.facts.get("customer_id"), order.order_id, status)
        if status == "FAILED":
            metadata["failure_reasons"] = [catalog().statuses[BUY].get(order.status, "unknown")]
        if status == "ON_CHAIN_COMPLETED":
            metadata["transactionHash"] = order.document["transactionHash"]
        if status == "TRADE_COMPLETED" and order.order_id % 4 == 3:
            status = "TRADE COMPLETED"
        self._webhooks.send_white_label(
            order.order_id,
            {
                "referenceId": str(order.order_id),
                "eventType": "onramp" if order.order_id % 2 else "ONRAMP",
                "status": status,
                "metadata": metadata,
            },
        )
