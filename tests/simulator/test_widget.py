"""The payment page over HTTP: what it shows, the orders it opens, the messages it has to post."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.simulator.process import ADDRESS, Process, Receiver, eventually

OUTCOMES = ["ONRAMP_WIDGET_TX_INITIATED", "ONRAMP_WIDGET_TX_SUCCESSFUL"]


def pay(simulator: Process, *, action: str = "pay", amount: object = "750", **link: Any) -> int:
    body = {
        "query": "?" + urlsplit(simulator.link(**link)).query,
        "fiatAmount": amount,
        "paymentMethod": "2",
        "action": action,
    }
    answer = simulator.client.post(f"{simulator.base}/main/buy/orders", json=body)
    assert answer.status_code == 200, answer.text
    return int(answer.json()["orderId"])


def followed(simulator: Process, order_id: int, *, vocabulary: str = "steps") -> Any:
    """Poll an order as the page does until it ends; return the final answer."""
    path = f"{simulator.base}/main/buy/orders/{order_id}?vocabulary={vocabulary}"
    return eventually(lambda: (found := simulator.client.get(path).json())["finished"] and found)


def types(found: Any) -> list[str]:
    return [message["eventData"]["type"] for message in found["messages"]]


def test_the_page_says_what_it_is_and_what_is_bought(simulator: Process) -> None:
    answer = simulator.client.get(simulator.link())
    assert "Simulated payment page" in answer.text
    assert "USDT" in answer.text
    assert f"{ADDRESS[:8]}…{ADDRESS[-6:]}" in answer.text
    assert "onramp.money" not in answer.text.lower()
    assert "frame-ancestors" not in answer.headers["Content-Security-Policy"]


def test_what_the_link_carries_is_never_html(simulator: Process) -> None:
    answer = simulator.client.get(simulator.link(coinCode='"><script>alert(1)</script>', walletAddress="<b>"))
    assert answer.status_code == 400
    assert "<script>alert" not in answer.text
    assert "<b>" not in answer.text


def test_a_paid_order_walks_by_itself_and_is_told(simulator: Process, receiver: Receiver) -> None:
    order_id = pay(simulator)
    assert followed(simulator, order_id)["delivered"]
    order = simulator.order(order_id)
    assert (order["fiatAmount"], order["paymentType"]) == (750, 2)
    assert receiver.wait_for(1)[0].body["orderId"] == order_id


def test_both_paths_of_statuses_are_walked(simulator: Process) -> None:
    opened = [pay(simulator) for _ in range(6)]
    assert {followed(simulator, order_id)["status"] for order_id in opened} == {4, 15}


def test_detailed_messages_look_like_the_samples(simulator: Process, fixtures: Path) -> None:
    samples = json.loads((fixtures / "widget_events.json").read_text())
    found = followed(simulator, pay(simulator))
    assert types(found) == [
        f"ONRAMP_WIDGET_TX_{name}" for name in ("INIT", "FINDING", "PURCHASING", "SENDING", "COMPLETED")
    ]
    for message in found["messages"]:
        sample = samples.get(message["eventData"]["type"].removeprefix("ONRAMP_WIDGET_"))
        assert message["eventData"]["isOnramp"] is True
        if sample is not None:
            assert set(message["eventData"]["data"]) == set(sample["data"])


def test_messages_of_the_other_vocabulary(simulator: Process) -> None:
    assert types(followed(simulator, pay(simulator), vocabulary="outcome")) == OUTCOMES
    failed = followed(simulator, pay(simulator, action="fail"), vocabulary="outcome")
    assert types(failed) == ["ONRAMP_WIDGET_TX_INITIATED", "ONRAMP_WIDGET_TX_FAILED"]


def test_failing_and_abandoning_end_where_they_say(simulator: Process, receiver: Receiver) -> None:
    failed = followed(simulator, pay(simulator, action="fail"))
    assert (failed["status"], types(failed)[-1]) == (-1, "ONRAMP_WIDGET_TX_FINDING_FAILED")
    abandoned = followed(simulator, pay(simulator, action="abandon"))
    assert abandoned["status"] == -2
    assert types(abandoned)[-1] == "ONRAMP_WIDGET_CLOSE_REQUEST_CONFIRMED"
    receiver.stays_at(0, seconds=0.2)


def test_a_large_amount_needs_an_identity_check(simulator: Process) -> None:
    found = types(followed(simulator, pay(simulator, amount=200_000)))
    assert "ONRAMP_KYC_INITIATED" in found
    assert "ONRAMP_KYC_SUCCESSFUL" in found


def test_the_way_back_carries_order_and_outcome(simulator: Process) -> None:
    link = {"redirectUrl": "https://shop.test/back?top_up=1"}
    paid = pay(simulator, **link)
    assert followed(simulator, paid)["redirect"] == (
        f"https://shop.test/back?top_up=1&orderId={paid}&status=success"
    )
    failed = pay(simulator, action="fail", **link)
    assert followed(simulator, failed)["redirect"].endswith(f"orderId={failed}&status=pending")
    assert followed(simulator, pay(simulator))["redirect"] is None


@pytest.mark.parametrize("amount", ["", "0", "-1", "99", "500001", "1e99", "NaN"])
def test_a_changed_amount_is_checked_again(simulator: Process, amount: str) -> None:
    body = {"query": "?" + urlsplit(simulator.link()).query, "fiatAmount": amount, "paymentMethod": "1"}
    for path in ("estimate", "orders"):
        answer = simulator.client.post(f"{simulator.base}/main/buy/{path}", json={**body, "action": "pay"})
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("The amount")
    assert simulator.orders() == []


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"query": 1}', b'{"query": {}, "fiatAmount": null}'])
def test_nonsense_is_refused(simulator: Process, content: bytes) -> None:
    assert simulator.client.post(f"{simulator.base}/main/buy/orders", content=content).status_code == 400


def test_a_person_can_do_everything_from_the_control_page(simulator: Process) -> None:
    order_id = simulator.open()
    form = {"action": "move", "order_id": str(order_id), "status": "3", "actual": "5.5"}
    simulator.client.post(simulator.base, data=form)
    assert simulator.order(order_id)["actualCryptoAmount"] == pytest.approx(5.5)
    simulator.client.post(simulator.base, data={"action": "scenario", "name": "lost_webhook", "times": ""})
    shown = simulator.client.get(simulator.base)
    assert "lost_webhook</code> until cleared" in shown.text
    assert str(order_id) in shown.text
    assert "frame-ancestors 'none'" in shown.headers["Content-Security-Policy"]
    simulator.client.post(simulator.base, data={"action": "clear"})
    assert simulator.control("scenario", method="GET")["items"] == []
    wrong = simulator.client.post(simulator.base, data={"action": "seed", "seed": "x"})
    assert (wrong.status_code, "seed must be" in wrong.text) == (422, True)
    simulator.client.post(simulator.base, data={"action": "seed", "seed": "9"})
    assert simulator.orders() == []
