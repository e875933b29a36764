"""merchantHistory, the only call that returns amounts: paging, sorting, start, flow and currency."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

HISTORY = "/onramp/api/v1/transaction/merchantHistory"
FIELDS = {
    "orderId", "walletAddress", "coinId", "fiatType", "paymentType", "expectedPrice", "fiatAmount",
    "expectedCryptoAmount", "actualPrice", "actualCryptoAmount", "kycNeeded", "createdAt", "updatedAt",
    "status", "transactionHash", "referenceId", "chainId", "onRampFee", "gasFee", "clientFee", "gatewayFee",
    "merchantRecognitionId",
}  # fmt: skip


def test_an_order_has_the_documented_fields(simulator: Any) -> None:
    simulator.open()
    assert set(simulator.history()[0]) == FIELDS


@pytest.mark.full
def test_pages_of_1200_orders_hold_each_order_once(simulator: Any) -> None:
    opened = [simulator.open() for _ in range(1200)]
    pages = [simulator.history(page=page, pageSize=500, order="ASC") for page in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [500, 500, 200, 0]
    assert [int(order["orderId"]) for page in pages for order in page] == opened
    newest_first = simulator.history(page=1, pageSize=500, order="DESC")
    assert [order["orderId"] for order in newest_first] == opened[:-501:-1]
    assert [order["orderId"] for order in simulator.history()] == opened[:-51:-1]


def test_a_start_leaves_older_orders_out(simulator: Any) -> None:
    order_id = simulator.open()
    created = datetime.fromisoformat(simulator.history()[0]["createdAt"])
    earlier, later = created - timedelta(hours=1), created + timedelta(seconds=1)
    assert [order["orderId"] for order in simulator.history(since=earlier.isoformat())] == [order_id]
    assert simulator.history(since=later.isoformat()) == []
    zulu = created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert len(simulator.history(since=zulu)) == 1


def test_only_rupees_are_listed_unless_asked_otherwise(simulator: Any) -> None:
    rupees, euros = simulator.open(), simulator.open(fiatType=12, fiatAmount=100)
    assert [order["orderId"] for order in simulator.history()] == [rupees]
    assert [order["orderId"] for order in simulator.history(fiatType=12)] == [euros]


def test_sales_are_listed_apart(simulator: Any) -> None:
    bought = simulator.open()
    sold = simulator.control("orders", {"widget_url": simulator.link().replace("/buy/", "/sell/")})["orderId"]
    assert [order["orderId"] for order in simulator.history(type=2)] == [sold]
    assert [order["orderId"] for order in simulator.history(type=1)] == [bought]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"page": 0}, 400),
        ({"pageSize": 501}, 400),
        ({"pageSize": 0}, 400),
        ({"page": "first"}, 409),
        ({"type": 3}, 400),
        ({"order": "UP"}, 400),
        ({"since": "yesterday"}, 400),
        ({"since": 5}, 409),
    ],
)
def test_a_wrong_page_is_refused(simulator: Any, body: dict[str, Any], code: int) -> None:
    answer = simulator.ask(HISTORY, body)
    assert answer.status_code == answer.json()["code"] == code


def test_numbers_come_as_text_in_some_orders(simulator: Any) -> None:
    for _ in range(40):
        simulator.open()
    orders = simulator.history()
    for name in ("coinId", "chainId", "paymentType", "fiatAmount"):
        assert str in {type(order[name]) for order in orders}, name
        assert {str(order[name]) for order in orders} == {str(orders[0][name])}


def test_what_was_bought_still_holds_the_network_fee(simulator: Any) -> None:
    order_id = simulator.open()
    before = simulator.read_order(order_id)
    assert before["actualCryptoAmount"] in (0, "0")
    assert before["transactionHash"] is None
    simulator.move(order_id, 4)
    order = simulator.order(order_id)
    assert order["actualCryptoAmount"] - order["gasFee"] == order["expectedCryptoAmount"]
    assert order["transactionHash"].startswith("0x")
    assert order["referenceId"]
