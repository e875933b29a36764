"""The Python client: generated from the current API, and careful about what it retries."""

import json
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from wallet_client import Wallet, WalletError, is_genuine_return

from onramp_app.links.returns import Result, return_address
from tests.ports import free_port

KEY = "amk_canary_key"
DEBIT = {"user_id": "u", "amount": "5", "asset": "USDT"}


class Answers:
    """A server that gives these answers in turn, and keeps the requests."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.asked: list[tuple[str, str, Any]] = []
        kept = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                assert self.headers["Authorization"] == f"Bearer {KEY}"
                kept.asked.append((self.command, self.path, json.loads(body) if body else None))
                status, content = kept.answers.pop(0)
                if status == 0:  # no answer at all
                    self.close_connection = True
                    return
                text = json.dumps(content).encode()
                self.send_response(status)
                kind = "application/json" if status < 400 else "application/problem+json"
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_POST = do_PATCH = do_DELETE = do_GET  # noqa: N815 - the names that the library calls

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", free_port()), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def answers() -> Iterator[Answers]:
    found = Answers()
    serving = threading.Thread(target=found.server.serve_forever)
    serving.start()
    yield found
    found.server.shutdown()
    serving.join()
    found.server.server_close()


@pytest.fixture
def wallet(answers: Answers) -> Iterator[Wallet]:
    with Wallet(answers.url, KEY, timeout_seconds=2, tries=2) as client:
        yield client


def test_the_client_is_that_of_the_api(project_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(project_dir / "clients" / "python"))
    import generate

    document = generate.document()
    assert generate.TARGET.read_text() == generate.written(document)
    # A different API results in a different client.
    document["components"]["schemas"]["DebitRequest"]["required"].append("description")
    assert generate.TARGET.read_text() != generate.written(document)
    sys.modules.pop("generate")


def test_what_is_left_out_is_not_sent(wallet: Wallet, answers: Answers) -> None:
    answers.answers = [(201, {"id": "d"}), (200, {"items": []})]
    assert wallet.debits.create(**DEBIT, reference="o-1") == {"id": "d"}
    wallet.debits.list_debits(user_id="a/b&c")
    assert answers.asked == [
        ("POST", "/api/debits", {**DEBIT, "reference": "o-1"}),
        ("GET", "/api/debits?user_id=a%2Fb%26c", None),
    ]


def test_to_change_something_null_is_sent_and_what_is_left_out_is_not(
    wallet: Wallet, answers: Answers
) -> None:
    answers.answers = [(200, {}), (200, {})]
    wallet.users.change("u", balance_low=None)
    wallet.webhook_endpoints.change("e", is_enabled=True)
    assert [body for _, _, body in answers.asked] == [{"balance_low": None}, {"is_enabled": True}]


def test_an_id_stays_one_part_of_the_path(wallet: Wallet, answers: Answers) -> None:
    answers.answers = [(200, {})]
    wallet.debits.read("../users?external_id=x")
    assert [path for _, path, _ in answers.asked] == ["/api/debits/..%2Fusers%3Fexternal_id%3Dx"]


@pytest.mark.parametrize("first", [0, 429, 502, 503, 504])
def test_a_request_with_a_reference_is_sent_again(wallet: Wallet, answers: Answers, first: int) -> None:
    answers.answers = [(first, {}), (200, {"id": "d"})]
    assert wallet.debits.create(**DEBIT, reference="o-1") == {"id": "d"}
    assert answers.asked[0] == answers.asked[1]


@pytest.mark.parametrize(
    ("first", "is_repeated"), [(0, False), (502, False), (503, False), (504, False), (429, True)]
)
def test_without_one_only_what_was_refused_is(
    wallet: Wallet, answers: Answers, first: int, is_repeated: bool
) -> None:
    answers.answers = [(first, {}), (201, {"id": "l"})]
    if is_repeated:
        assert wallet.links.create(user_id="u") == {"id": "l"}
    else:
        with pytest.raises((WalletError, httpx.TransportError)):
            wallet.links.create(user_id="u")
    assert len(answers.asked) == 1 + is_repeated


def test_to_delete_what_a_lost_try_has_deleted_is_done(wallet: Wallet, answers: Answers) -> None:
    answers.answers = [(503, {}), (404, {"code": "not_found"}), (404, {"code": "not_found"})]
    wallet.webhook_endpoints.remove("e")
    with pytest.raises(WalletError, match="not_found"):
        wallet.webhook_endpoints.remove("e")


def test_a_refusal_says_its_code_and_never_the_key(wallet: Wallet, answers: Answers) -> None:
    problem = {"status": 409, "code": "insufficient_funds", "detail": "There is not enough."}
    answers.answers = [(409, problem), (404, "no JSON object")]
    with pytest.raises(WalletError) as refused:
        wallet.debits.create(**DEBIT, reference="o-1")
    assert (refused.value.status, refused.value.code) == (409, "insufficient_funds")
    assert refused.value.problem == problem
    with pytest.raises(WalletError) as unknown:
        wallet.debits.read("d")
    assert (unknown.value.status, unknown.value.code) == (404, "unknown")
    assert KEY not in repr(refused.value) + str(unknown.value)
    assert len(answers.asked) == 2


def test_a_return_is_genuine_as_it_was_signed_only() -> None:
    result = Result("link", "settled", datetime(2026, 1, 31, tzinfo=UTC), "top-up", "11.25", "USDT")
    address = return_address("https://shop.example.com/paid?order=7", result, secret="5f" * 32)
    query = dict(parse_qsl(urlsplit(address).query, keep_blank_values=True))
    assert is_genuine_return(query, "5f" * 32)
    assert not is_genuine_return(query, "5e" * 32)
    forged = dict(parse_qsl(urlsplit(return_address("https://x", result, secret="")).query))
    assert not is_genuine_return(forged, "")
    for name in ("link_id", "top_up_id", "status", "amount", "asset", "at", "signature"):
        assert not is_genuine_return({**query, name: query[name] + "0"}, "5f" * 32), name
        assert not is_genuine_return({**query, name: "é"}, "5f" * 32), name
