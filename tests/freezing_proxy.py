"""A TCP proxy that can freeze: its connections stay open, nothing passes, and what was sent arrives later."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class FreezingProxy:
    """Relays bytes between its own port and another port of this machine."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._passes = asyncio.Event()
        self._passes.set()
        self._is_cut = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self.port = 0

    def freeze(self) -> None:
        """Stop relaying in both directions; connections stay open."""
        self._loop.call_soon_threadsafe(self._passes.clear)

    def thaw(self) -> None:
        """Relay everything that arrived in the meantime, and resume."""
        self._loop.call_soon_threadsafe(self._passes.set)

    def cut(self) -> None:
        """Abort all connections, and close each new one immediately."""

        def close() -> None:
            self._is_cut = True
            for writer in self._writers:
                writer.transport.abort()

        self._loop.call_soon_threadsafe(close)

    def mend(self) -> None:
        """Accept connections again."""
        self._is_cut = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        await self._passes.wait()
        with suppress(OSError):
            far_reader, far_writer = await asyncio.open_connection("localhost", self._to_port)
            self._writers |= {writer, far_writer}
            await asyncio.gather(self._pass_on(reader, far_writer), self._pass_on(far_reader, writer))
            self._writers -= {writer, far_writer}

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await self._passes.wait()
                writer.write(data)
                await writer.drain()
        writer.close()


@contextmanager
def freezing_proxy(to_port: int) -> Iterator[FreezingProxy]:
    """Run a proxy in a thread of its own."""
    proxy = FreezingProxy(to_port)
    loop = proxy._loop
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    starting = asyncio.start_server(proxy._serve, "127.0.0.1", 0)
    server = asyncio.run_coroutine_threadsafe(starting, loop).result(10)
    proxy.port = server.sockets[0].getsockname()[1]

    async def end() -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
