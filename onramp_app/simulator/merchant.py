"""The provider's documented server API: what each endpoint takes from a checked body and gives back."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from onramp_app.simulator.market.catalog import BUY, SELL, Coin, Fiat, Network, catalog
from onramp_app.simulator.market.prices import Terms
from onramp_app.simulator.orders import AmountTooSmall, Orders
from onramp_app.simulator.purchase import (
    LANGUAGES,
    amount_of,
    check_amount,
    is_web_address,
    link_hash,
)
from onramp_app.simulator.scenarios import Scenarios
from onramp_app.simulator.store import HistoryPage, Store
from onramp_app.simulator.webhooks import Webhooks
from onramp_app.simulator.wire import ProviderError, now_ms, to_json

Body = Mapping[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
APP_ID = 1000  # of the one merchant that is simulated
_FLOW_PATHS = {"1": "buy", "2": "sell", "3": "checkout", "4": "swap"}


def integer_field(
    body: Body, name: str, *, default: int | None = None, low: int = 0, high: int = 10**12
) -> int:
    """Read a whole number, maybe text. Raises 400 when missing or out of range, 409 for another type."""
    value = body.get(name, default)
    if value is None:
        raise ProviderError(400, f"{name} is required")
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"-?[0-9]{1,15}", text):
        raise ProviderError(409, f"{name} must be a number")
    if not low <= int(text) <= high:
        raise ProviderError(400, f"{name} is out of range")
    return int(text)


def text_field(body: Body, name: str, *, required: bool = True) -> str:
    """Read a text of at most 2048 characters. Raises 400 when missing, 409 for another type."""
    value = body.get(name)
    if value in (None, ""):
        if required:
            raise ProviderError(400, f"{name} is required")
        return ""
    if not isinstance(value, str) or len(value) > 2048 or not value.isprintable():
        raise ProviderError(409, f"{name} must be a text")
    return value


def asset_fields(body: Body) -> tuple[Coin, Network]:
    """Read coin and network by their names or numbers. Raises 406 for one that is not offered."""
    offered = catalog()
    if body.get("coinId") not in (None, ""):
        coin = offered.coin_by_id(integer_field(body, "coinId"))
    else:
        coin = offered.coins.get(text_field(body, "coinCode").lower())
    if body.get("chainId") not in (None, ""):
        network = offered.networks.get(integer_field(body, "chainId"))
    else:
        network = offered.network_by_symbol(text_field(body, "network"))
    if coin is None or network is None or network.chain_id not in coin.fees:
        raise ProviderError(406, "Coin not supported")
    return coin, network


def fiat_fields(body: Body, *, flow: int = BUY) -> tuple[Fiat, Decimal]:
    """Read currency and amount. Raises 413 for an amount outside the published limits."""
    fiat = catalog().fiats.get(integer_field(body, "fiatType", default=1))
    if fiat is None or not (fiat.buy if flow == BUY else fiat.sell):
        raise ProviderError(400, "fiatType is not supported")
    if body.get("fiatAmount") is None:
        raise ProviderError(400, "fiatAmount is required")
    amount = amount_of(body["fiatAmount"])
    if amount is None:
        raise ProviderError(409, "fiatAmount must be a positive number")
    problem = check_amount(catalog(), fiat, amount)
    if problem:
        low, high = catalog().limits[fiat.fiat_type]
        word, limit = ("minimum", low) if amount < low else ("maximum", high)
        raise ProviderError(413, f"fiatAmount {problem}", plain=f"The {word} order amount is {limit}")
    return fiat, amount


def too_small(coin: Coin, chain_id: int, fiat: Fiat) -> ProviderError:
    """Return the refusal of an amount that does not pay the network's fee."""
    least = least_amount(coin, chain_id, fiat)
    return ProviderError(
        413, "fiatAmount is less than the network fee", plain=f"The minimum order amount is {least}"
    )


def least_amount(coin: Coin, chain_id: int, fiat: Fiat) -> Decimal:
    """Return the least fiat amount that a coin on a chain is sold for."""
    amount = (coin.minimums[chain_id] + coin.fees[chain_id]) * coin.usd * fiat.per_usd
    return amount.quantize(Decimal("0.01"))


def quote_data(found: Terms) -> dict[str, Any]:
    """Return a quote as printed: every fee in fiat, the quantity net of them."""
    return {
        "rate": found.rate,
        "quantity": found.quantity,
        "onrampFee": found.onramp_fee,
        "clientFee": found.client_fee,
        "gatewayFee": found.gateway_fee,
        "gasFee": found.gas_fiat,
    }


def _flow(body: Body) -> int:
    flow = integer_field(body, "type", default=None)
    if flow not in (BUY, SELL):
        raise ProviderError(400, "type must be 1 or 2")
    return flow


class Merchant:
    """One method per endpoint: body in, JSON text of `data` out, ProviderError for a refusal."""

    def __init__(
        self, store: Store, scenarios: Scenarios, *, orders: Orders, webhooks: Webhooks, widget_base: str
    ) -> None:
        self._store = store
        self._scenarios = scenarios
        self._orders = orders
        self._webhooks = webhooks
        self._widget_base = widget_base

    def quotes(self, body: Body) -> str:
        """Price an amount."""
        flow = _flow(body)
        coin, network = asset_fields(body)
        fiat, amount = fiat_fields(body, flow=flow)
        if flow == BUY and not catalog().is_sold(coin, network.chain_id, fiat):
            raise ProviderError(406, "Coin not supported")
        try:
            found = self._orders.quote(coin, network.chain_id, fiat=fiat, fiat_amount=amount)
        except AmountTooSmall:
            raise too_small(coin, network.chain_id, fiat) from None
        return to_json(quote_data(found))

    def order_status(self, body: Body) -> str:
        """Return the bare status number of an order."""
        flow = _flow(body)
        order = self._store.order(integer_field(body, "orderId"))
        if order is None or order.flow != flow or order.product != "widget":
            raise ProviderError(417, "Order does not exist", plain="Invalid orderId")
        return to_json({"orderStatus": order.status})

    def merchant_history(self, body: Body) -> str:
        """List orders of one flow and one currency, by creation. The default currency is 1, as documented."""
        page = integer_field(body, "page", default=1, low=1, high=10**6)
        size = integer_field(body, "pageSize", default=50, low=1, high=500)
        flow = _flow({"type": BUY, **body})
        fiat_type = integer_field(body, "fiatType", default=1)
        order = text_field(body, "order", required=False) or "DESC"
        if order not in ("ASC", "DESC"):
            raise ProviderError(400, "order must be ASC or DESC")
        if capped := self._scenarios.take("short_pages"):
            size = min(size, int(capped.value))
        lagging = self._scenarios.take("history_lags")
        wanted = HistoryPage(
            flow=flow,
            fiat_type=fiat_type,
            since_ms=_since_ms(text_field(body, "since", required=False)),
            descending=order == "DESC",
            limit=size,
            offset=(page - 1) * size,
            as_of_ms=now_ms() - int(Decimal(lagging.value) * 1000) if lagging else None,
        )
        rows = self._store.history(wanted)
        if not lagging:
            self._orders.was_read([order_id for order_id, _ in rows])
        return "[" + ",".join(printed for _, printed in rows) + "]"

    def limits(self, body: Body) -> str:
        """Return the published limits; many currencies have none, and selling has none at all."""
        flow = integer_field(body, "type", low=1, high=3)
        known = {str(fiat): {"min": low, "max": high} for fiat, (low, high) in catalog().limits.items()}
        wanted: dict[str, Any] = {}
        if flow in (1, 3):
            wanted["onramp"] = known
        if flow in (2, 3):
            wanted["offramp"] = {}
        return to_json(wanted)

    def all_config_mapping(self, _body: Body) -> str:
        """Return symbol → number maps, some numbers as text; a symbol of several entries names the first."""
        offered = catalog()
        fiats: dict[str, int] = {}
        for fiat in offered.fiats.values():
            fiats.setdefault(fiat.symbol, fiat.fiat_type)
        chains: dict[str, Any] = {n.symbol: n.chain_id for n in offered.networks.values()}
        for network in offered.networks.values():
            chains |= dict.fromkeys(network.raw["aliases"], network.chain_id)
        return to_json(
            {
                "fiatSymbolMapping": fiats,
                "coinSymbolMapping": {
                    code: coin.coin_id if coin.coin_id % 4 == 0 else str(coin.coin_id)
                    for code, coin in offered.coins.items()
                },
                "chainSymbolMapping": chains,
            }
        )

    def all_chain_mapping(self, _body: Body) -> str:
        """Return coin and chain configuration."""
        return to_json({"allCoinConfig": _coin_config(), "networkConfig": _network_config()})

    def all_gas_fee(self, _body: Body) -> str:
        """Return withdrawal fees and minimums in the coin, as text, and what is open, by coin and chain."""
        fees = _gas_fees()
        if stuck := self._scenarios.take("node_out_of_sync"):
            coin = catalog().coins[stuck.value["coin"]]
            field = "depositEnable" if stuck.value["closed"] else "nodeInSync"
            fees[str(coin.coin_id)][str(stuck.value["chain"])][field] = 0
        return to_json(fees)

    def all_coin_limits(self, body: Body) -> str:
        """Return the least fiat amount by coin and chain."""
        fiat = catalog().fiats.get(integer_field(body, "fiatType", default=1))
        if fiat is None:
            raise ProviderError(400, "fiatType is not supported")
        return to_json(_least_amounts(fiat))

    def payment_methods(self, _body: Body) -> str:
        """Return `{fiatType: {method: kind}}`."""
        return to_json(catalog().methods)

    def country_config(self, _body: Body) -> str:
        """Return, for each flow and currency, whether it is active and its methods."""
        flows: dict[str, dict[str, Any]] = {"buy": {}, "sell": {}}
        for fiat in catalog().fiats.values():
            methods = catalog().methods.get(fiat.fiat_type, {})
            for flow, active in (("buy", fiat.buy), ("sell", fiat.sell)):
                flows[flow][str(fiat.fiat_type)] = {"isActive": int(active), "paymentMethods": methods}
        return to_json(flows)

    def sell_config(self, _body: Body) -> str:
        """Return coins, networks, prices and minimums in rupees, and fees.

        A price is one number for a coin of one chain, else one for each chain; both forms are documented.
        """
        rupee = catalog().fiats[1]
        prices: dict[str, Any] = {}
        for coin in catalog().coins.values():
            price = self._orders.price(coin, rupee)
            several = dict.fromkeys(map(str, coin.fees), price)
            prices[str(coin.coin_id)] = several if len(several) > 1 else price
        return to_json(
            {
                "allCoinConfig": _coin_config(),
                "networkConfig": _network_config(),
                "coinData": prices,
                "minimumBuyAmount": _least_amounts(rupee),
                "allGasFee": _gas_fees(),
            }
        )

    def set_webhook_url(self, body: Body) -> str:
        """Register where webhooks go."""
        self._webhooks.url = _webhook_url(text_field(body, "webhookUrl"))
        return to_json(f"Webhook url set to {self._webhooks.url}")

    def resend_webhook(self, body: Body) -> str:
        """Send a completed order's webhook once more."""
        order = self._store.order(integer_field(body, "orderId"))
        if order is None or order.product != "widget":
            raise ProviderError(417, "Order does not exist", plain="Invalid orderId")
        if not order.facts.get("completed"):
            raise ProviderError(400, "Order is not completed")
        if self._webhooks.url is None:
            raise ProviderError(400, "No webhook url is set")
        self._webhooks.send_again(order)
        return to_json("Webhook is being sent again")

    def send_dummy_webhook(self, body: Body) -> str:
        """Send the documented example to an address, or to the registered one."""
        given = text_field(body, "webhookUrl", required=False)
        url = _webhook_url(given) if given else self._webhooks.url
        if url is None:
            raise ProviderError(400, "No webhook url is set")
        self._webhooks.send_dummy(url)
        return to_json("Dummy webhook is being sent")

    def generate_link(self, body: Body) -> str:
        """Build the address of a widget whose parameters cannot be changed."""
        flow = _flow(body)
        coin, network = asset_fields(body)
        fiat, amount = fiat_fields(body, flow=flow)
        address = text_field(body, "walletAddress")
        if not network.address.fullmatch(address):
            raise ProviderError(409, "walletAddress is malformed", plain="Wallet address is not valid")
        language = text_field(body, "lang", required=False)
        if language and language not in LANGUAGES:
            raise ProviderError(400, "lang is not supported")
        values = {
            "appId": str(APP_ID),
            "walletAddress": address,
            "coinCode": coin.code,
            "network": network.symbol,
            "fiatAmount": to_json(amount),
            "fiatType": str(fiat.fiat_type),
            "merchantRecognitionId": text_field(body, "merchantRecognitionId", required=False),
            "phoneNumber": text_field(body, "phoneNumber", required=False),
            "lang": language,
        }
        given = {name: value for name, value in values.items() if value}
        mark = link_hash(given)
        link = f"{self._widget_base}/main/{_FLOW_PATHS[str(flow)]}/?{urlencode({**given, 'urlHash': mark})}"
        return to_json({"link": link, "urlHash": mark})

    def generate_url(self, query: Mapping[str, str]) -> str:
        """Build the widget's address out of every parameter, without looking at them."""
        for name in ("appURL", "appId", "flowType", "mode", "origin", "clientHeight"):
            if not query.get(name):
                raise ProviderError(400, f"{name} is required")
        path = _FLOW_PATHS.get(query["flowType"])
        if path is None or query["mode"] not in ("embedded", "overlay"):
            raise ProviderError(400, "flowType or mode is not known")
        rest = {k: v for k, v in query.items() if k not in ("appURL", "flowType", "sandbox", "clientHeight")}
        return to_json({"url": f"{self._widget_base}/main/{path}/?{urlencode(rest)}"})


def _coin_config() -> dict[str, Any]:
    return {
        code: {
            "coinId": coin.coin_id,
            "coinName": coin.name,
            "balanceFloatPlaces": coin.places,
            "tradeFloatPlaces": coin.places,
            "networks": list(coin.fees),
        }
        for code, coin in catalog().coins.items()
    }


def _gas_fees() -> dict[str, dict[str, Any]]:
    fees: dict[str, dict[str, Any]] = {}
    for coin, network in catalog().pairs():
        fees.setdefault(str(coin.coin_id), {})[str(network.chain_id)] = {
            "withdrawalFee": to_json(coin.fees[network.chain_id]),
            "minimumWithdrawal": to_json(coin.minimums[network.chain_id]),
            "nodeInSync": 1,
            "depositEnable": 1,
        }
    return fees


def _least_amounts(fiat: Fiat) -> dict[str, dict[str, Any]]:
    least: dict[str, dict[str, Any]] = {}
    for coin, network in catalog().pairs():
        if catalog().is_sold(coin, network.chain_id, fiat):
            amount = least_amount(coin, network.chain_id, fiat)
            least.setdefault(str(coin.coin_id), {})[str(network.chain_id)] = amount
    return least


def _network_config() -> dict[str, Any]:
    return {
        str(chain_id): {key: value for key, value in network.raw.items() if key != "aliases"}
        for chain_id, network in catalog().networks.items()
    }


def _webhook_url(url: str) -> str:
    if not is_web_address(url):
        raise ProviderError(400, "webhookUrl must be an http or https address")
    return url


def _since_ms(text: str) -> int:
    if not text:
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ProviderError(400, "since must be an ISO time") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(milliseconds=1)
