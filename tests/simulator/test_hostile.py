"""Hostile requests are refused, and the simulator keeps running."""

import json
from typing import Any

import pytest

from tests.simulator.process import COMMON, HISTORY, Process

QUOTES = f"{COMMON}/transaction/quotes"
QUOTE = {"coinCode": "usdt", "network": "matic20", "fiatAmount": 1000, "fiatType": 1, "type": 1}
WHITE_LABEL = "/onramp/api/v2/whiteLabel"
VALUES: list[Any] = [
    None, True, "", " ", "x" * 5000, "\ud800", "\n", "1e999999999", "-0", "NaN", "0x10", "٣", [], {}, [[1]],
    -1, 10**30, "http://[", "javascript:1",
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[:20])
def test_no_value_breaks_an_endpoint(simulator: Process, value: Any) -> None:
    for name in QUOTE:
        assert simulator.ask(QUOTES, {**QUOTE, name: value}).status_code < 500
    for name in ("page", "pageSize", "since", "order", "type", "fiatType"):
        assert simulator.ask(HISTORY, {name: value}).status_code < 500
    for path in ("setWebhookUrl", "sendDummyWebhook"):
        answer = simulator.ask(f"/onramp/api/v1/merchant/{path}", {"webhookUrl": value})
        assert answer.status_code < 500
    customer = {"email": "a@b.test", "phoneNumber": "+1-5555", "clientCustomerId": "c", "type": "INDIVIDUAL"}
    for name in (*customer, "kycRedirectUrl"):
        assert simulator.ask(f"{WHITE_LABEL}/kyc/url", {**customer, name: value}).status_code < 500


@pytest.mark.parametrize("value", VALUES, ids=lambda value: ascii(value)[:20])
def test_no_value_breaks_the_control_api(simulator: Process, value: Any) -> None:
    order_id, link = simulator.open(), simulator.link()

    def post(path: str, body: Any) -> int:
        url = f"{simulator.base}/control/{path}"
        return simulator.client.post(url, content=json.dumps(body)).status_code

    for name in ("walletAddress", "fiatAmount", "merchantRecognitionId", "redirectUrl", "appId"):
        assert post("orders", {"widget_url": link, "overrides": {name: value}}) < 500
    assert post("orders", {"widget_url": value}) == 422
    assert post(f"orders/{order_id}", {"status": 4, "actualCryptoAmount": value}) < 500
    for name in ("rotated_key", "unknown_order", "wrong_asset", "api_slow", "body_differs"):
        assert post("scenario", {"name": name, "value": value, "order_id": None, "times": 1}) < 500
    simulator.control("scenario", method="DELETE")
    simulator.move(simulator.open(), 4)
    assert simulator.client.get(simulator.base).status_code == 200


def test_numbers_beyond_all_measure_are_read_and_refused(simulator: Process) -> None:
    for number in (b"1e999999999", b"1e-999999999", b"9" * 5000, b"NaN", b"[" * 50_000):
        content = (
            b'{"widget_url": "' + simulator.link().encode() + b'", "overrides": {"fiatAmount": ' + number
        )
        answer = simulator.client.post(f"{simulator.base}/control/orders", content=content + b"}}")
        assert answer.status_code == 422
        moved = simulator.client.post(
            f"{simulator.base}/control/orders/{simulator.open()}",
            content=b'{"status": 4, "actualCryptoAmount": ' + number + b"}",
        )
        assert moved.status_code == 422
