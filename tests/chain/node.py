"""A small JSON-RPC server over real HTTP, whose answers are set by the test."""

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

NAME = "0x" + "ab" * 32
BLOCK_HASH = "0x" + "cd" * 32
TOKEN = "0xc2132d05d31c914a87c6611c10748aeb04b58e8f"  # USDT on Polygon
OURS = "0x" + "51" * 18 + "0001"
SENDER = "0x" + "5e" * 20
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
NUMBER = 1_000


def word(address: str) -> str:
    return "0x" + address[2:].rjust(64, "0")


def log(units: int = 7_000_000, **changes: Any) -> dict[str, Any]:
    return {
        "address": TOKEN,
        "topics": [TRANSFER, word(SENDER), word(OURS)],
        "data": f"0x{units:064x}",
        "blockNumber": hex(NUMBER),
        "blockHash": BLOCK_HASH,
        "transactionHash": NAME,
        "logIndex": "0x3",
        "removed": False,
    } | changes


def receipt(*logs: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "transactionHash": NAME,
        "blockNumber": hex(NUMBER),
        "blockHash": BLOCK_HASH,
        "status": "0x1",
        "logs": list(logs or [log()]),
    } | changes


def coin(**changes: Any) -> dict[str, Any]:
    return {
        "hash": NAME,
        "blockHash": BLOCK_HASH,
        "from": SENDER,
        "to": OURS,
        "value": hex(5 * 10**17),
    } | changes


@dataclass
class Node:
    """Answers each method with its result; a `raw` answer is sent verbatim for all methods."""

    results: dict[str, Any] = field(default_factory=dict)
    raw: Callable[[Any], bytes] | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait_seconds: float = 0.0
    depth: int = 100
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, asked: Any) -> bytes:
        if self.raw is not None:
            return self.raw(asked)
        method, parameters = asked["method"], asked["params"]
        if method == "eth_getBlockByNumber" and method not in self.results:
            is_newest = parameters[0] == "latest"
            number = NUMBER + self.depth if is_newest else int(parameters[0], 16)
            made_at = hex(int(time.time()))
            result: Any = {"number": hex(number), "hash": BLOCK_HASH, "timestamp": made_at}
        else:
            result = self.results.get(method, "0x89" if method == "eth_chainId" else None)
        return json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}).encode()


@contextmanager
def running_node(**values: Any) -> Iterator[Node]:
    node = Node(**values)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            node.asked.append(asked["method"])
            time.sleep(node.wait_seconds)
            content = node.answer(asked)
            self.send_response(node.status)
            for name, value in node.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            """Ignore clients that disconnect early."""

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        node.url = f"http://127.0.0.1:{server.server_port}/key-of-the-customer"
        yield node
        server.shutdown()
