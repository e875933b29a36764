"""The receiving end of webhooks: a small HTTP server that keeps requests and gives preset answers."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Got:
    """One request as received."""

    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document["data"]
        return found


@dataclass
class Receiver:
    """Keeps requests, newest last. `answer` is the raw answer to each request; None means no answer."""

    port: int = 0
    got: list[Got] = field(default_factory=list)
    connections: int = 0
    answer: bytes | None = b""
    answer_to: Callable[[Got], bytes] | None = None
    drip: bytes = b""
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def types(self) -> list[str]:
        return [one.document["type"] for one in self.got]

    async def has(self, number: int) -> None:
        """Wait until `number` requests have arrived."""
        async with asyncio.timeout(20), self.came:
            await self.came.wait_for(lambda: len(self.got) >= number)

    def answers(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answer every request this way from now on."""
        self.answer = answer(status, body, **headers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
            lines = [line.partition(":") for line in head.split("\r\n")[1:] if line]
            headers = {name.lower(): value.strip() for name, _, value in lines}
            got = Got(headers, await reader.readexactly(int(headers["content-length"])))
            async with self.came:
                self.got.append(got)
                self.came.notify_all()
            reply = self.answer_to(got) if self.answer_to else self.answer
            if reply is not None:
                writer.write(reply)
                await writer.drain()
            while reply is None or self.drip:
                writer.write(self.drip)
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()


def answer(status: int, body: bytes = b"", **headers: str) -> bytes:
    """Return a complete HTTP/1.1 response."""
    fields = {"content-length": str(len(body)), "connection": "close"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode() + body


@asynccontextmanager
async def receiving(host: str = "127.0.0.1", *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Run a receiver on loopback that answers 204."""
    receiver = Receiver()
    receiver.answers(204)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(receiver.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, host, 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    yield receiver
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
