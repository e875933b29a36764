"""A browser's socket without a browser: drives the whole application over ASGI, from handshake to delta."""

import asyncio
import itertools
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.types import ASGIApp, Message

# Packet prefixes of Engine.IO and Socket.IO.
CONNECT = "40/_event,"
EVENT = "42/_event,"
_PING, _PONG = "2", "3"


class Wire:
    """One socket. `received` keeps the raw text of everything the server sent."""

    def __init__(
        self, asgi: ASGIApp, *, cookie: str = "", token: str = "", address: str = "203.0.113.7"
    ) -> None:
        self.token = token or secrets.token_hex(8)
        self.received: list[str] = []
        self.status: int | None = None  # of a refused handshake
        self._in: asyncio.Queue[Message] = asyncio.Queue()
        self._news = asyncio.Event()
        self._numbers = itertools.count()
        self._in.put_nowait({"type": "websocket.connect"})
        headers = [
            (b"host", b"localhost:8000"),
            (b"origin", b"http://localhost:3000"),
            (b"connection", b"Upgrade"),
            (b"upgrade", b"websocket"),
        ]
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": "/_event/",
            "raw_path": b"/_event/",
            "root_path": "",
            "query_string": f"EIO=4&transport=websocket&token={self.token}".encode(),
            "headers": headers + ([(b"cookie", cookie.encode())] if cookie else []),
            "client": (address, 50_000),
            "server": ("localhost", 8000),
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
        }
        self._served = asyncio.create_task(asgi(scope, self._in.get, self._send))  # type: ignore[arg-type]

    async def _send(self, message: Message) -> None:
        if message["type"] == "websocket.http.response.start":
            self.status = message["status"]
        elif message["type"] == "websocket.send":
            text = message.get("text") or ""
            if text == _PING:
                self.say(_PONG)
            else:
                self.received.append(text)
        self._news.set()

    @property
    def is_open(self) -> bool:
        return not self._served.done()

    @property
    def heard(self) -> str:
        """Everything that was received, as one text."""
        return "\n".join(self.received)

    def say(self, packet: str | bytes) -> None:
        kind = "text" if isinstance(packet, str) else "bytes"
        self._in.put_nowait({"type": "websocket.receive", kind: packet})

    def emit(self, *values: object) -> None:
        self.say(EVENT + json.dumps(values))

    def event(self, name: str, payload: object = None, *, path: str = "/profile", **fields: object) -> None:
        route = {"pathname": path.partition("?")[0], "asPath": path}
        self.emit("event", {"name": name, "payload": payload or {}, "router_data": route, **fields})

    async def connect(self, boot: object = None) -> "Wire":
        self.say(CONNECT + (json.dumps(boot) if boot is not None else ""))
        await self.until(CONNECT)
        return self

    async def hydrate(self, *, path: str = "/profile") -> None:
        self.event("reflex___state____state.hydrate_and_load", path=path)
        await self.settle()

    async def until(self, text: str, *, seconds: float = 5) -> None:
        async with asyncio.timeout(seconds):
            while text not in self.heard and self.is_open:
                self._news.clear()
                await self._news.wait()

    async def settle(self, *, seconds: float = 10) -> None:
        """Wait until everything that was sent has been processed and the results have arrived."""
        from onramp_app.onramp_app import app

        processor = app.event_processor
        ends_at = time.monotonic() + seconds
        quiet = 0
        while quiet < 3:
            await asyncio.sleep(0.002)
            busy = processor._queue.qsize() + len(processor._tasks) + len(processor._token_queues)
            unread = self._in.qsize() if self.is_open else 0
            quiet = 0 if busy or unread else quiet + 1
            assert time.monotonic() < ends_at, f"{busy} events and {unread} messages wait: {processor._tasks}"

    async def close(self) -> None:
        self._in.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await asyncio.wait([self._served], timeout=5)


@asynccontextmanager
async def connected(asgi: ASGIApp, **options: Any) -> AsyncIterator[Wire]:
    wire = Wire(asgi, **options)
    try:
        yield await wire.connect()
    finally:
        await wire.close()
