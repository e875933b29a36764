"""A tab without a browser: speaks Engine.IO and Socket.IO over a real WebSocket, as a Reflex page does."""

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
    """One open socket. `updates` holds what arrived, oldest first, each with its time (`loop.time()`)."""

    def __init__(self, socket: ClientConnection, token: str) -> None:
        self.token = token
        self.updates: asyncio.Queue[tuple[float, dict[str, Any]]] = asyncio.Queue()
        self._socket = socket
        self._is_connected = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def open(
        cls, base_url: str, *, cookie: str = "", token: str | None = None, path: str = "", origin: str = ""
    ) -> Self:
        """Connect as a page of `base_url` (`http://…`) does, with the cookie header of its browser.

        `origin` is the page's origin if it is not `base_url`. With a `path`, the page there is loaded by an
        event sent along with the connection.
        """
        token = token or secrets.token_hex(8)
        address = f"{base_url.replace('http', 'ws', 1)}/_event/?EIO=4&transport=websocket&token={token}"
        socket = await connect(
            address,
            additional_headers={"Cookie": cookie},
            origin=Origin(origin or base_url),
            compression=None,
            ping_interval=None,
            proxy=None,
            max_size=None,
        )
        async with asyncio.timeout(20):
            assert str(await socket.recv()).startswith("0")
            boot = json.dumps({"event": event_at(path, HYDRATE_AND_LOAD)}) if path else ""
            await socket.send(f"40/_event,{boot}")
            tab = cls(socket, token)
            await tab._is_connected.wait()
        return tab

    async def emit(self, name: str, *, path: str = "/home", **payload: object) -> None:
        """Send an event of a page at `path`."""
        await self._socket.send(f"{_PREFIX}{json.dumps(['event', event_at(path, name, **payload)])}")

    async def open_page(self, path: str) -> str:
        """Do what a page does when it opens or reconnects, and wait until it has its data.

        As a page does, ask again whenever the server wants that. Returns all that was read.
        """
        await self.emit(HYDRATE_AND_LOAD, path=path)
        seen = ""
        async with asyncio.timeout(20):
            while '"is_hydrated_rx_state_": true' not in seen:
                _, update = await self.updates.get()
                seen += json.dumps(update, ensure_ascii=False)
                if any(event["name"] == HYDRATE_AND_LOAD for event in update.get("events") or ()):
                    await self.emit(HYDRATE_AND_LOAD, path=path)
        return seen

    async def read_until(self, words: str, *, timeout_seconds: float = 20) -> str:
        """Read until the updates contain `words` as JSON writes them; return all that was read."""
        seen = ""
        async with asyncio.timeout(timeout_seconds):
            while words not in seen:
                _, update = await self.updates.get()
                seen += json.dumps(update, ensure_ascii=False)
        return seen

    async def closed_with(self) -> int:
        """Wait until the server closes the socket; return its close code."""
        async with asyncio.timeout(20):
            await self._reading
        assert self._socket.close_code is not None
        return self._socket.close_code

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
                elif str(message).startswith("40/_event,"):
                    self._is_connected.set()
                elif isinstance(message, str) and message.startswith(_PREFIX):
                    kind, update = json.loads(message.removeprefix(_PREFIX))
                    if kind == "event":
                        self.updates.put_nowait((loop.time(), update))


def event_at(path: str, name: str, **payload: object) -> dict[str, Any]:
    """Return an event of the page at a path, as Reflex's script sends it."""
    route = {"pathname": path, "asPath": path, "query": {}}
    return {"name": name, "payload": payload, "router_data": route}


def values_of(update: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the name and the value of everything that an update changes."""
    for values in (update.get("delta") or {}).values():
        yield from values.items()
