"""Leaked passwords, looked up on a local server that imitates Have I Been Pwned's range API."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from onramp_app.accounts import leaked
from onramp_app.accounts.passwords import check_new_password
from onramp_app.config import get_settings
from onramp_app.domain.errors import ValidationFailed

LEAKED = "velvet-orchard-93-tide"
DIGEST = hashlib.sha1(LEAKED.encode(), usedforsecurity=False).hexdigest().upper()
PADDED = hashlib.sha1(b"only-padding-61-moss", usedforsecurity=False).hexdigest().upper()


class _Service:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.answer = f"{'0' * 35}:3\r\n{DIGEST[5:]}:12\r\n{PADDED[5:]}:0\r\n".encode()
        self.status = 200


@contextmanager
def _running(service: _Service) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            service.asked.append((self.path, self.headers["Add-Padding"]))
            self.send_response(service.status)
            self.send_header("Content-Length", str(len(service.answer)))
            self.end_headers()
            self.wfile.write(service.answer)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/range"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Service]:
    service = _Service()
    with _running(service) as url:
        monkeypatch.setenv("PWNED_PASSWORDS_URL", url)
        get_settings.cache_clear()
        yield service


async def test_a_leaked_password_is_refused_and_only_five_digits_leave_us(service: _Service) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        await check_new_password(LEAKED, field="password", personal=())
    assert "leak" in refusal.value.errors[0].message
    assert service.asked == [(f"/range/{DIGEST[:5]}", "true")]
    await check_new_password("quite-another-44-fern", field="password", personal=())


async def test_padding_is_no_leak(service: _Service) -> None:
    assert not await leaked.is_leaked("only-padding-61-moss")
    assert service.asked == [(f"/range/{PADDED[:5]}", "true")]


@pytest.mark.parametrize("status", [404, 429, 503, 301, 204])
async def test_a_service_that_is_away_keeps_nobody_out(service: _Service, status: int) -> None:
    service.status = status
    await check_new_password(LEAKED, field="password", personal=())


@pytest.mark.parametrize(
    "answer", [b"\xff\xfe", b"x" * (leaked.MAX_ANSWER_BYTES + 1), f"{DIGEST[5:]}:many".encode()]
)
async def test_an_answer_that_cannot_be_read_keeps_nobody_out(service: _Service, answer: bytes) -> None:
    service.answer = answer
    await check_new_password(LEAKED, field="password", personal=())


async def test_nobody_is_asked_unless_the_settings_say_so() -> None:
    assert get_settings().pwned_passwords_url is None
    await check_new_password(LEAKED, field="password", personal=())
