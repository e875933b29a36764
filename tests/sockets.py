"""A tab without a browser: speaks Engine.IO and Socket.IO as Reflex's page does, over a real socket."""

import asyncio
import contextlib
import json
import secrets
from collections.abc import Iterator
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin

_PREFIX = "42/_event,"
HYDRATE_AND_LOAD = "reflex___state____state.hydrate_and_load"
ON_LOAD = "reflex___state____state.reflex___state____on_load_internal_state.on_load_internal"


class TabSocket:
    """One open socket. `updates` holds what arrived, oldest first, each with the moment (`loop.time()`)."""

    def __init__(self, socket: ClientConnection, token: str) -> None:
        self.token = token
        self.updates: asyncio.Queue[tuple[float, dict[str, Any]]] = asyncio.Queue()
        self._socket = socket
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, base_url: str, *, cookie: str = "", token: str | None = None) -> Self:
        """Connect as a page of `base_url` (`http://…`) does, with the cookie header of its browser."""
        token = token or secrets.token_hex(8)
        address = f"{base_url.replace('http', 'ws', 1)}/_event/?EIO=4&transport=websocket&token={token}"
        socket = await connect(
            address,
            additional_headers={"Cookie": cookie},
            origin=Origin(base_url),
            compression=None,
            ping_interval=None,
            proxy=None,
            max_size=None,
        )
        async with asyncio.timeout(20):
            assert str(await socket.recv()).startswith("0")
            await socket.send("40/_event,")
            assert str(await socket.recv()).startswith("40/_event,")
        return cls(socket, token)

    async def emit(self, name: str, *, path: str = "/home", **payload: object) -> None:
        """Send an event of a page at `path`."""
        event = {
            "name": name,
            "payload": payload,
            "router_data": {"pathname": path, "asPath": path, "query": {}},
        }
        await self._socket.send(f"{_PREFIX}{json.dumps(['event', event])}")

    async def open_page(self, path: str) -> None:
        """Do what a page does when it opens or connects again, and wait until it has its data."""
        await self.emit(HYDRATE_AND_LOAD, path=path)
        await self.read_until('"is_hydrated_rx_state_": true')

    async def read_until(self, words: str, *, timeout_seconds: float = 20) -> str:
        """Read until an update holds the words as JSON has them; return all that was read."""
        seen = ""
        async with asyncio.timeout(timeout_seconds):
            while words not in seen:
                _, update = await self.updates.get()
                seen += json.dumps(update, ensure_ascii=False)
        return seen

    async def close(self) -> None:
        self._reading.cancel()
        await self._socket.close()

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = await self._socket.recv()
                if message == "2":
                    await self._socket.send("3")
                elif isinstance(message, str) and message.startswith(_PREFIX):
                    kind, update = json.loads(message.removeprefix(_PREFIX))
                    if kind == "event":
                        self.updates.put_nowait((loop.time(), update))


def values_of(update: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the name and the value of everything that an update changes."""
    for values in (update.get("delta") or {}).values():
        yield from values.items()
