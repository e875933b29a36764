"""Webhooks to a real HTTP server: signed, sent when a purchase completes, retried until acknowledged."""

import json
import time
from decimal import Decimal
from pathlib import Path

from tests.ports import free_port
from tests.simulator.process import (
    FAST,
    SECRET,
    WEBHOOK_TIMEOUT_SECONDS,
    Process,
    Receiver,
    eventually,
)

MERCHANT = "/onramp/api/v1/merchant"


def test_a_completed_purchase_is_told_once_and_signed(
    simulator: Process, receiver: Receiver, fixtures: Path
) -> None:
    order_id = simulator.open()
    for status in (1, 2, 3):
        simulator.move(order_id, status)
    receiver.stays_at(0, seconds=0.2)
    simulator.move(order_id, 4)
    arrival = receiver.wait_for(1)[0]
    assert arrival.is_signed_with(SECRET)
    assert not arrival.is_signed_with("wrong")
    assert arrival.signed["body"] == arrival.body
    assert abs(arrival.signed["timestamp"] / 1000 - time.time()) < 5
    documented = set(json.loads((fixtures / "webhook_buy.json").read_text()))
    assert documented <= set(arrival.body)
    assert (arrival.body["orderId"], arrival.body["status"]) == (order_id, 4)
    receiver.stays_at(1)
    assert eventually(lambda: simulator.order(order_id)["status"] == 5)


def test_failures_are_never_told(simulator: Process, receiver: Receiver) -> None:
    for status in (-1, -2, -3, -4):
        simulator.move(simulator.open(), status)
    receiver.stays_at(0)


def test_a_refused_webhook_is_sent_again_and_counted(simulator: Process, receiver: Receiver) -> None:
    receiver.answers = [500, 302]
    order_id = simulator.open()
    simulator.move(order_id, 4)
    arrivals = receiver.wait_for(3)
    assert [arrival.body["webhookTrials"] for arrival in arrivals] == [0, 1, 2]
    assert all(arrival.is_signed_with(SECRET) for arrival in arrivals)
    receiver.stays_at(3)
    assert simulator.order(order_id)["webhooks"] == [
        {"state": "delivered", "trials": 3, "result": "HTTP 200"}
    ]


def test_a_slow_answer_counts_as_failed(simulator: Process, receiver: Receiver) -> None:
    receiver.delay_seconds = WEBHOOK_TIMEOUT_SECONDS + 0.5
    simulator.move(simulator.open(), 4)
    first, second = receiver.wait_for(2)[:2]
    assert second.at - first.at >= WEBHOOK_TIMEOUT_SECONDS


def test_trials_end(tmp_path: Path) -> None:
    quick = (*FAST, "--webhook-retry-seconds", "0.01")
    process = Process(tmp_path / "orders.sqlite", free_port(), quick)
    process.start()
    try:
        process.data(f"{MERCHANT}/setWebhookUrl", {"webhookUrl": "http://127.0.0.1:9/nobody"})
        order_id = process.open()
        process.move(order_id, 4)
        eventually(lambda: process.order(order_id)["webhooks"][0]["state"] == "given up")
        order = process.order(order_id)
        assert order["webhooks"] == [{"state": "given up", "trials": 10, "result": "ConnectError"}]
        assert order["status"] == 4
    finally:
        process.kill()


def test_no_address_means_no_webhook(own_process: Process) -> None:
    order_id = own_process.open()
    own_process.move(order_id, 4)
    assert own_process.order(order_id)["webhooks"][0]["state"] == "no address"


def test_a_webhook_can_be_asked_for_again(simulator: Process, receiver: Receiver) -> None:
    order_id = simulator.open()
    assert simulator.ask(f"{MERCHANT}/resendWebhook", {"orderId": order_id}).status_code == 400
    assert simulator.ask(f"{MERCHANT}/resendWebhook", {"orderId": 1}).status_code == 417
    simulator.move(order_id, 4)
    receiver.wait_for(1)
    simulator.data(f"{MERCHANT}/resendWebhook", {"orderId": order_id})
    assert receiver.wait_for(2)[1].body["orderId"] == order_id


def test_a_dummy_webhook_carries_the_documented_example(
    simulator: Process, receiver: Receiver, fixtures: Path
) -> None:
    simulator.data(f"{MERCHANT}/sendDummyWebhook", {"webhookUrl": receiver.url})
    simulator.data(f"{MERCHANT}/sendDummyWebhook")
    sample = json.loads((fixtures / "webhook_buy.json").read_text(), parse_float=Decimal)
    for arrival in receiver.wait_for(2):
        assert arrival.body == sample
        assert arrival.is_signed_with(SECRET)


def test_unknown_fields_come_and_go(simulator: Process, receiver: Receiver) -> None:
    for _ in range(8):
        simulator.move(simulator.open(), 4)
    kinds = {"eventType" in arrival.body for arrival in receiver.wait_for(8)}
    assert kinds == {True, False}


def test_a_webhook_survives_the_process(own_process: Process) -> None:
    started = Receiver()
    try:
        started.answers = [500, 500]
        own_process.data(f"{MERCHANT}/setWebhookUrl", {"webhookUrl": started.url})
        own_process.move(own_process.open(), 4)
        started.wait_for(1)
        own_process.kill()
        seen = len(started.arrivals)
        own_process.start()
        assert started.wait_for(seen + 1)[-1].is_signed_with(SECRET)
    finally:
        started.close()
