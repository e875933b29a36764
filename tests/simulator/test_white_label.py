"""The white-label line: identity, limits and transactions for the merchant's own screens."""

from typing import Any

from tests.simulator.process import SECRET, Process, Receiver, eventually

WHITE_LABEL = "/onramp/api/v2/whiteLabel"
CUSTOMER = {
    "email": "ada@example.test",
    "phoneNumber": "+91-9999999999",
    "clientCustomerId": "client1",
    "type": "INDIVIDUAL",
}
PURCHASE = {"coinCode": "usdt", "network": "matic20", "fiatAmount": 1000, "fiatType": 1}


def register(simulator: Process, **more: Any) -> Any:
    return simulator.data(f"{WHITE_LABEL}/kyc/url", {**CUSTOMER, **more})


def page(simulator: Process, url: str) -> str:
    return url.replace("localhost", "127.0.0.1")


def status(simulator: Process, customer_id: str) -> Any:
    found = simulator.data(f"{WHITE_LABEL}/kyc/status", {"customerId": customer_id})
    return found if isinstance(found, str) else found["status"]


def change(simulator: Process, customer_id: str, to: str) -> None:
    simulator.data(f"{WHITE_LABEL}/test/changeKycStatus", {"customerId": customer_id, "status": to})


def test_a_new_customer_must_log_in(simulator: Process) -> None:
    answer = register(simulator)
    assert set(answer) == {"kycUrl", "customerId", "clientCustomerId", "signature"}
    path = f"{WHITE_LABEL}/kyc/status"
    assert simulator.data(path, {"customerId": answer["customerId"]}) == "LOGIN_REQUIRED"


def test_a_known_phone_names_the_customer(simulator: Process) -> None:
    customer_id = register(simulator)["customerId"]
    answer = simulator.ask(f"{WHITE_LABEL}/kyc/url", CUSTOMER)
    assert answer.status_code == 400
    assert answer.json()["data"] == {"customerId": customer_id}
    renewed = simulator.data(f"{WHITE_LABEL}/kyc/url", {"customerId": customer_id, "type": "INDIVIDUAL"})
    assert renewed["customerId"] == customer_id


def test_the_identity_page_walks_a_person_through(simulator: Process, receiver: Receiver) -> None:
    answer = register(simulator, kycRedirectUrl="http://127.0.0.1:9/back")
    url = page(simulator, answer["kycUrl"])
    assert "one-time code" in simulator.client.get(url).text
    simulator.client.post(url, data={"status": "OTP_COMPLETED"})
    assert status(simulator, answer["customerId"]) == "OTP_COMPLETED"
    done = simulator.client.post(url, data={"status": "BASIC_KYC_COMPLETED"})
    assert (done.status_code, done.headers["location"]) == (303, "http://127.0.0.1:9/back")
    assert status(simulator, answer["customerId"]) == "BASIC_KYC_COMPLETED"
    last = receiver.wait_for(2)[1]
    assert last.is_signed_with(SECRET)
    assert last.body["referenceId"] == "client1"
    metadata = last.body["metadata"]
    assert set(metadata) == {"customerId", "eventId", "eventCreatedAt"}
    assert metadata["customerId"] == answer["customerId"]
    assert last.signed == last.body  # This line's header is the body itself.
    assert last.body["eventType"].lower() == "kyc"


def test_the_identity_page_needs_its_signature(simulator: Process) -> None:
    url = page(simulator, register(simulator)["kycUrl"])
    assert simulator.client.get(url[:-4]).status_code == 403
    assert simulator.client.post(url[:-4], data={"status": "COMPLETED"}).status_code == 400
    assert simulator.client.post(url, data={"status": "NONSENSE"}).status_code == 400


def test_a_rejected_check_ends_in_failure(simulator: Process) -> None:
    customer_id = register(simulator)["customerId"]
    simulator.scenario("kyc_rejected")
    change(simulator, customer_id, "OTP_COMPLETED")
    assert status(simulator, customer_id) == "OTP_COMPLETED"
    change(simulator, customer_id, "COMPLETED")
    assert status(simulator, customer_id) == "PERMANENT_FAILED"
    change(simulator, customer_id, "COMPLETED")
    assert status(simulator, customer_id) == "COMPLETED"


def test_a_transaction_needs_a_login_and_then_walks(simulator: Process, receiver: Receiver) -> None:
    customer_id = register(simulator)["customerId"]
    body = {**PURCHASE, "customerId": customer_id, "walletAddress": "0x" + "cd" * 20}
    path = f"{WHITE_LABEL}/onramp/createTransaction"
    answer = simulator.ask(path, body)
    assert (answer.status_code, answer.json()["error"]) == (403, "Please login before raising this request")
    change(simulator, customer_id, "BASIC_KYC_COMPLETED")
    transaction_id = simulator.data(path, body)["transactionId"]
    asked = {"customerId": customer_id, "transactionId": transaction_id}

    def finished() -> bool:
        found = simulator.data(f"{WHITE_LABEL}/onramp/transaction", asked)
        return bool(found["status"] == "ON_CHAIN_COMPLETED" and found["transactionHash"])

    eventually(finished)
    statuses = [arrival.body["status"] for arrival in receiver.wait_for(5)[1:]]
    assert [text.replace(" ", "_") for text in statuses] == [
        "FIAT_DEPOSIT_RECEIVED",
        "TRADE_COMPLETED",
        "ON_CHAIN_INITIATED",
        "ON_CHAIN_COMPLETED",
    ]
    assert simulator.history() == []


def test_a_transaction_can_fail_with_its_reason(simulator: Process, receiver: Receiver) -> None:
    customer_id = register(simulator)["customerId"]
    change(simulator, customer_id, "COMPLETED")
    body = {**PURCHASE, "customerId": customer_id, "walletAddress": "0x" + "cd" * 20}
    transaction_id = simulator.data(f"{WHITE_LABEL}/onramp/createTransaction", body)["transactionId"]
    path = f"{WHITE_LABEL}/test/changeOnrampStatus"
    assert simulator.data(path, {"transactionId": transaction_id, "status": "FAILED"})["status"] == "FAILED"
    failed = eventually(lambda: [a.body for a in receiver.arrivals if a.body["status"] == "FAILED"])
    assert failed[0]["metadata"]["failure_reasons"]


def test_limits_and_quotes_are_the_customers(simulator: Process) -> None:
    customer_id = register(simulator)["customerId"]
    before = simulator.data(f"{WHITE_LABEL}/user/limit", {"customerId": customer_id, "fiatType": 1})
    assert before["onrampLimit"] > 0
    assert before["monthlyLimitUsedOnramp"] == 0
    quote = simulator.data(f"{WHITE_LABEL}/onramp/quote", {**PURCHASE, "customerId": customer_id})
    assert 0 < quote["quantity"] < 1000 / quote["rate"]
    for path in ("user/limit", "onramp/quote", "kyc/status", "onramp/transaction"):
        assert simulator.ask(f"{WHITE_LABEL}/{path}", {"customerId": "nobody"}).status_code == 400


def test_a_check_can_have_to_be_tried_again(simulator: Process) -> None:
    customer_id = register(simulator)["customerId"]
    simulator.scenario("kyc_resubmit")
    change(simulator, customer_id, "COMPLETED")
    assert status(simulator, customer_id) == "TEMPORARY_FAILED"
    change(simulator, customer_id, "COMPLETED")
    assert status(simulator, customer_id) == "COMPLETED"


def test_a_slow_check_is_in_review_first(simulator: Process, receiver: Receiver) -> None:
    customer_id = register(simulator)["customerId"]
    simulator.scenario("kyc_slow", value="0.3")
    change(simulator, customer_id, "BASIC_KYC_COMPLETED")
    assert status(simulator, customer_id) == "IN_REVIEW"
    eventually(lambda: status(simulator, customer_id) == "BASIC_KYC_COMPLETED")
    assert [arrival.body["status"] for arrival in receiver.wait_for(2)] == [
        "IN_REVIEW",
        "BASIC_KYC_COMPLETED",
    ]
