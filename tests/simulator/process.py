"""A real simulator process, a merchant client with its own signing code, and a receiver of webhooks."""

import base64
import hashlib
import hmac
import http.server
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from tests.ports import free_port

KEY, SECRET, NEXT_SECRET = "simulator-key", "simulator-secret", "simulator-secret-next"
ADDRESS = "0x72c6668306f1d89425e86899b7444a0c2e5f25cf"
COMMON = "/onramp/api/v2/common"
HISTORY = "/onramp/api/v1/transaction/merchantHistory"
TEMPO_SECONDS = 0.1
WEBHOOK_TIMEOUT_SECONDS = 1.5
WEBHOOK_RETRY_SECONDS = 0.1


@contextmanager
def running_simulator(folder: Path, arguments: tuple[str, ...] | None = None) -> Iterator["Process"]:
    """Run a fast simulator that stores its orders in `folder`."""
    process = Process(folder / "orders.sqlite", free_port(), arguments or FAST)
    process.start()
    yield process
    process.kill()


def read(text: str | bytes) -> Any:
    return json.loads(text, parse_float=Decimal)


def signature_of(payload: str, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha512).hexdigest()


def eventually(look: Callable[[], Any], *, seconds: float = 15) -> Any:
    """Call `look` until its result is true; return that."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        if found or time.monotonic() > end:
            assert found, "it did not happen in time"
            return found
        time.sleep(0.05)  # A look is often a request, which costs more than waiting.


@dataclass
class Process:
    """One simulator process, with the requests that tests send to it."""

    database: Path
    port: int
    arguments: tuple[str, ...]
    running: subprocess.Popen[bytes] | None = None
    client: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=10))

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "onramp_app.simulator", "--port", str(self.port)]
        command += ["--database", str(self.database), *self.arguments]
        self.running = subprocess.Popen(command, stdout=subprocess.DEVNULL)

        def answers() -> bool:
            assert self.running is not None
            assert self.running.poll() is None, "the simulator ended"
            try:
                return self.client.get(f"{self.base}/control/requests").is_success
            except httpx.TransportError:
                return False

        eventually(answers, seconds=20)

    def begin(self) -> None:
        """Reset the simulator: no orders, no scenarios, no counts, and the same seed as in every run."""
        self.control("seed", {"seed": 7})

    def kill(self) -> None:
        assert self.running is not None
        self.running.kill()
        self.running.wait()

    def ask(
        self,
        path: str,
        body: Any = None,
        *,
        secret: str = SECRET,
        key: str = KEY,
        at_ms: int | None = None,
        style: str = "X-ONRAMP-{}",
        sent_body: Any = None,
        method: str = "POST",
    ) -> httpx.Response:
        """Sign and send a request as the documents describe it."""
        body = {} if body is None else body
        timestamp = int(time.time() * 1000) if at_ms is None else at_ms
        payload = base64.b64encode(json.dumps({"timestamp": timestamp, "body": body}).encode()).decode()
        headers = {
            style.format("APIKEY"): key,
            style.format("PAYLOAD"): payload,
            style.format("SIGNATURE"): signature_of(payload, secret),
            "Content-Type": "application/json",
        }
        content = body if sent_body is None else sent_body
        return self.client.request(method, self.base + path, content=json.dumps(content), headers=headers)

    def data(self, path: str, body: Any = None) -> Any:
        """Send a request that must succeed; return the answer's data."""
        answer = self.ask(path, body)
        content = read(answer.content)
        assert (answer.status_code, content["status"], content["code"]) == (200, 1, 200), content
        return content["data"]

    def control(self, path: str, body: Any = None, *, method: str = "POST", status: int = 200) -> Any:
        answer = self.client.request(method, f"{self.base}/control/{path}", json=body)
        assert answer.status_code == status, answer.text
        return read(answer.content)

    def link(self, **changes: Any) -> str:
        values = {
            "appId": 1000,
            "walletAddress": ADDRESS,
            "coinCode": "usdt",
            "network": "matic20",
            "fiatAmount": 1000,
            "fiatType": 1,
            "paymentMethod": 1,
            "merchantRecognitionId": "recognition1",
        }
        values |= changes
        query = urlencode({k: v for k, v in values.items() if v is not None})
        return f"{self.base}/main/buy/?{query}"

    def open(self, **changes: Any) -> int:
        return int(self.control("orders", {"widget_url": self.link(**changes)})["orderId"])

    def move(self, order_id: int, status: int, **more: Any) -> Any:
        return self.control(f"orders/{order_id}", {"status": status, **more})

    def scenario(self, name: str, **more: Any) -> Any:
        return self.control("scenario", {"name": name, **more})

    def orders(self) -> list[Any]:
        return list(self.control("orders?limit=1000", method="GET")["items"])

    def order(self, order_id: int) -> Any:
        return next(order for order in self.orders() if order["orderId"] == order_id)

    def history(self, **body: Any) -> list[Any]:
        return list(self.data(HISTORY, body))

    def read_order(self, order_id: int) -> Any:
        """Read an order as the merchant does."""
        return next((order for order in self.history(pageSize=500) if order["orderId"] == order_id), None)


FAST = (
    "--tempo-seconds",
    str(TEMPO_SECONDS),
    "--webhook-timeout-seconds",
    str(WEBHOOK_TIMEOUT_SECONDS),
    "--webhook-retry-seconds",
    str(WEBHOOK_RETRY_SECONDS),
)

# For an application that may be busy: a webhook sent only once must not time out before the answer.
PATIENT = tuple("10" if one == str(WEBHOOK_TIMEOUT_SECONDS) else one for one in FAST)


@dataclass(frozen=True)
class Arrival:
    """One webhook as received."""

    at: float
    payload: str
    signature: str
    raw: bytes

    @property
    def body(self) -> Any:
        return read(self.raw)

    @property
    def signed(self) -> Any:
        return read(base64.b64decode(self.payload))

    def is_signed_with(self, secret: str) -> bool:
        return hmac.compare_digest(self.signature, signature_of(self.payload, secret))


class Receiver:
    """A tiny HTTP server that answers 200, after the statuses in `answers`; `delay_seconds` slows it down."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.answers: list[int] = []
        self.delay_seconds = 0.0
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["content-length"]))
                payload, signature = self.headers["x-onramp-payload"], self.headers["x-onramp-signature"]
                receiver.arrivals.append(Arrival(time.monotonic(), payload, signature, raw))
                delay, receiver.delay_seconds = receiver.delay_seconds, 0.0
                time.sleep(delay)
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def wait_for(self, count: int) -> list[Arrival]:
        eventually(lambda: len(self.arrivals) >= count)
        return self.arrivals

    def stays_at(self, count: int, *, seconds: float = 0.4) -> None:
        """Assert that nothing more arrives for longer than a retry would take."""
        time.sleep(seconds)
        assert len(self.arrivals) == count

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
