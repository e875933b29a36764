"""Links of the payment page: signed ones, demo app ids, kinds of payment, what is sold for a currency."""

import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.simulator.process import ADDRESS, SECRET, Process

GENERATE_LINK = "/onramp/api/v2/common/transaction/generateLink"
BODY = {
    "coinCode": "usdt",
    "network": "matic20",
    "fiatAmount": 1000,
    "fiatType": 1,
    "type": 1,
    "walletAddress": ADDRESS,
    "lang": "en",
    "merchantRecognitionId": "recognition1",
}


def generated(simulator: Process, **changes: Any) -> str:
    return str(simulator.data(GENERATE_LINK, {**BODY, **changes})["link"])


def changed(link: str, **changes: str) -> str:
    parts = urlsplit(link)
    values = {name: texts[0] for name, texts in parse_qs(parts.query).items()} | changes
    return parts._replace(query=urlencode(values)).geturl()


def opens(simulator: Process, link: str) -> int:
    return simulator.client.get(link.replace("localhost", "127.0.0.1")).status_code


def pay(simulator: Process, link: str, *, amount: str, kind: str = "1") -> Any:
    body = {"query": urlsplit(link).query, "fiatAmount": amount, "paymentMethod": kind, "action": "pay"}
    return simulator.client.post(f"{simulator.base}/main/buy/orders", json=body)


def test_a_generated_link_carries_its_parameters_and_their_hash(simulator: Process) -> None:
    data = simulator.data(GENERATE_LINK, BODY)
    assert set(data) == {"link", "urlHash"}
    query = {name: texts[0] for name, texts in parse_qs(urlsplit(data["link"]).query).items()}
    assert query["urlHash"] == data["urlHash"]
    assert (query["fiatAmount"], query["merchantRecognitionId"]) == ("1000", "recognition1")
    assert opens(simulator, data["link"]) == 200
    order_id = pay(simulator, data["link"], amount="1000").json()["orderId"]
    assert simulator.order(order_id)["walletAddress"] == ADDRESS


@pytest.mark.parametrize(
    "changes",
    [{"walletAddress": ADDRESS[:-1] + "0"}, {"fiatAmount": "2000"}, {"coinAmount": "5"}, {"urlHash": "0"}],
)
def test_a_changed_parameter_under_a_hash_is_refused(simulator: Process, changes: dict[str, str]) -> None:
    link = changed(generated(simulator), **changes)
    assert opens(simulator, link) == 400
    answer = simulator.control("orders", {"widget_url": link}, status=422)
    assert "urlHash" in answer["error"]


def test_what_the_web_sdk_adds_changes_nothing_under_a_hash(simulator: Process) -> None:
    assert opens(simulator, changed(generated(simulator), mode="embedded", origin="http://shop.test")) == 200


def test_the_amount_of_a_hashed_link_is_fixed(simulator: Process) -> None:
    assert pay(simulator, generated(simulator), amount="900").json() == {
        "error": "The amount is fixed by the link."
    }
    assert pay(simulator, simulator.link(), amount="900").status_code == 200


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"walletAddress": "0x1"}, 409), ({"fiatAmount": 1}, 413), ({"lang": "xx"}, 400), ({"type": 3}, 400)],
)
def test_a_link_that_cannot_be_made_is_refused(
    simulator: Process, changes: dict[str, Any], code: int
) -> None:
    assert simulator.ask(GENERATE_LINK, {**BODY, **changes}).status_code == code


def test_a_link_needs_the_merchants_signature(simulator: Process) -> None:
    assert simulator.ask(GENERATE_LINK, BODY, secret=SECRET + "x").status_code == 401


def test_demo_app_ids_ignore_the_address(simulator: Process) -> None:
    for app_id in (1, 2):
        order = simulator.order(simulator.open(appId=app_id))
        assert order["walletAddress"] == "0x" + "d0" * 20
    assert "the address of the link is ignored" in simulator.client.get(simulator.link(appId=1)).text


def test_a_coin_amount_beats_a_fiat_amount(simulator: Process) -> None:
    order = simulator.order(simulator.open(fiatAmount=1000, coinAmount=50))
    assert Decimal(order["expectedCryptoAmount"]) > 45


def test_an_e_wallet_is_chosen_on_the_page_only(simulator: Process) -> None:
    pesos: dict[str, Any] = {"fiatType": 11, "paymentMethod": None}
    assert simulator.client.get(simulator.link(**pesos | {"paymentMethod": 3})).status_code == 400
    assert "E WALLET (e-wallet)" in simulator.client.get(simulator.link(**pesos)).text
    order_id = pay(simulator, simulator.link(**pesos), amount="1000", kind="3").json()["orderId"]
    assert simulator.order(order_id)["paymentType"] == 3
    assert pay(simulator, simulator.link(), amount="1000", kind="3").status_code == 400


def test_dollars_buy_a_few_coins_only(simulator: Process) -> None:
    quotes = "/onramp/api/v2/common/transaction/quotes"
    body = {"fiatAmount": 100, "fiatType": 21, "type": 1}
    assert simulator.ask(quotes, {**body, "coinCode": "usdt", "network": "matic20"}).status_code == 406
    assert simulator.ask(quotes, {**body, "coinCode": "usdc", "network": "matic20"}).status_code == 200
    least = simulator.data("/onramp/api/v2/common/transaction/allCoinLimits", {"fiatType": 21})
    assert sorted(least["116"]) == sorted(map(str, (0, 1, 3, 4, 13, 10518, 10525)))
    assert set(least["54"]) == {"0"}
    assert opens(simulator, simulator.link(fiatType=21)) == 400


def test_naira_are_whole_on_the_page(simulator: Process) -> None:
    assert opens(simulator, simulator.link(fiatType=6, fiatAmount="20000.50", paymentMethod=None)) == 400
    assert opens(simulator, simulator.link(fiatType=6, fiatAmount="20000", paymentMethod=None)) == 200


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("quotes", {**BODY, "fiatAmount": 1}, "The minimum order amount is 100"),
        ("quotes", {**BODY, "fiatAmount": 10**7}, "The maximum order amount is 500000"),
        ("quotes", {**BODY, "network": "erc20", "fiatAmount": 100}, "The minimum order amount is 1144.00"),
        ("orderStatus", {"orderId": 1, "type": 1}, "Invalid orderId"),
        ("generateLink", {**BODY, "walletAddress": "0x1"}, "Wallet address is not valid"),
    ],
)
def test_a_refusal_can_be_a_plain_400_with_words(
    simulator: Process, path: str, body: dict[str, Any], words: str
) -> None:
    simulator.scenario("plain_400")
    answer = simulator.ask(f"/onramp/api/v2/common/transaction/{path}", body)
    assert (answer.status_code, json.loads(answer.content)["error"]) == (400, words)
    assert simulator.ask(f"/onramp/api/v2/common/transaction/{path}", body).status_code > 400


@pytest.mark.parametrize(("closed", "field"), [(False, "nodeInSync"), (True, "depositEnable")])
def test_a_node_can_be_out_of_sync_or_closed(simulator: Process, closed: bool, field: str) -> None:
    value = {"coinCode": "usdc", "network": "bep20", "closed": closed}
    simulator.scenario("node_out_of_sync", value=value)
    path = "/onramp/api/v2/common/transaction/allGasFee"
    assert simulator.data(path)["116"]["1"][field] == 0
    assert simulator.data(path)["116"]["1"][field] == 1


def test_a_request_of_half_a_minute_ago_is_accepted(simulator: Process) -> None:
    import time

    at_ms = int(time.time() * 1000) - 30_000
    assert simulator.ask(GENERATE_LINK, BODY, at_ms=at_ms).status_code == 200


def test_networks_say_their_chain_ids_and_confirmations(simulator: Process) -> None:
    networks = simulator.data("/onramp/api/v2/common/transaction/allChainMapping")["networkConfig"]
    assert (networks["3"]["networkId"], networks["3"]["confirmations"]) == (137, 64)
    assert {networks["10518"]["chainSymbol"], networks["10525"]["chainSymbol"]} == {"xdc", "monad"}
