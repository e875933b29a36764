"""A small HTTP server that imitates the provider over real sockets. It shares no code with the client."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

KEY, SECRET = "the-api-key", "the-api-secret-canary"


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def signed(self) -> Any:
        payload = self.headers.get("x-onramp-payload") or self.headers["payload"]
        return json.loads(base64.b64decode(payload))

    def is_signed_with(self, secret: str) -> bool:
        payload = self.headers.get("x-onramp-payload") or self.headers.get("payload", "")
        signature = self.headers.get("x-onramp-signature") or self.headers.get("signature")
        return signature == hmac.new(secret.encode(), payload.encode(), hashlib.sha512).hexdigest()


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    delay_seconds: float = 0.0
    cut: bool = False
    drip_seconds: float = 0.0


def ok(data: Any) -> Reply:
    return Reply(body=json.dumps({"status": 1, "code": 200, "data": data}).encode())


def ok_text(text: str) -> Reply:
    return Reply(body=b'{"status":1,"code":200,"data":' + text.encode() + b"}")


def refused(code: int, message: str = "no", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps({"status": 0, "code": code, "error": message}).encode()
    return Reply(status=code, body=body, headers=named)


class FakeOnramp:
    """`answers`, by last path segment, has a reply or a function of the request; the clock is built in."""

    def __init__(self) -> None:
        self.answers: dict[str, Reply | Callable[[Request], Reply]] = {}
        self.requests: list[Request] = []
        self.clock_ahead_ms = 0
        self._arrived = asyncio.Event()
        self.url = ""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def count(self, name: str) -> int:
        return sum(request.path.endswith("/" + name) for request in self.requests)

    async def request_number(self, index: int) -> Request:
        async with asyncio.timeout(10):
            while len(self.requests) <= index:
                self._arrived.clear()
                await self._arrived.wait()
        return self.requests[index]

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.clock_ahead_ms

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._answer_one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # The client disconnected, or the test is over.
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {
            k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        parts = urlsplit(target)
        request = Request(method, parts.path, dict(parse_qsl(parts.query)), headers, body)
        self.requests.append(request)
        self._arrived.set()
        reply = self._reply(request)
        await asyncio.sleep(reply.delay_seconds)
        if reply.cut:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
            await writer.drain()
            return False
        listed = {"content-type": "application/json", "content-length": str(len(reply.body)), **reply.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in listed.items())
        writer.write(f"HTTP/1.1 {reply.status} X\r\n{lines}\r\n".encode())
        if reply.drip_seconds:
            for byte in reply.body:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(reply.drip_seconds)
        else:
            writer.write(reply.body)
        await writer.drain()
        return True

    def _reply(self, request: Request) -> Reply:
        name = request.path.rsplit("/", 1)[1]
        answer = self.answers.get(name)
        if answer is None and name == "currentTimestamp":
            return ok(self.now_ms())
        if answer is None:
            return refused(404, "no such path")
        return answer(request) if callable(answer) else answer
