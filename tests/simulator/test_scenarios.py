"""Every scenario behaves on the wire as described; each test has a control without the scenario."""

import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.simulator.process import (
    ADDRESS,
    COMMON,
    HISTORY,
    NEXT_SECRET,
    SECRET,
    TEMPO_SECONDS,
    Process,
    Receiver,
    eventually,
)

QUOTES = f"{COMMON}/transaction/quotes"
QUOTE = {"coinCode": "usdt", "network": "matic20", "fiatAmount": 1000, "fiatType": 1, "type": 1}


def completed(simulator: Process, **changes: object) -> int:
    """Open an order and complete it."""
    order_id = simulator.open(**changes)
    simulator.move(order_id, 4)
    return order_id


# Webhooks. The second order of each test is the control.


def test_lost_webhook_never_arrives(simulator: Process, receiver: Receiver) -> None:
    simulator.scenario("lost_webhook")
    lost, received = completed(simulator), completed(simulator)
    receiver.wait_for(1)
    receiver.stays_at(1)
    assert receiver.arrivals[0].body["orderId"] == received
    assert simulator.order(lost)["status"] == 4


def test_duplicate_webhooks_arrive_so_many_times(simulator: Process, receiver: Receiver) -> None:
    simulator.scenario("duplicate_webhooks", value=4)
    doubled, single = completed(simulator), completed(simulator)
    arrived = [arrival.body["orderId"] for arrival in receiver.wait_for(5)]
    receiver.stays_at(5, seconds=0.2)
    assert (arrived.count(doubled), arrived.count(single)) == (4, 1)


def test_out_of_order_sends_an_earlier_status_afterwards(simulator: Process, receiver: Receiver) -> None:
    simulator.scenario("out_of_order")
    order_id = completed(simulator)
    assert [arrival.body["status"] for arrival in receiver.wait_for(2)] == [4, 2]
    assert all(arrival.is_signed_with(SECRET) for arrival in receiver.arrivals)
    assert eventually(lambda: simulator.order(order_id)["status"] == 5)
    completed(simulator)
    receiver.wait_for(3)
    receiver.stays_at(3, seconds=0.2)


def test_delayed_webhook_arrives_later(simulator: Process, receiver: Receiver) -> None:
    simulator.scenario("delayed_webhook", value="1.2")
    began = time.monotonic()
    late, prompt = completed(simulator), completed(simulator)
    first, second = receiver.wait_for(2)
    assert (first.body["orderId"], second.body["orderId"]) == (prompt, late)
    assert first.at - began < 1.2 <= second.at - began


def test_forged_signature_is_a_strangers_and_not_repeated(simulator: Process, receiver: Receiver) -> None:
    receiver.answers = [401]
    simulator.scenario("forged_signature")
    completed(simulator)
    arrival = receiver.wait_for(1)[0]
    assert not arrival.is_signed_with(SECRET)
    assert not arrival.is_signed_with(NEXT_SECRET)
    receiver.stays_at(1)
    completed(simulator)
    assert receiver.wait_for(2)[1].is_signed_with(SECRET)


def test_stale_timestamp_is_old_and_signed(simulator: Process, receiver: Receiver) -> None:
    simulator.scenario("stale_timestamp", value=7200)
    completed(simulator)
    completed(simulator)
    ages = sorted(time.time() - arrival.signed["timestamp"] / 1000 for arrival in receiver.wait_for(2))
    assert ages[0] < 10
    assert 7200 <= ages[1] < 7210
    assert all(arrival.is_signed_with(SECRET) for arrival in receiver.arrivals)


def test_rotated_key_signs_with_the_next_or_a_given_secret(simulator: Process, receiver: Receiver) -> None:
    simulator.scenario("rotated_key")
    completed(simulator)
    receiver.wait_for(1)
    simulator.scenario("rotated_key", value="another")
    completed(simulator)
    receiver.wait_for(2)
    completed(simulator)
    receiver.wait_for(3)
    for arrival, secret in zip(receiver.arrivals, (NEXT_SECRET, "another", SECRET), strict=True):
        assert [arrival.is_signed_with(s) for s in (NEXT_SECRET, "another", SECRET)].count(True) == 1
        assert arrival.is_signed_with(secret)


def test_header_without_body_signs_the_time_alone(simulator: Process, receiver: Receiver) -> None:
    simulator.scenario("header_without_body")
    order_id = completed(simulator)
    bare = receiver.wait_for(1)[0]
    assert set(bare.signed) == {"timestamp"}
    assert bare.is_signed_with(SECRET)
    assert bare.body["orderId"] == order_id
    completed(simulator)
    assert set(receiver.wait_for(2)[1].signed) == {"timestamp", "body"}


def test_body_differs_says_one_thing_and_signs_another(simulator: Process, receiver: Receiver) -> None:
    simulator.scenario("body_differs")
    completed(simulator)
    first = receiver.wait_for(1)[0]
    signed, sent = (Decimal(body["actualCryptoAmount"]) for body in (first.signed["body"], first.body))
    assert sent == signed * 10
    simulator.scenario("body_differs", value={"walletAddress": "elsewhere"})
    completed(simulator)
    second = receiver.wait_for(2)[1]
    assert second.body == {**second.signed["body"], "walletAddress": "elsewhere"}
    completed(simulator)
    third = receiver.wait_for(3)[2]
    assert third.body == third.signed["body"]


# Orders.


@pytest.mark.parametrize(("name", "status"), [("amount_mismatch", -4), ("name_mismatch", -3)])
def test_a_mismatch_takes_the_place_of_the_purchase(
    simulator: Process, receiver: Receiver, name: str, status: int
) -> None:
    simulator.scenario(name)
    order_id = simulator.open()
    assert simulator.move(order_id, 2)["status"] == 2
    assert simulator.move(order_id, 3)["status"] == status
    assert simulator.read_order(order_id)["status"] == status
    receiver.stays_at(0, seconds=0.2)
    assert simulator.order(completed(simulator))["status"] in (4, 5)


@pytest.mark.parametrize(("name", "value"), [("short_delivery", "0.5"), ("over_delivery", "3")])
def test_more_or_less_is_bought_than_expected(simulator: Process, name: str, value: str) -> None:
    honest = simulator.order(completed(simulator))["actualCryptoAmount"]
    simulator.scenario(name, value=value)
    changed = simulator.order(completed(simulator))
    assert abs(changed["actualCryptoAmount"] - honest * Decimal(value)) <= Decimal("0.000001")
    assert simulator.order(completed(simulator))["actualCryptoAmount"] == honest


def test_wrong_address_delivers_elsewhere(simulator: Process, receiver: Receiver) -> None:
    simulator.scenario("wrong_address")
    order_id = completed(simulator)
    elsewhere = simulator.read_order(order_id)["walletAddress"]
    assert elsewhere != ADDRESS
    assert receiver.wait_for(1)[0].body["walletAddress"] == elsewhere
    assert simulator.read_order(completed(simulator))["walletAddress"] == ADDRESS


def test_wrong_asset_delivers_another_coin(simulator: Process) -> None:
    def asset() -> tuple[int, int]:
        order = simulator.read_order(completed(simulator))
        return int(order["coinId"]), int(order["chainId"])

    simulator.scenario("wrong_asset")
    assert asset() == (116, 3)
    simulator.scenario("wrong_asset", value={"coinCode": "eth", "network": "arbitrum"})
    assert asset() == (6, 13)
    assert asset() == (54, 3)


def test_unknown_order_carries_no_recognition_id(simulator: Process) -> None:
    simulator.scenario("unknown_order")
    assert simulator.read_order(completed(simulator))["merchantRecognitionId"] is None
    simulator.scenario("unknown_order", value="nobodys")
    assert simulator.read_order(completed(simulator))["merchantRecognitionId"] == "nobodys"
    assert simulator.read_order(completed(simulator))["merchantRecognitionId"] == "recognition1"


def test_begun_long_ago_dates_an_order_back_and_its_webhook_too(
    simulator: Process, receiver: Receiver
) -> None:
    simulator.scenario("begun_long_ago")
    old, new = completed(simulator), completed(simulator)
    month_ago = (datetime.now(UTC) - timedelta(days=30)).isoformat()
    assert [order["orderId"] for order in simulator.history(since=month_ago)] == [new]
    assert [order["orderId"] for order in simulator.history(order="ASC")] == [old, new]
    created = {arrival.body["orderId"]: arrival.body["createdAt"] for arrival in receiver.wait_for(2)}
    assert (datetime.now(UTC) - datetime.fromisoformat(created[old])).days == 45


def test_short_pages_give_no_more_than_their_cap(simulator: Process) -> None:
    simulator.scenario("short_pages", times=3, value=2)
    opened = [simulator.open() for _ in range(3)]
    pages = [simulator.history(page=page, pageSize=500, order="ASC") for page in (1, 2, 3)]
    assert [[order["orderId"] for order in page] for page in pages] == [opened[:2], opened[2:], []]
    assert len(simulator.history(pageSize=500)) == 3


def test_unknown_status_takes_the_place_of_the_purchase(simulator: Process, receiver: Receiver) -> None:
    simulator.scenario("unknown_status", value=42)
    order_id = completed(simulator)
    assert simulator.read_order(order_id)["status"] == 42
    receiver.stays_at(0, seconds=0.2)
    simulator.move(order_id, 4)
    assert receiver.wait_for(1)[0].body["status"] == 4


def test_second_payment_completes_another_order_with_the_same_id(
    simulator: Process, receiver: Receiver
) -> None:
    simulator.scenario("second_payment")
    first = completed(simulator)
    received = {arrival.body["orderId"] for arrival in receiver.wait_for(2)}
    assert len(received) == 2
    assert first in received
    both = simulator.history()
    assert {order["orderId"] for order in both} == received
    assert {order["merchantRecognitionId"] for order in both} == {"recognition1"}
    assert len({order["transactionHash"] for order in both}) == 2
    completed(simulator)
    assert len(simulator.history()) == 3


def test_over_limit_pays_many_times_the_amount(simulator: Process) -> None:
    honest = simulator.order(completed(simulator))
    simulator.scenario("over_limit", value=20)
    order = simulator.order(completed(simulator))
    assert order["fiatAmount"] == 20_000
    assert order["actualCryptoAmount"] > 19 * honest["actualCryptoAmount"]
    assert order["actualCryptoAmount"] - order["gasFee"] == order["expectedCryptoAmount"]
    assert honest["fiatAmount"] == 1000


def test_settled_then_failed_fails_once_it_was_read(simulator: Process, receiver: Receiver) -> None:
    simulator.scenario("settled_then_failed")
    order_id = completed(simulator)
    receiver.wait_for(1)
    time.sleep(TEMPO_SECONDS * 3)
    assert simulator.order(order_id)["status"] in (4, 5)
    assert simulator.read_order(order_id)["status"] in (4, 5)
    eventually(lambda: simulator.read_order(order_id)["status"] == -2)
    receiver.stays_at(1, seconds=0.2)
    control = completed(simulator)
    simulator.read_order(control)
    time.sleep(TEMPO_SECONDS * 3)
    assert simulator.read_order(control)["status"] in (4, 5)


def test_late_payment_times_out_and_is_paid_after_that_was_read(
    simulator: Process, receiver: Receiver
) -> None:
    simulator.scenario("late_payment")
    order_id = completed(simulator)
    assert simulator.order(order_id)["status"] == -1
    time.sleep(TEMPO_SECONDS * 3)
    assert simulator.read_order(order_id)["status"] == -1
    assert receiver.wait_for(1)[0].body["orderId"] == order_id
    assert Decimal(simulator.read_order(order_id)["actualCryptoAmount"]) > 0
    assert simulator.order(completed(simulator))["status"] in (4, 5)


def test_late_payment_goes_on_even_if_nobody_reads(simulator: Process, receiver: Receiver) -> None:
    simulator.scenario("late_payment")
    order_id = completed(simulator)
    assert receiver.wait_for(1)[0].body["orderId"] == order_id


def test_late_after_cancel_stays_open_and_is_paid_then(simulator: Process, receiver: Receiver) -> None:
    simulator.scenario("late_after_cancel", value="0.6")
    began, order_id = time.monotonic(), simulator.open()
    assert simulator.move(order_id, 4)["status"] == 0
    arrival = receiver.wait_for(1)[0]
    assert arrival.body["orderId"] == order_id
    assert arrival.at - began >= 0.6
    assert simulator.order(completed(simulator))["status"] in (4, 5)


# Which order, and how often.


def test_a_scenario_may_be_for_one_order_only(simulator: Process, receiver: Receiver) -> None:
    other, meant = simulator.open(), simulator.open()
    simulator.scenario("lost_webhook", order_id=meant, times=None)
    for order_id in (other, meant):
        simulator.move(order_id, 4)
    receiver.wait_for(1)
    receiver.stays_at(1, seconds=0.2)
    assert receiver.arrivals[0].body["orderId"] == other


def test_a_scenario_without_times_lasts_until_cleared(simulator: Process) -> None:
    simulator.scenario("name_mismatch", times=None)
    assert [simulator.order(completed(simulator))["status"] for _ in range(3)] == [-3, -3, -3]
    simulator.control("scenario", method="DELETE")
    assert simulator.order(completed(simulator))["status"] == 4


def test_a_scenario_with_times_ends_after_them(simulator: Process) -> None:
    simulator.scenario("name_mismatch", times=2)
    assert [simulator.order(completed(simulator))["status"] for _ in range(3)] == [-3, -3, 4]


# Requests.


def test_api_down_answers_503_so_many_times_or_so_long(simulator: Process) -> None:
    simulator.scenario("api_down", times=2)
    answers = [simulator.ask(QUOTES, QUOTE) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].json() == {"status": 0, "code": 503, "error": "Under maintenance"}
    simulator.scenario("api_down", value="1")
    assert {simulator.ask(QUOTES, QUOTE).status_code for _ in range(3)} == {503}
    assert simulator.client.get(f"{simulator.base}/control/orders").status_code == 200
    eventually(lambda: simulator.ask(QUOTES, QUOTE).status_code == 200)


def test_api_slow_takes_its_time(simulator: Process) -> None:
    def seconds() -> float:
        began = time.monotonic()
        assert simulator.ask(QUOTES, QUOTE).status_code == 200
        return time.monotonic() - began

    simulator.scenario("api_slow", value="0.8")
    assert seconds() >= 0.8 > seconds()


def test_rate_limited_says_when_to_come_back(simulator: Process) -> None:
    simulator.scenario("rate_limited", value=3)
    limited, allowed = simulator.ask(QUOTES, QUOTE), simulator.ask(QUOTES, QUOTE)
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "3")
    assert (allowed.status_code, allowed.headers.get("Retry-After")) == (200, None)


def test_clock_skew_can_be_measured_and_allowed_for(simulator: Process) -> None:
    clock = f"{COMMON}/public/currentTimestamp"
    simulator.scenario("clock_skew", value=-60, times=None)
    answer = simulator.ask(QUOTES, QUOTE)
    assert (answer.status_code, answer.json()["error"]) == (401, "Ahead of Time")
    providers_ms = simulator.client.get(simulator.base + clock).json()["data"]
    assert abs(providers_ms / 1000 + 60 - time.time()) < 5
    assert simulator.ask(QUOTES, QUOTE, at_ms=providers_ms).status_code == 200
    simulator.control("scenario", method="DELETE")
    assert simulator.ask(QUOTES, QUOTE).status_code == 200


def test_history_lags_shows_what_was(simulator: Process) -> None:
    order_id = simulator.open()
    time.sleep(1.1)
    simulator.move(order_id, 2)
    younger = simulator.open()
    simulator.scenario("history_lags", value="1")
    behind = {order["orderId"]: order["status"] for order in simulator.data(HISTORY)}
    assert behind == {order_id: 0}
    current = {order["orderId"]: order["status"] for order in simulator.data(HISTORY)}
    assert current == {order_id: 2, younger: 0}
