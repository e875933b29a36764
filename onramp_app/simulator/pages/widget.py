"""The hosted payment page: checks its link, opens orders, and says which messages the page posts."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from html import escape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from onramp_app.simulator.market.catalog import BUY, Fiat, catalog
from onramp_app.simulator.orders import BOUGHT, DELIVERED, PAID, AmountTooSmall, Orders
from onramp_app.simulator.pages.frame import STATUS_WORDS, page, shortened, static_routes
from onramp_app.simulator.purchase import (
    DEMO_APP_IDS,
    Purchase,
    UnusableLink,
    amount_of,
    is_hashed,
    method_kinds,
    read_purchase,
)
from onramp_app.simulator.scenarios import Scenarios
from onramp_app.simulator.store import Order, Store
from onramp_app.simulator.wire import (
    ProviderError,
    json_response,
    number_text,
    parse_json,
    read_limited,
    to_json,
)

_ACTIONS = ("pay", "fail", "abandon")
_KIND_TEXTS = {1: "instant", 2: "bank transfer", 3: "e-wallet"}
_BANNER = '<p class="banner"><strong>Simulated payment page.</strong> No real money moves here.</p>'
_COMPLETED_FIELDS = (
    "actualCryptoAmount",
    "actualPrice",
    "chainId",
    "clientFee",
    "coinId",
    "expectedCryptoAmount",
    "expectedPrice",
    "fiatAmount",
    "fiatType",
    "gasFee",
    "gatewayFee",
    "kycNeeded",
    "merchantRecognitionId",
    "onRampFee",
    "orderId",
    "referenceId",
    "transactionHash",
    "walletAddress",
)


def _pick(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: document[name] for name in names}


def _message(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"eventData": {"type": kind, "data": data, "isOnramp": True}}


def _step(document: Mapping[str, Any], seen: set[str], method: str) -> tuple[str, dict[str, Any]]:
    """Return the detailed vocabulary's message for one status, without its prefix; empty if unknown."""
    status = int(document["status"])
    name, data = "", {}
    if status == 0:
        name = "INIT"
        data = {
            "coinRate": document["expectedPrice"],
            "cryptoAmount": document["expectedCryptoAmount"],
            "fiatAmount": document["fiatAmount"],
            "paymentMethod": method,
        }
    elif status == 1:
        name = "FINDING"
    elif status in PAID - BOUGHT:
        name, data = "PURCHASING", _pick(document, "kycNeeded")
    elif status in DELIVERED:
        name, data = "COMPLETED", {**_pick(document, *_COMPLETED_FIELDS), "orderStatus": status}
    elif status in BOUGHT:
        name, data = "SENDING", _pick(document, "actualCryptoAmount", "actualPrice", "gasFee")
    elif status in (-3, -4):
        name = "PURCHASING_FAILED"
    elif status in (-1, -2):
        stage = "SENDING" if "SENDING" in seen else "PURCHASING" if "PURCHASING" in seen else "FINDING"
        name = f"{stage}_FAILED"
    return name, data


def messages(documents: list[dict[str, Any]], *, vocabulary: str, method: str) -> list[dict[str, Any]]:
    """Return what the page has posted by now, in order, each message once.

    Args:
        documents: every version of the order, oldest first.
        vocabulary: `steps` or `outcome`; the provider uses both.
    """
    outcomes = {"INIT": "INITIATED", "COMPLETED": "SUCCESSFUL"}
    seen: set[str] = set()
    posted: list[dict[str, Any]] = []
    for document in documents:
        name, data = _step(document, seen, method)
        if not name or name in seen:
            continue
        seen.add(name)
        if int(document["kycNeeded"]) and name in ("FINDING", "PURCHASING"):
            kind = "INITIATED" if name == "FINDING" else "SUCCESSFUL"
            posted.append(_message(f"ONRAMP_KYC_{kind}", {}))
        if vocabulary == "outcome":
            name = "FAILED" if name.endswith("_FAILED") else outcomes.get(name, "")
        if name:
            posted.append(_message(f"ONRAMP_WIDGET_TX_{name}", data))
        if int(document["status"]) == -2:
            posted.append(_message("ONRAMP_WIDGET_CLOSE_REQUEST", {}))
            posted.append(_message("ONRAMP_WIDGET_CLOSE_REQUEST_CONFIRMED", {}))
    return posted


def return_address(url: str, order: Order) -> str:
    """Return where the browser goes back to; only `success` and `pending` exist, and nothing is signed."""
    parts = urlsplit(url)
    outcome = "success" if order.status in DELIVERED else "pending"
    query = [*parse_qsl(parts.query), ("orderId", str(order.order_id)), ("status", outcome)]
    return urlunsplit(parts._replace(query=urlencode(query)))


class Widget:
    """The payment page and the calls it makes."""

    def __init__(self, store: Store, scenarios: Scenarios, *, orders: Orders) -> None:
        self._store = store
        self._scenarios = scenarios
        self._orders = orders

    def routes(self) -> list[Route]:
        """Return the routes of the page, with and without its last slash."""
        return [
            Route("/main/buy", self._show),
            Route("/main/buy/", self._show),
            Route("/main/buy/estimate", self._estimate, methods=["POST"]),
            Route("/main/buy/orders", self._open, methods=["POST"]),
            Route("/main/buy/orders/{order_id:int}", self._progress),
            *static_routes(),
        ]

    async def _show(self, request: Request) -> HTMLResponse:
        try:
            purchase = read_purchase(catalog(), request.query_params, flow=BUY)
        except UnusableLink as error:
            problems = "".join(
                f"<li><code>{escape(name)}</code> {escape(text)}</li>"
                for name, text in error.problems.items()
            )
            content = (
                f'<main class="card" data-failed="1">{_BANNER}<h1>This link cannot be used</h1>'
                f"<ul>{problems}</ul></main>"
            )
            return page("This link cannot be used", content, status=400, script="widget.js")
        chosen = self._scenarios.take("vocabulary")
        vocabulary = purchase.vocabulary if chosen is None else str(chosen.value)
        content = _form(purchase, self._orders.fiat_amount(purchase), vocabulary)
        return page("Simulated payment page", content, script="widget.js")

    async def _purchase(self, request: Request) -> tuple[Purchase, Decimal, dict[str, Any]]:
        """Read a call of the page. Raises ProviderError with a sentence for the person."""
        try:
            fields = parse_json(await read_limited(request))
            values = dict(parse_qsl(str(fields["query"]).removeprefix("?"), max_num_fields=100))
            purchase = _chosen(values, str(fields["fiatAmount"]), kind=str(fields["paymentMethod"]))
        except UnusableLink as error:
            name, text = next(iter(error.problems.items()))
            label = "The amount" if name == "fiatAmount" else name
            raise ProviderError(400, f"{label} {text}.") from None
        except (ValueError, KeyError, TypeError):
            raise ProviderError(400, "The request cannot be read.") from None
        amount = purchase.fiat_amount
        if amount is None:
            raise ProviderError(400, "The amount is missing.")
        return purchase, amount, fields

    async def _estimate(self, request: Request) -> Response:
        try:
            purchase, amount, _ = await self._purchase(request)
            found = self._orders.quote(
                purchase.coin, purchase.network.chain_id, fiat=purchase.fiat, fiat_amount=amount
            )
        except ProviderError as error:
            return json_response(to_json({"error": error.message}), error.code)
        except AmountTooSmall:
            return json_response(to_json({"error": "The amount is less than the network fee."}), 400)
        text = f"About {number_text(found.quantity)} {purchase.coin.code.upper()}"
        return json_response(to_json({"text": text}))

    async def _open(self, request: Request) -> Response:
        try:
            purchase, amount, fields = await self._purchase(request)
            action = fields.get("action")
            if action not in _ACTIONS:
                raise ProviderError(400, "The action is not known.")
            order = self._orders.open(purchase, fiat_amount=amount)
            self._orders.start(order, action)
        except ProviderError as error:
            return json_response(to_json({"error": error.message}), error.code)
        except AmountTooSmall:
            return json_response(to_json({"error": "The amount is less than the network fee."}), 400)
        return json_response(to_json({"orderId": order.order_id}))

    async def _progress(self, request: Request) -> Response:
        order = self._store.order(request.path_params["order_id"])
        if order is None:
            return json_response(to_json({"error": "The order does not exist."}), 404)
        documents = [document for _, document in self._store.versions(order.order_id)]
        posted = messages(
            documents,
            vocabulary=request.query_params.get("vocabulary", "steps"),
            method=_method_name(catalog().fiats[order.fiat_type], int(order.document["paymentType"])),
        )
        redirect_url = order.facts.get("redirect_url")
        finished = order.status in DELIVERED or not order.plan
        return json_response(
            to_json(
                {
                    "status": order.status,
                    "text": STATUS_WORDS.get(order.status, "unknown status").capitalize(),
                    "messages": posted,
                    "finished": finished,
                    "delivered": order.status in DELIVERED,
                    "redirect": return_address(redirect_url, order) if redirect_url else None,
                }
            )
        )


def _chosen(values: dict[str, str], fiat_amount: str, *, kind: str) -> Purchase:
    """Return the purchase of a link with what the person chose on the page. Raises UnusableLink."""
    if is_hashed(values):
        purchase = read_purchase(catalog(), values, flow=BUY)
        if purchase.fiat_amount != amount_of(fiat_amount):
            raise UnusableLink({"fiatAmount": "is fixed by the link"})
    else:
        changed = {**values, "fiatAmount": fiat_amount, "coinAmount": "", "paymentMethod": ""}
        purchase = read_purchase(catalog(), changed, flow=BUY)
    kinds = method_kinds(catalog(), purchase.fiat).values()
    if kind not in map(str, kinds):
        raise UnusableLink({"paymentMethod": f"is not offered for {purchase.fiat.symbol}"})
    return replace(purchase, payment_method=int(kind))


def _method_name(fiat: Fiat, kind: int) -> str:
    return next((name for name, k in method_kinds(catalog(), fiat).items() if k == kind), str(kind))


def _form(purchase: Purchase, amount: Decimal | None, vocabulary: str) -> str:
    options = "".join(
        f'<option value="{kind}"{" selected" if kind == purchase.payment_method else ""}>'
        f"{escape(name.replace('_', ' ').replace('-', ' '))} ({_KIND_TEXTS[kind]})</option>"
        for name, kind in method_kinds(catalog(), purchase.fiat).items()
    )
    limits = catalog().limits.get(purchase.fiat.fiat_type)
    hint = f"From {limits[0]:,} to {limits[1]:,} {purchase.fiat.symbol}" if limits else "No published limits"
    address = purchase.address or ""
    demo = (
        '<p class="hint">App ids 1 and 2 are demonstrations: the address of the link is ignored.</p>'
        if purchase.app_id in DEMO_APP_IDS
        else ""
    )
    memo = f"<dt>Memo</dt><dd>{escape(purchase.memo)}</dd>" if purchase.memo else ""
    value = number_text(amount) if amount is not None else ""
    return f"""<main class="card" data-vocabulary="{vocabulary}">{_BANNER}{demo}
<h1>Buy {escape(purchase.coin.code.upper())}</h1>
<form id="payment">
<label for="amount">You pay ({escape(purchase.fiat.symbol)})</label>
<input id="amount" inputmode="decimal" autocomplete="off" value="{value}" aria-describedby="hint">
<p id="hint" class="hint">{escape(hint)}</p>
<label for="method">With</label><select id="method">{options}</select>
<dl><dt>You get</dt><dd id="estimate" aria-live="polite">…</dd>
<dt>Network</dt><dd>{escape(purchase.network.name)}</dd>
<dt>To</dt><dd><code title="{escape(address)}">{escape(shortened(address))}</code></dd>{memo}</dl>
<p id="problem" class="problem" role="alert"></p>
<button class="main" type="submit">Pay</button>
<p class="hint below">To try what goes wrong:</p>
<div class="others"><button type="button" data-action="fail">Fail</button>
<button type="button" data-action="abandon">Abandon</button></div></form>
<section id="progress" hidden><p>Order <strong id="order"></strong></p><ol id="steps" aria-live="polite"></ol>
<p id="end" role="status"></p>
<p><a id="back" hidden>Go back to the shop</a></p></section></main>"""
