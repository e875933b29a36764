"""The signatures of webhooks: documented vectors, rotation of the secret, and mutations that are refused."""

import base64
import hmac
import json
import os
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp_app.providers.errors import Refusal, WebhookRefused
from onramp_app.providers.onramp.webhook import WebhookSecrets, translate, verify
from onramp_app.providers.status import Flow
from onramp_app.providers.webhooks import (
    EventKind,
    EventLine,
    OrderHint,
    SecretUsed,
    VerifiedHeader,
    WebhookEvent,
)
from tests.providers.webhook_mutations import SECRETS, Verifier, pair_of, run, sign

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NOW_MS = 1767225600000


def refusal_of(payload: bytes | None, signature: bytes | None) -> Refusal:
    with pytest.raises(WebhookRefused) as refused:
        verify(payload, signature, secrets=SECRETS)
    assert (refused.value.status, refused.value.code) == (401, "unauthenticated")
    return refused.value.reason


def test_both_secrets_are_accepted_and_named() -> None:
    for secret, used in (("current-secret", SecretUsed.CURRENT), ("previous-secret", SecretUsed.PREVIOUS)):
        payload, signature = pair_of({"timestamp": 1, "body": {"orderId": 1}}, secret)
        found = verify(payload, signature, secrets=SECRETS)
        assert (found.secret, found.payload) == (used, payload)
        assert json.loads(found.content)["body"] == {"orderId": 1}


def test_the_old_secret_is_refused_when_the_rotation_is_over() -> None:
    payload, signature = pair_of({}, "previous-secret")
    with pytest.raises(WebhookRefused):
        verify(payload, signature, secrets=WebhookSecrets("current-secret"))


def test_the_documented_vectors_verify(sample: Any) -> None:
    for vector in sample("signature_vectors.json")["vectors"]:
        secrets = WebhookSecrets(vector["secret"])
        found = verify(vector["payload"].encode(), vector["signature"].encode(), secrets=secrets)
        assert found.content.decode() == vector["json"]


def test_each_refusal_has_its_reason() -> None:
    payload, signature = pair_of({"body": {}})
    signed = {text: sign(text, "current-secret") for text in (b"abc", b"abc=\n", b"a-_=", b"YR==", b"Y Q=")}
    assert refusal_of(None, signature) is refusal_of(b"", signature) is Refusal.PAYLOAD_MISSING
    assert refusal_of(payload, None) is refusal_of(payload, b"") is Refusal.SIGNATURE_MISSING
    assert refusal_of(b"A" * 32772, signature) is Refusal.PAYLOAD_TOO_LARGE
    assert refusal_of(payload, signature + b"0") is Refusal.SIGNATURE_WRONG_LENGTH
    assert refusal_of(payload, signature.upper()) is Refusal.SIGNATURE_NOT_LOWER_HEX
    assert refusal_of(payload, b"g" + signature[1:]) is Refusal.SIGNATURE_NOT_LOWER_HEX
    assert {refusal_of(text, mac) for text, mac in signed.items()} == {Refusal.PAYLOAD_NOT_BASE64}
    assert refusal_of(payload, b"0" * 128) is Refusal.SIGNATURE_WRONG
    assert refusal_of(base64.b64encode(b"other"), signature) is Refusal.SIGNATURE_WRONG


def test_secrets_tell_nothing_about_themselves() -> None:
    assert "secret" not in repr(SECRETS).replace("Secrets", "")


@given(st.binary(max_size=300) | st.none(), st.binary(max_size=300) | st.none())
def test_arbitrary_bytes_are_refused_with_our_error(payload: bytes | None, signature: bytes | None) -> None:
    assert isinstance(refusal_of(payload, signature), Refusal)


def prefix_only(payload: bytes | None, signature: bytes | None) -> object:
    """The control: a verifier that compares only the first half of the signature."""
    if not payload or not signature:
        raise WebhookRefused(Refusal.SIGNATURE_MISSING)
    for secret in ("current-secret", "previous-secret"):
        if hmac.compare_digest(sign(payload, secret)[:64], signature[:64]):
            return secret
    raise WebhookRefused(Refusal.SIGNATURE_WRONG)


def any_case(payload: bytes | None, signature: bytes | None) -> object:
    """A control: a verifier that ignores case and surrounding whitespace in the signature."""
    return verify(payload, signature.strip().lower() if signature else None, secrets=SECRETS)


def careless(payload: bytes | None, signature: bytes | None) -> object:
    """A control: a verifier that decodes before it verifies, and so crashes on hostile bytes."""
    json.loads(base64.b64decode(payload or b"").decode())
    return verify(payload, signature, secrets=SECRETS)


def our_verifier(payload: bytes | None, signature: bytes | None) -> object:
    return verify(payload, signature, secrets=SECRETS)


@pytest.mark.parametrize("broken", [prefix_only, any_case, careless])
def test_the_mutations_catch_broken_verifiers(broken: Verifier) -> None:
    tally = run(broken, seed=7, trials=5_000)
    assert tally.accepted + tally.foreign > 0


@pytest.mark.parametrize(
    "trials", [pytest.param(20_000, id="short"), pytest.param(200_000, id="full", marks=pytest.mark.full)]
)
def test_mutations_are_refused(trials: int) -> None:
    """0 in 200,000 bounds the rate at 1.5 in 100,000; MUTATION_SEED repeats a run."""
    seed = int(os.environ.get("MUTATION_SEED", random.randrange(2**32)))
    tally = run(our_verifier, seed=seed, trials=trials)
    assert (tally.accepted, tally.foreign) == (0, 0), f"MUTATION_SEED={seed}: {tally.example}"
    # The trials are only meaningful if they reach every check, above all the comparison.
    assert set(tally.reasons) == set(Refusal), f"MUTATION_SEED={seed}: {tally.reasons}"
    assert tally.reasons[Refusal.SIGNATURE_WRONG] > trials * 0.3, f"MUTATION_SEED={seed}: {tally.reasons}"


def header(content: object) -> VerifiedHeader:
    payload, signature = pair_of(content)
    return verify(payload, signature, secrets=SECRETS)


def event_of(content: object, body: object = b"", **options: Any) -> WebhookEvent:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return translate(header(content), raw, received_at=NOW, **options)


def test_the_documented_sample_is_read_from_the_signed_header(sample: Any) -> None:
    body = sample("webhook_buy.json")
    event = event_of({"timestamp": NOW_MS, "body": body}, body)
    assert (event.line, event.kind, event.is_signed, event.differs) == (
        EventLine.WIDGET,
        EventKind.BUY,
        True,
        False,
    )
    assert event.signed_at == NOW
    created = datetime.fromisoformat(body["createdAt"])
    assert event.order == OrderHint("9", Flow.BUY, body["fiatType"], created, "13422")
    assert event.status_text == "4"
    assert event.body == json.loads(json.dumps(body), parse_float=Decimal)


def test_without_a_signed_body_the_http_body_is_only_an_unsigned_hint(sample: Any) -> None:
    body = sample("webhook_buy.json")
    for content in ({"timestamp": NOW_MS}, {"timestamp": NOW_MS, "body": {}}, {}, [], "text", 7, None):
        event = event_of(content, body)
        assert (event.order_id, event.is_signed, event.differs) == ("9", False, False)
    opaque = base64.b64encode(b"\xff\x00 not json")
    event = translate(
        verify(opaque, sign(opaque, "current-secret"), secrets=SECRETS),
        json.dumps(body).encode(),
        received_at=NOW,
    )
    assert (event.order_id, event.is_signed) == ("9", False)


def test_the_signed_header_wins_over_a_body_that_differs() -> None:
    signed = {"orderId": 1, "status": 4}
    for body in ({"orderId": 2, "status": 4}, {"orderId": 1, "status": 5}, b"{", b"[]", b"x" * 70_000):
        event = event_of({"body": signed}, body)
        assert (event.order_id, event.is_signed, event.differs) == ("1", True, True)
    assert not event_of({"body": signed}, {"status": 4, "orderId": 1}).differs
    assert not event_of({"body": signed}, b"").differs


def test_a_body_as_text_and_an_event_without_an_envelope_are_read_too() -> None:
    assert event_of({"timestamp": "1767225600000", "body": '{"orderId":"5"}'}).order_id == "5"
    event = event_of({"orderId": 6, "status": 4})
    assert (event.order_id, event.is_signed) == ("6", True)


def test_an_old_timestamp_is_marked_and_not_refused() -> None:
    def is_old(timestamp: object, seconds: int | None) -> bool:
        age = None if seconds is None else timedelta(seconds=seconds)
        return event_of({"timestamp": timestamp, "body": {"orderId": 1}}, max_age=age).is_old

    assert is_old(NOW_MS - 301_000, 300)
    assert is_old(str(NOW_MS - 301_000), 300)
    assert not is_old(NOW_MS - 299_000, 300)
    assert not is_old(0, None)
    assert not is_old("yesterday", 300)
    assert not is_old(10**40, 300)


def test_numbers_and_texts_nulls_and_unknown_fields_are_all_taken() -> None:
    event = event_of(
        {
            "body": {
                "orderId": "77",
                "status": "4",
                "paymentType": "2",
                "actualCryptoAmount": "0.880",
                "gasFee": None,
                "merchantRecognitionId": None,
                "referenceId": None,
                "fiatType": "1",
                "eventType": "OnRamp",
                "appId": 1,
                "somethingNew": {"deep": [1.5]},
            }
        }
    )
    assert event.order == OrderHint("77", Flow.BUY, 1, None, None)
    assert (event.kind, event.status_text) == (EventKind.BUY, "4")


def test_whatever_the_status_is_the_order_is_named() -> None:
    for status in (99, "99", "SOMETHING", None, [4], {"a": 1}):
        event = event_of({"body": {"orderId": 1, "status": status}})
        assert (event.order_id, event.kind) == ("1", EventKind.BUY)


@pytest.mark.parametrize("event_type", ["offramp", "OFFRAMP", " OffRamp "])
def test_a_sale_has_its_own_flow(event_type: str) -> None:
    event = event_of({"body": {"orderId": 1, "status": 4, "eventType": event_type}})
    assert (event.kind, event.order) == (EventKind.SELL, OrderHint("1", Flow.SELL, None, None, None))


def test_a_partners_sale_asks_for_coins_and_gets_none() -> None:
    """The partner flow for selling: a person chose to sell, and the partner would have to send the coins."""
    event = event_of({"body": {"token": "USDT", "quantity": "25", "merchantRecognitionId": "r1"}})
    assert (event.kind, event.order, event.order_id) == (EventKind.UNKNOWN, None, None)


@pytest.mark.parametrize("event_type", ["swap", "", 7, None])
def test_an_unknown_event_is_kept_without_an_order(event_type: object) -> None:
    event = event_of({"body": {"referenceId": "r", "eventType": event_type, "x": 1}})
    assert (event.kind, event.order, event.order_id) == (EventKind.UNKNOWN, None, None)


def test_white_label_orders_are_named_by_their_envelope() -> None:
    known = {"orderId": "X", "status": "FAILED", "fiatType": 3, "merchantRecognitionId": "r"}
    content = {"referenceId": "T1", "eventType": "ONRAMP", "status": "TRADE COMPLETED", "metadata": known}
    event = event_of({"body": content})
    assert (event.line, event.kind) == (EventLine.WHITE_LABEL, EventKind.BUY)
    assert (event.status_text, event.order) == ("TRADE COMPLETED", OrderHint("T1", Flow.BUY, 3, None, "r"))


@pytest.mark.parametrize("event_type", ["kyc", "KYC", "Kyc"])
def test_kyc_events_name_our_person_and_theirs(event_type: str) -> None:
    content = {
        "referenceId": "ours",
        "eventType": event_type,
        "status": "IN_REVIEW",
        "metadata": {"customerId": "C"},
    }
    event = event_of({"body": content})
    assert (event.kind, event.status_text, event.order) == (EventKind.KYC, "IN_REVIEW", None)
    assert (event.client_customer_id, event.customer_id) == ("ours", "C")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["orderId", "status", "eventType", "metadata", "referenceId", "body", "createdAt"]
            )
            | st.text(max_size=4),
            inner,
            max_size=6,
        )
    ),
    max_leaves=15,
)


@given(json_values, st.binary(max_size=80) | json_values.map(lambda value: json.dumps(value).encode()))
def test_translating_never_raises(content: Any, body: bytes) -> None:
    event = translate(header({"timestamp": content, "body": content}), body, received_at=NOW)
    assert isinstance(event, WebhookEvent)
    assert event.order is None or event.order.order_id == event.order_id
    assert isinstance(translate(header(content), body, received_at=NOW, max_age=timedelta(1)), WebhookEvent)


def test_deep_nesting_is_an_event_without_an_order() -> None:
    deep = base64.b64encode(b'{"body":' * 3_000)
    event = translate(
        verify(deep, sign(deep, "current-secret"), secrets=SECRETS), b"[" * 60_000, received_at=NOW
    )
    assert (event.order, event.body) == (None, None)
