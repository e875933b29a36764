"""Documents, birth dates and identity numbers, planted wherever the line can carry them, are stored nowhere.

A fake provider answers as the white-label line does, with identity data in every field that it has and in
some that it does not. Afterwards every column of every table and every log line is searched.
"""

import base64
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from onramp_app.config import get_settings
from onramp_app.provider_orders import inbox, walks
from onramp_app.providers import connection
from onramp_app.providers.onramp import kept_webhooks
from onramp_app.verification import reader
from tests.log_lines import log_lines
from tests.money import Wallet
from tests.people import Person
from tests.signed_webhooks import PATH, signed
from tests.verification.conftest import PHONE

PLANTED = {
    "name": "Asha Venkataraman",
    "birth": "1990-02-28",
    "birth_words": "28 February 1990",
    "document": "ABCDE1234F",
    "number": "4321 8765 2109",
    "picture": "iVBORw0KGgoAAAANSUhEUgPLANTED",
    "street": "14 Harbour Lane",
}
DIGITS = "9999999999"  # of the phone number
ALL = json.dumps(PLANTED)


def planted(**members: Any) -> dict[str, Any]:
    """Return the fields plus the planted texts, nested in every way that JSON has."""
    return {**members, **PLANTED, "documents": [PLANTED, [ALL]], "kyc": {"deep": {"deeper": PLANTED}}}


class Provider:
    """Answers the line's calls; what it says about a person is up to the test."""

    def __init__(self) -> None:
        self.status: Any = planted(status="IN_REVIEW", updatedAt=PLANTED["birth"])
        self.refuses_with: dict[str, Any] | None = None
        self.asked: list[dict[str, Any]] = []
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(1692864725606)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                provider.asked.append(body)
                if self.path.endswith("/kyc/status"):
                    self._answer(provider.status)
                elif provider.refuses_with is not None and "customerId" not in body:
                    self._send(400, {"status": 0, "code": 400, **provider.refuses_with})
                else:
                    link = {"kycUrl": "http://localhost:1/main/kyc/?x=1", "customerId": "CUST_1"}
                    named = body.get("clientCustomerId", "another merchant's " + PLANTED["name"])
                    self._answer(planted(**link, clientCustomerId=named, signature=ALL))

            def _answer(self, data: Any) -> None:
                self._send(200, {"status": 1, "code": 200, "data": data})

            def _send(self, status: int, document: Any) -> None:
                content = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
async def provider(wallet: Wallet, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Provider()
    await connection.close()
    monkeypatch.setenv("ONRAMP_WHITE_LABEL", "on")
    monkeypatch.setenv("ONRAMP_API_URL", made.url)
    get_settings.cache_clear()
    yield made
    await connection.close()
    await inbox.close()
    made.close()


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with log_lines(monkeypatch, level="debug") as output:
        yield output


def found_in(database_url: str) -> list[str]:
    """Return every column that contains a planted text: as text, JSON or bytes, or in base64 within those."""
    marks = [*PLANTED.values(), DIGITS]
    hits = []
    with psycopg.connect(database_url, autocommit=True) as owner:
        columns = owner.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'public' ORDER BY 1, 2"
        ).fetchall()
        assert len(columns) > 200, "the control: this is the whole database"
        for table, column, kind in columns:
            for (value,) in owner.execute(f'SELECT "{column}" FROM "{table}"'.encode()).fetchall():
                text = bytes(value) if kind == "bytea" and value is not None else str(value).encode()
                if any(mark.encode() in seen for mark in marks for seen in _readings(text)):
                    hits.append(f"{table}.{column}")
    return sorted(set(hits))


def _readings(text: bytes) -> Iterator[bytes]:
    yield text
    try:
        yield base64.b64decode(text, validate=True)
    except ValueError:
        return


async def _send(client: httpx.AsyncClient, event: object, *, proved: bool = True, body: Any = None) -> int:
    headers = signed(event) if proved else {**signed(event), "x-onramp-signature": "0" * 128}
    answer = await client.post(PATH, headers=headers, json=event if body is None else body)
    return answer.status_code


EVENTS: list[Any] = [
    planted(referenceId="f" * 32, eventType="KYC", status="IN_REVIEW", metadata=planted(customerId="CUST_1")),
    planted(referenceId=ALL[:60], eventType="kyc", status=PLANTED["birth_words"], metadata=PLANTED),
    planted(referenceId="1", eventType="kyc_updated", status=PLANTED["document"], metadata=ALL),
    planted(referenceId="77", eventType="onramp", status="FIAT_DEPOSIT_RECEIVED", metadata=planted()),
    {"timestamp": 1772349917000, "body": planted(referenceId="f" * 32, eventType="KYC", status="COMPLETED")},
    {"event": "kyc", "person": PLANTED},
]


async def _everything_that_can_carry_it(provider: Provider, wallet: Wallet, ada: Person, bo: Person) -> None:
    start = {"phone": PHONE}
    assert (await wallet.client.post("/api/kyc/start", json=start, headers=ada.headers)).status_code == 200
    while await reader.read_next():
        pass
    for status in (
        planted(status=PLANTED["document"]),
        planted(status=ALL),
        PLANTED["birth_words"],
        planted(status="BASIC_KYC_COMPLETED"),
        [PLANTED],
    ):
        provider.status = status
        wallet.run("UPDATE verification_customers SET due_at = now(), read_at = NULL")
        await reader.read_next()
    for refusal in (planted(error=ALL), planted(error=ALL, data=planted(customerId="CUST_2"))):
        provider.refuses_with = refusal
        answer = await wallet.client.post("/api/kyc/start", json=start, headers=bo.headers)
        assert answer.status_code in (409, 422)
    for event in EVENTS:
        assert await _send(wallet.client, event) == 200
        assert await _send(wallet.client, event, proved=False) == 401
    assert await _send(wallet.client, {"timestamp": 1772349917001}, body=EVENTS[0]) == 200
    order = {"orderId": 1, "status": 4, "eventType": "onramp"}
    assert await _send(wallet.client, order, body=EVENTS[0]) == 200
    await walks.handle_events()
    for path in ("/api/kyc", "/api/auth/me", "/api/auth/events"):
        await wallet.get(ada, path)
    await inbox.close()  # It writes refused webhooks with a delay.


async def test_what_stands_in_documents_is_in_no_table_and_no_log_line(
    provider: Provider, wallet: Wallet, ada: Person, bo: Person, logs: Any
) -> None:
    await _everything_that_can_carry_it(provider, wallet, ada, bo)
    assert any(DIGITS in json.dumps(body) for body in provider.asked), "the control: the phone was passed on"
    assert wallet.count("webhook_events") == len(EVENTS) + 2
    assert wallet.count("webhook_refusals") == len(EVENTS)
    assert wallet.rows("SELECT kyc_status, kyc_tier FROM users WHERE id = %s", ada.id) == [
        ("approved", "basic")
    ]
    assert found_in(wallet.database_url) == []
    text = logs.getvalue()
    assert '"provider_call"' in text, "the control: this is where the log lines are"
    assert [mark for mark in (*PLANTED.values(), DIGITS) if mark in text] == []


async def test_control_what_is_stored_as_it_came_is_found(
    provider: Provider, wallet: Wallet, ada: Person, bo: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broken variant: bytes are stored verbatim, as they are for the widget line."""
    monkeypatch.setattr(kept_webhooks, "_speaks_of_person", lambda *_arguments: False)
    monkeypatch.setattr(kept_webhooks, "_written", lambda _document: ALL.encode())
    await _everything_that_can_carry_it(provider, wallet, ada, bo)
    found = found_in(wallet.database_url)
    assert {"webhook_events.header", "webhook_events.body", "webhook_refusals.body"} <= set(found)


async def test_nothing_that_is_needed_of_such_a_webhook_is_lost(
    provider: Provider, wallet: Wallet, ada: Person
) -> None:
    await wallet.client.post("/api/kyc/start", json={"phone": PHONE}, headers=ada.headers)
    while await reader.read_next():
        pass
    ((client_id,),) = wallet.rows("SELECT client_customer_id FROM verification_customers")
    event = planted(
        referenceId=client_id, eventType="KYC", status="IN_REVIEW", metadata=planted(customerId="CUST_1")
    )
    assert await _send(wallet.client, event) == 200
    assert await _send(wallet.client, event) == 200, "the same one again is the same one"
    assert await _send(wallet.client, {**event, "birth": "1991-01-01"}) == 200, "another one is another one"
    ((header, body), _other) = wallet.rows("SELECT header, body FROM webhook_events ORDER BY id")
    kept = {"eventType": "kyc", "referenceId": client_id, "customerId": "CUST_1", "status": "IN_REVIEW"}
    told = [json.loads(base64.b64decode(header)), json.loads(body)]
    assert [one["kept"] for one in told] == [kept, kept]
    assert [len(one["print"]) for one in told] == [64, 64]
    assert await walks.handle_events() == 2
    assert wallet.rows("SELECT due_at <= now() FROM verification_customers") == [(True,)]
