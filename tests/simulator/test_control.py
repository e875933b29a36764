"""The control API: what it accepts and refuses; a seed repeats a run, and a kill loses nothing."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.simulator.process import ADDRESS, FAST, Process


def refused(simulator: Process, path: str, body: Any, *, status: int = 422) -> str:
    return str(simulator.control(path, body, status=status)["error"])


def test_an_opened_order_waits_for_the_hand(simulator: Process) -> None:
    order_id = simulator.open()
    order = simulator.order(order_id)
    assert (order["status"], order["plan"], order["walletAddress"]) == (0, [], ADDRESS)
    assert order["merchantRecognitionId"] == "recognition1"


def test_overrides_change_what_a_person_can_change(simulator: Process) -> None:
    overrides = {"fiatAmount": "2500.50", "walletAddress": "0x" + "ab" * 20, "merchantRecognitionId": None}
    body = {"widget_url": simulator.link(), "overrides": overrides}
    order = simulator.order(simulator.control("orders", body)["orderId"])
    assert order["fiatAmount"] == Decimal("2500.5")
    assert order["walletAddress"] == "0x" + "ab" * 20
    assert order["merchantRecognitionId"] is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"walletAddress": "0x12"}, "walletAddress"),
        ({"walletAddress": None}, "walletAddress"),
        ({"coinCode": "doge"}, "coinCode"),
        ({"network": "trc20"}, "walletAddress"),
        ({"coinCode": "btc"}, "network"),
        ({"fiatType": 28}, "fiatType"),
        ({"fiatAmount": 99}, "fiatAmount"),
        ({"fiatAmount": 500001}, "fiatAmount"),
        ({"fiatAmount": "1e3x"}, "fiatAmount"),
        ({"fiatAmount": None}, "fiatAmount"),
        ({"paymentMethod": 7}, "paymentMethod"),
        ({"appId": None}, "appId"),
        ({"appId": "one"}, "appId"),
        ({"addressTag": "12345"}, "addressTag"),
        ({"phoneNumber": "123"}, "phoneNumber"),
        ({"lang": "xx"}, "lang"),
        ({"redirectUrl": "javascript:alert(1)"}, "redirectUrl"),
        ({"merchantRecognitionId": "x" * 65}, "merchantRecognitionId"),
    ],
)
def test_a_link_is_checked_as_the_provider_would(
    simulator: Process, change: dict[str, Any], named: str
) -> None:
    assert named in refused(simulator, "orders", {"widget_url": simulator.link(**change)})
    assert simulator.client.get(simulator.link(**change)).status_code == (
        200 if change == {"fiatAmount": None} else 400
    )
    assert simulator.orders() == []


def test_an_amount_of_the_coin_is_worked_out(simulator: Process) -> None:
    order = simulator.order(simulator.open(fiatAmount=None, coinAmount=20))
    assert 20 <= order["expectedCryptoAmount"] < Decimal("20.3")


def test_requests_that_make_no_sense_are_refused_clearly(simulator: Process) -> None:
    link, order_id = simulator.link(), simulator.open()
    assert "unknown field: color" in refused(simulator, "orders", {"widget_url": link, "color": 1})
    assert "missing field: widget_url" in refused(simulator, "orders", {})
    assert "JSON object" in refused(simulator, "orders", [])
    assert "color" in refused(simulator, "orders", {"widget_url": link, "overrides": {"color": "red"}})
    assert "/main/buy/" in refused(simulator, "orders", {"widget_url": "http://x/elsewhere"})
    assert "does not exist" in refused(simulator, "orders/1", {"status": 4}, status=404)
    assert "does not exist" in refused(simulator, "orders/x", {"status": 4}, status=404)
    assert "status" in refused(simulator, f"orders/{order_id}", {"status": "4"})
    assert "actualCryptoAmount" in refused(
        simulator, f"orders/{order_id}", {"status": 4, "actualCryptoAmount": "much"}
    )
    assert "name must be one of" in refused(simulator, "scenario", {"name": "flood"})
    assert "unknown field: when" in refused(simulator, "scenario", {"name": "api_down", "when": 1})
    assert "times" in refused(simulator, "scenario", {"name": "api_down", "times": 0})
    assert "order_id" in refused(simulator, "scenario", {"name": "lost_webhook", "order_id": 5})
    assert "order_id" in refused(simulator, "scenario", {"name": "api_down", "order_id": order_id})
    assert "seed" in refused(simulator, "seed", {"seed": "seven"})
    answer = simulator.client.post(f"{simulator.base}/control/seed", content=b"{")
    assert (answer.status_code, answer.json()) == (422, {"error": "the body must be JSON"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("duplicate_webhooks", 1),
        ("duplicate_webhooks", "many"),
        ("delayed_webhook", -1),
        ("short_delivery", 2),
        ("over_delivery", "0.5"),
        ("lost_webhook", 1),
        ("wrong_asset", {"coinCode": "doge", "network": "erc20"}),
        ("wrong_asset", "usdc"),
        ("unknown_status", 5000),
        ("kyc_rejected", "NO"),
        ("api_slow", 1000),
        ("clock_skew", "soon"),
    ],
)
def test_a_scenario_value_out_of_range_is_refused(simulator: Process, name: str, value: Any) -> None:
    assert f"value: {name}" in refused(simulator, "scenario", {"name": name, "value": value})
    assert simulator.control("scenario", method="GET")["items"] == []


def test_an_amount_given_by_hand_is_printed_as_it_is(simulator: Process) -> None:
    order_id = simulator.open()
    amount = "10.123456789012345678"
    assert simulator.move(order_id, 4, actualCryptoAmount=amount)["actualCryptoAmount"] == Decimal(amount)
    assert Decimal(simulator.read_order(order_id)["actualCryptoAmount"]) == Decimal(amount)


def run_of(simulator: Process) -> list[Any]:
    """Return the ids, amounts and prices of a few orders, without times."""
    quote = {"coinCode": "eth", "network": "arbitrum", "fiatAmount": 9000, "type": 1}
    seen: list[Any] = [simulator.data("/onramp/api/v2/common/transaction/quotes", quote)]
    for amount in (500, 1234, 77_000):
        order_id = simulator.open(fiatAmount=amount)
        order = simulator.move(order_id, 4)
        seen.append({k: v for k, v in order.items() if k not in ("createdAt", "updatedAt")})
    return seen


def test_a_seed_repeats_a_run_and_another_does_not(simulator: Process) -> None:
    first = run_of(simulator)
    simulator.control("seed", {"seed": 7})
    assert simulator.orders() == []
    assert run_of(simulator) == first
    simulator.control("seed", {"seed": 8})
    other = run_of(simulator)
    assert [order["orderId"] for order in other[1:]] != [order["orderId"] for order in first[1:]]
    assert other[0] != first[0]


def test_a_seed_keeps_the_registered_address(simulator: Process) -> None:
    simulator.data("/onramp/api/v1/merchant/setWebhookUrl", {"webhookUrl": "http://127.0.0.1:9/kept"})
    simulator.control("seed", {"seed": 7})
    assert "http://127.0.0.1:9/kept" in simulator.client.get(simulator.base).text


def test_orders_survive_a_kill(own_process: Process) -> None:
    order_ids = [own_process.open() for _ in range(20)]
    own_process.move(order_ids[3], 3)
    own_process.scenario("lost_webhook", times=None)
    own_process.kill()
    own_process.start()
    assert [order["orderId"] for order in own_process.orders()] == order_ids[::-1]
    assert own_process.order(order_ids[3])["status"] == 3
    assert own_process.control("scenario", method="GET")["items"][0]["name"] == "lost_webhook"
    assert own_process.open() not in order_ids


def test_a_taken_port_stops_the_start_with_a_sentence(shared_process: Process, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "onramp_app.simulator", "--port", str(shared_process.port), *FAST]
    command += ["--database", str(tmp_path / "other.sqlite")]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20)
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{shared_process.port}" in ended.stderr


def test_another_site_may_not_control(simulator: Process) -> None:
    def post(path: str, origin: str) -> httpx.Response:
        return simulator.client.post(
            simulator.base + path, content=b'{"seed": 9}', headers={"Origin": origin}, follow_redirects=False
        )

    assert post("/control/seed", "http://evil.test").status_code == 403
    assert post("/", "null").status_code == 403
    assert post("/control/seed", simulator.base).status_code == 200


def test_orders_are_found_by_their_recognition_id(simulator: Process) -> None:
    wanted = simulator.open(merchantRecognitionId="mine")
    simulator.open()
    found = simulator.control("orders?merchantRecognitionId=mine", method="GET")["items"]
    assert [order["orderId"] for order in found] == [wanted]
