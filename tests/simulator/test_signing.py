"""The signature, against the documentation's test vectors and with wrong keys, times and bodies."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from onramp_app.simulator.signing import encoded, sign

VECTORS = json.loads(
    (Path(__file__).parent.parent / "fixtures" / "onramp" / "signature_vectors.json").read_text()
)["vectors"]
QUOTES = "/onramp/api/v2/common/transaction/quotes"
QUOTE = {"coinCode": "usdt", "network": "matic20", "fiatAmount": 200, "fiatType": 1, "type": 1}


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_vectors_are_signed_as_published(vector: dict[str, str]) -> None:
    assert sign(vector["secret"], vector["payload"]) == vector["signature"]
    assert sign(vector["secret"] + "x", vector["payload"]) != vector["signature"]


def test_payload_is_the_compact_json_of_the_vector() -> None:
    vector = VECTORS[0]
    content = json.loads(vector["json"])
    assert encoded({"timestamp": content["timestamp"], "body": content["body"]}) == vector["payload"]


def refused(answer: Any, code: int, error: str) -> None:
    assert answer.status_code == code
    assert answer.json() == {"status": 0, "code": code, "error": error}


def test_a_right_signature_is_accepted(simulator: Any) -> None:
    assert simulator.ask(QUOTES, QUOTE).status_code == 200


def test_a_wrong_secret_is_refused(simulator: Any) -> None:
    refused(simulator.ask(QUOTES, QUOTE, secret="wrong"), 401, "Invalid signature")


def test_a_wrong_key_is_refused(simulator: Any) -> None:
    refused(simulator.ask(QUOTES, QUOTE, key="wrong"), 401, "Invalid API key")


def test_missing_headers_are_refused(simulator: Any) -> None:
    answer = simulator.client.post(simulator.base + QUOTES, json=QUOTE)
    refused(answer, 401, "Missing authentication headers")


def test_a_time_ahead_of_the_clock_is_refused(simulator: Any) -> None:
    refused(simulator.ask(QUOTES, QUOTE, at_ms=int(time.time() * 1000) + 60_000), 401, "Ahead of Time")


def test_an_old_time_is_accepted(simulator: Any) -> None:
    assert simulator.ask(QUOTES, QUOTE, at_ms=int(time.time() * 1000) - 86_400_000).status_code == 200


def test_a_body_that_differs_from_the_signed_one_is_refused(simulator: Any) -> None:
    answer = simulator.ask(QUOTES, QUOTE, sent_body={**QUOTE, "fiatAmount": 300})
    refused(answer, 400, "Request body differs from the signed body")


def test_the_next_secret_is_valid_while_rotating(simulator: Any) -> None:
    assert simulator.ask(QUOTES, QUOTE, secret="simulator-secret-next").status_code == 200


def test_plain_headers_belong_to_the_white_label_line_only(simulator: Any) -> None:
    refused(simulator.ask(QUOTES, QUOTE, style="{}"), 401, "Missing authentication headers")
    answer = simulator.ask("/onramp/api/v2/whiteLabel/kyc/status", {"customerId": "nobody"}, style="{}")
    refused(answer, 400, "Customer does not exist")


@pytest.mark.parametrize("payload", ["%%%", "bm90IGpzb24=", "W10=", "eyJ0aW1lc3RhbXAiOiJ4In0=", "e30="])
def test_signed_nonsense_is_refused_and_never_breaks_the_server(simulator: Any, payload: str) -> None:
    headers = {"X-ONRAMP-APIKEY": "simulator-key", "X-ONRAMP-PAYLOAD": payload}
    headers["X-ONRAMP-SIGNATURE"] = sign("simulator-secret", payload)
    answer = simulator.client.post(simulator.base + QUOTES, json={}, headers=headers)
    assert answer.status_code == 400


def test_a_body_over_the_limit_is_refused(simulator: Any) -> None:
    assert simulator.client.post(simulator.base + QUOTES, content=b"x" * 70_000).status_code == 413
