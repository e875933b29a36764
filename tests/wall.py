"""A proxy to PostgreSQL that can swallow connections: they stay open, and nothing comes through.

That is how a vanished database host looks, or a proxy in between that forgot the connection: no RST and no
FIN, while new connections work. The kernel acknowledges what is sent, so no TCP timeout helps.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit


class Wall:
    """Relays connections until they are swallowed. Runs in a thread of its own."""

    def __init__(self, database: str) -> None:
        self._there = urlsplit(database)
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._generation = 0
        self._left: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The URL of the same database through this proxy."""
        assert self._server is not None
        user = self._there.netloc.rpartition("@")[0]
        port = self._server.sockets[0].getsockname()[1]
        return urlunsplit(self._there._replace(netloc=f"{user}@127.0.0.1:{port}"))

    def swallow(self) -> None:
        """Stop relaying anything on the connections that exist now."""
        self._generation += 1

    def swallow_after(self, number: int) -> None:
        """Relay only so many more bytes of those that clients send."""
        self._left = number

    def lead_to(self, database: str) -> None:
        """Connect new clients to another database; existing connections stay where they are."""
        self._there = urlsplit(database)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        generation = self._generation
        try:
            come, go = await asyncio.open_connection(self._there.hostname, self._there.port)
        except OSError:
            writer.close()
            return
        ways = ((reader, go, True), (come, writer, False))
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*(self._pass_on(*way, generation) for way in ways))
        finally:
            go.close()
            writer.close()

    async def _pass_on(
        self,
        come: asyncio.StreamReader,
        go: asyncio.StreamWriter,
        is_client: bool,
        generation: int,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await come.read(65536):
                if is_client and self._left is not None:
                    data = data[: self._left]
                    self._left -= len(data)
                if generation == self._generation:
                    go.write(data)
                    await go.drain()
            if generation == self._generation:
                go.close()

    @contextmanager
    def standing(self) -> Iterator["Wall"]:
        thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        thread.start()

        async def begin() -> None:
            self._server = await asyncio.start_server(self._take, "127.0.0.1", 0)

        async def stop() -> None:
            assert self._server is not None
            self._server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(begin(), self._loop).result(5)
        try:
            yield self
        finally:
            asyncio.run_coroutine_threadsafe(stop(), self._loop).result(5)
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join(5)
            self._loop.close()
