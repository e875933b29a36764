"""Every documented endpoint: its envelope, its figures, its errors and its limits."""

import json
import time
from decimal import Decimal
from typing import Any

import pytest

COMMON = "/onramp/api/v2/common"
MERCHANT = "/onramp/api/v1/merchant"
QUOTES = f"{COMMON}/transaction/quotes"
QUOTE = {"coinCode": "usdt", "network": "matic20", "fiatAmount": 1000, "fiatType": 1, "type": 1}
LIMITED = [
    ("POST", f"{COMMON}/transaction/limits", {"type": 1}),
    ("POST", f"{COMMON}/transaction/allConfigMapping", {}),
    ("POST", f"{COMMON}/transaction/allChainMapping", {}),
    ("POST", f"{COMMON}/transaction/allGasFee", {}),
    ("POST", f"{COMMON}/transaction/allCoinLimits", {"fiatType": 1}),
    ("GET", f"{COMMON}/public/fetchAllCountryConfig", {}),
]


def public(simulator: Any, path: str) -> Any:
    content = json.loads(simulator.client.get(simulator.base + path).content, parse_float=Decimal)
    assert (content["status"], content["code"]) == (1, 200)
    return content["data"]


def error(answer: Any) -> tuple[int, str]:
    content = answer.json()
    assert content["status"] == 0
    assert content["code"] == answer.status_code
    return answer.status_code, content["error"]


def test_a_quote_is_net_of_fees_in_fiat(simulator: Any) -> None:
    quote = simulator.data(QUOTES, QUOTE)
    fees = quote["onrampFee"] + quote["clientFee"] + quote["gatewayFee"] + quote["gasFee"]
    assert set(quote) == {"rate", "quantity", "onrampFee", "clientFee", "gatewayFee", "gasFee"}
    assert quote["onrampFee"] == Decimal("2.5")
    assert abs((1000 - fees) / quote["rate"] - quote["quantity"]) < Decimal("0.001")


def test_a_quote_by_numbers_is_the_quote_by_names(simulator: Any) -> None:
    by_numbers = {"coinId": "54", "chainId": 3, "fiatAmount": "1000", "fiatType": "1", "type": "1"}
    assert simulator.data(QUOTES, by_numbers) == simulator.data(QUOTES, QUOTE)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"fiatAmount": None}, 400),
        ({"type": None}, 400),
        ({"type": 3}, 400),
        ({"type": "buy"}, 409),
        ({"fiatAmount": "many"}, 409),
        ({"fiatAmount": -5}, 409),
        ({"fiatType": 999}, 400),
        ({"fiatType": 28}, 400),
        ({"coinCode": "doge"}, 406),
        ({"network": "nowhere"}, 406),
        ({"coinCode": "btc"}, 406),
        ({"fiatAmount": 1}, 413),
        ({"fiatAmount": 500001}, 413),
        ({"network": "erc20", "fiatAmount": 100}, 413),
    ],
)
def test_a_wrong_quote_is_refused_with_the_documented_code(
    simulator: Any, change: dict[str, Any], code: int
) -> None:
    body = {key: value for key, value in {**QUOTE, **change}.items() if value is not None}
    assert error(simulator.ask(QUOTES, body))[0] == code


def test_prices_move_with_time_and_stay_near_the_middle(simulator: Any) -> None:
    from onramp_app.simulator.market.catalog import catalog
    from onramp_app.simulator.market.prices import price

    coin, rupee = catalog().coins["usdt"], catalog().fiats[1]
    seen = [price(coin, rupee, seed=7, elapsed_ms=30_000 * step) for step in range(200)]
    assert len(set(seen)) > 50
    assert all(abs(value / rupee.per_usd - 1) <= Decimal("0.0031") for value in seen)
    assert price(coin, rupee, seed=7, elapsed_ms=29_999) == seen[0]


def test_order_status_is_a_bare_number(simulator: Any) -> None:
    order_id = simulator.open()
    path = f"{COMMON}/transaction/orderStatus"
    assert simulator.data(path, {"orderId": order_id, "type": 1}) == {"orderStatus": 0}
    simulator.move(order_id, 2)
    assert simulator.data(path, {"orderId": str(order_id), "type": 1}) == {"orderStatus": 2}
    assert error(simulator.ask(path, {"orderId": order_id, "type": 2}))[0] == 417
    assert error(simulator.ask(path, {"orderId": 1, "type": 1}))[0] == 417
    assert error(simulator.ask(path, {"type": 1}))[0] == 400


def test_limits_are_the_published_ones_and_silent_on_others(simulator: Any) -> None:
    limits = simulator.data(f"{COMMON}/transaction/limits", {"type": 1})
    assert limits["onramp"]["1"] == {"min": 100, "max": 500000}
    assert "21" not in limits["onramp"]
    assert error(simulator.ask(f"{COMMON}/transaction/limits", {}))[0] == 400


def test_maps_hold_numbers_and_text_for_the_same_field(simulator: Any) -> None:
    maps = simulator.data(f"{COMMON}/transaction/allConfigMapping")
    assert {code: int(number) for code, number in maps["coinSymbolMapping"].items()} == {
        "btc": 0,
        "eth": 6,
        "usdt": 54,
        "bnb": 72,
        "matic": 83,
        "usdc": 116,
        "pyusd": 10526,
    }
    assert {type(number) for number in maps["coinSymbolMapping"].values()} == {int, str}
    assert maps["chainSymbolMapping"]["matic20"] == 3
    assert maps["chainSymbolMapping"]["matic20-test"] == 10
    assert maps["fiatSymbolMapping"]["USD"] == 21


def test_chains_say_what_an_address_looks_like(simulator: Any) -> None:
    data = simulator.data(f"{COMMON}/transaction/allChainMapping")
    assert data["networkConfig"]["3"]["chainSymbol"] == "matic20"
    assert data["networkConfig"]["2"]["addressRegex"] == "^T[1-9A-HJ-NP-Za-km-z]{33}$"
    assert data["allCoinConfig"]["usdt"]["coinId"] == 54


def test_gas_fees_are_in_the_coin_and_text(simulator: Any) -> None:
    assert simulator.data(f"{COMMON}/transaction/allGasFee")["54"]["3"]["withdrawalFee"] == "0.09"


def test_coin_limits_are_in_the_currency_asked_for(simulator: Any) -> None:
    path = f"{COMMON}/transaction/allCoinLimits"
    in_rupees, in_euros = simulator.data(path, {"fiatType": 1}), simulator.data(path, {"fiatType": 12})
    assert in_rupees["54"]["3"] > in_euros["54"]["3"] > 0
    assert error(simulator.ask(path, {"fiatType": 999}))[0] == 400


def test_public_lists_need_no_signature_and_refuse_a_wrong_one(simulator: Any) -> None:
    path = f"{COMMON}/public/fetchPaymentMethodType"
    assert public(simulator, path)["1"] == {"UPI": 1, "IMPS": 2}
    assert error(simulator.ask(path, secret="wrong", method="GET"))[0] == 401
    assert simulator.ask(path, method="GET").status_code == 200


def test_countries_name_their_flows(simulator: Any) -> None:
    flows = public(simulator, f"{COMMON}/public/fetchAllCountryConfig")
    assert flows["buy"]["1"] == {"isActive": 1, "paymentMethods": {"UPI": 1, "IMPS": 2}}
    assert flows["buy"]["28"]["isActive"] == 0
    assert flows["sell"]["3"]["isActive"] == 0


def test_sell_configuration_holds_prices_and_minimums_by_coin_number_in_rupees(simulator: Any) -> None:
    data = public(simulator, "/onramp/api/v2/sell/public/allConfig")
    assert data["networkConfig"]["3"]["hashLink"].startswith("https://")
    usdt, offered = data["coinData"]["54"], data["allCoinConfig"]["usdt"]["networks"]
    assert set(usdt) == set(map(str, offered))
    assert all(price > 80 for price in usdt.values())
    alone = next(c for c in data["allCoinConfig"].values() if len(c["networks"]) == 1)
    assert data["coinData"][str(alone["coinId"])] > 0
    assert set(data["minimumBuyAmount"]["54"]) == set(data["allGasFee"]["54"]) == set(usdt)


def test_current_timestamp_is_the_clock(simulator: Any) -> None:
    before = int(time.time() * 1000)
    assert before <= public(simulator, f"{COMMON}/public/currentTimestamp") <= int(time.time() * 1000)


@pytest.mark.parametrize(("method", "path", "body"), LIMITED, ids=lambda value: str(value).split("/")[-1])
def test_configuration_is_answered_ten_times_a_minute(
    simulator: Any, method: str, path: str, body: dict[str, Any]
) -> None:
    answers = [simulator.ask(path, body, method=method) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert error(answers[-1]) == (429, "Too many requests")
    counted = {item["path"]: item for item in simulator.control("requests", method="GET")["items"]}
    assert counted[path] == {
        "method": method,
        "path": path,
        "total": 11,
        "by_status": {"200": 10, "429": 1},
    }


def test_other_endpoints_have_no_documented_limit(simulator: Any) -> None:
    assert {simulator.ask(QUOTES, QUOTE).status_code for _ in range(30)} == {200}


def test_generate_url_returns_a_widget_address_that_opens(simulator: Any) -> None:
    query = (
        "appURL=https%3A%2F%2Fonramp.money%2Fmain&appId=1&flowType=1&mode=embedded&origin=http%3A%2F%2Fx&"
        "clientHeight=600&coinCode=usdt&network=matic20&fiatAmount=500"
        "&walletAddress=0x72c6668306f1d89425e86899b7444a0c2e5f25cf"
    )
    url = public(simulator, f"/sdk-apis/generate-url?{query}")["url"]
    assert "/main/buy/?" in url
    assert "fiatAmount=500" in url
    assert simulator.client.get(url.replace("localhost", "127.0.0.1")).status_code == 200
    assert error(simulator.client.get(f"{simulator.base}/sdk-apis/generate-url?appId=1"))[0] == 400


@pytest.mark.parametrize("url", ["", "ftp://x/y", "nowhere", 7])
def test_a_webhook_address_must_be_one(simulator: Any, url: Any) -> None:
    answer = simulator.ask(f"{MERCHANT}/setWebhookUrl", {"webhookUrl": url})
    assert error(answer)[0] in (400, 409)
