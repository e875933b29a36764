"""`webhooks-out`: endpoints' answers, their state, and redelivery, by exit status and JSON."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import standardwebhooks
from typer.testing import CliRunner

from onramp_app.__main__ import app
from onramp_app.db import engine
from onramp_app.outgoing_webhooks import signing
from tests import rows
from tests.desk import REASON, Desk
from tests.outgoing_webhooks.conftest import happen

ENDPOINT = "0" * 31 + "1"


class Receiver(HTTPServer):
    """A local receiver in a thread, since each command runs its own event loop."""

    status = 200
    got: list[tuple[dict[str, str], bytes]]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((dict(self.headers), body))
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(b"thank you")

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver(("127.0.0.1", 0), _Handler)
    server.got = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def _run(*arguments: str) -> tuple[int, dict[str, object]]:
    done = CliRunner().invoke(app, ("webhooks-out", *arguments, "--json"))
    return done.exit_code, json.loads(done.stdout)


@pytest.fixture
async def secret(desk: Desk, receiver: Receiver) -> str:
    """The secret of an endpoint that has missed three webhooks."""
    owner, user_id = desk.books.owner, desk.books.user()
    secret = signing.new_secret()
    rows.keyless_program(owner, "shop", knows=user_id)
    rows.webhook_endpoint(
        owner,
        "shop",
        id=ENDPOINT,
        url=f"http://127.0.0.1:{receiver.server_port}/",
        sealed_secret=signing.seal(secret, endpoint_id=ENDPOINT),
    )
    for number in range(3):
        await happen(user_id, of=f"top_up:{number}")
    owner.execute("UPDATE outgoing_deliveries SET state = 'failed', ended_at = now()")
    await engine.dispose()  # Each command runs its own event loop.
    return signing.written(secret)


def test_an_operator_looks_tries_and_sends_again(desk: Desk, receiver: Receiver, secret: str) -> None:
    owner = desk.books.owner
    status, document = _run("list")
    (line,) = document["items"]  # type: ignore[misc]
    assert (status, line["program"], line["deliveries"]) == (0, "shop", {"waiting": 0, "failed": 3})  # type: ignore[index]

    status, document = _run("send-test", ENDPOINT)
    assert (status, document["status"], document["answer"]) == (0, 200, "thank you")
    headers, body = receiver.got[0]
    tried = standardwebhooks.Webhook(secret).verify(body, headers)
    assert (tried["type"], tried["data"]) == ("webhook.test", {"endpoint_id": ENDPOINT})
    receiver.status = 500
    assert _run("send-test", ENDPOINT)[0] == 1
    owner.execute("UPDATE webhook_endpoints SET url = 'http://127.0.0.1:9/'")
    status, document = _run("send-test", ENDPOINT)
    assert (status, document["detail"]) == (4, "Nothing was taken: no connection.")
    assert _run("send-test", "0" * 32)[1]["code"] == "not_found"

    def again(*which: str) -> tuple[int, dict[str, object]]:
        mandate = desk.mandate
        given = ("--reason", REASON, "--by", mandate.by, "--code", mandate.code)
        return _run("redeliver", ENDPOINT, *which, *given)

    assert again()[0] == 2
    ((delivery,),) = owner.execute("SELECT id FROM outgoing_deliveries WHERE object = 'top_up:1'").fetchall()
    assert again("--delivery", delivery) == (0, {"redelivered": 1})
    assert again("--all-failed") == (0, {"redelivered": 2})
    assert owner.execute("SELECT DISTINCT state FROM outgoing_deliveries").fetchall() == [("waiting",)]
    assert [line for line in desk.audit() if line[1] == "webhook.redelivered"] == [
        (desk.operator_id, "webhook.redelivered", ENDPOINT)
    ] * 2


def test_an_operator_disables_an_endpoint_for_good(desk: Desk, secret: str) -> None:
    owner = desk.books.owner

    def disable(endpoint: str) -> tuple[int, object]:
        mandate = desk.mandate
        given = ("--reason", REASON, "--by", mandate.by, "--code", mandate.code)
        status, document = _run("disable", endpoint, *given)
        return status, document.get("code", document)

    assert disable("0" * 32) == (1, "not_found")
    assert disable(ENDPOINT) == (0, {"disabled": ENDPOINT})
    assert disable(ENDPOINT) == (1, "action_not_possible")
    assert owner.execute("SELECT disabled_because FROM webhook_endpoints").fetchall() == [("operator",)]
    assert desk.audit() == [(desk.operator_id, "webhook_endpoint.disabled", ENDPOINT)]


def test_to_a_program_without_a_key_nothing_is_sent_again(desk: Desk, secret: str) -> None:
    desk.books.owner.execute("UPDATE api_keys SET ends_at = now()")
    ((line,),) = (_run("list")[1]["items"],)  # type: ignore[misc]
    assert line["has_key"] is False  # type: ignore[index]
    mandate = desk.mandate
    given = ("--all-failed", "--reason", REASON, "--by", mandate.by, "--code", mandate.code)
    status, document = _run("redeliver", ENDPOINT, *given)
    assert (status, document["code"]) == (1, "endpoint_disabled")
