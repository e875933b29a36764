"""Every status number of every flow can be reached and read back; only a completion sends a webhook."""

import json
from pathlib import Path
from typing import Any

import pytest

TABLES = json.loads(
    (Path(__file__).parent.parent / "fixtures" / "onramp" / "order_statuses.json").read_text()
)
PATHS = {"onramp": "buy", "offramp": "sell", "swap": "swap"}
COMPLETED = {"onramp": {4, 15, 5, 16}, "offramp": {6, 14, 40, 19}, "swap": set()}
NUMBERS = [(flow, code) for flow, rows in TABLES.items() for row in rows for code in row["codes"]]


@pytest.mark.parametrize(("flow", "code"), NUMBERS)
def test_a_status_is_kept_and_read_back(simulator: Any, flow: str, code: int) -> None:
    url = simulator.link().replace("/buy/", f"/{PATHS[flow]}/")
    order_id = simulator.control("orders", {"widget_url": url})["orderId"]
    moved = simulator.move(order_id, code)
    assert moved["status"] == code
    assert len(moved["webhooks"]) == (1 if code in COMPLETED[flow] else 0)
    if flow != "swap":
        kind = 1 if flow == "onramp" else 2
        path = "/onramp/api/v2/common/transaction/orderStatus"
        assert simulator.data(path, {"orderId": order_id, "type": kind}) == {"orderStatus": code}
        assert simulator.history(type=kind)[0]["status"] == code


def test_a_number_nobody_knows_is_kept_too(simulator: Any) -> None:
    order_id = simulator.open()
    assert simulator.move(order_id, 99)["status"] == 99
