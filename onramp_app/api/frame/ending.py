"""The end of an instance: its pages connect elsewhere at once, and open requests get some seconds to finish.

The server stops accepting connections and waits until all are closed, however long that takes. It says
nothing to the sockets, so a page would have to find out, and a request without an end would keep it for ever.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from onramp_app.local.server import END_SOON, REQUEST_SECONDS

_SERVICE_RESTART = 1012  # registered with IANA for RFC 6455: connect again
_log = structlog.get_logger(__name__)


class Ending:
    """What is open at this instance, and how it is closed."""

    def __init__(self) -> None:
        self._requests: set[asyncio.Task[None]] = set()
        self._sockets: dict[asyncio.Task[None], Send] = {}
        self._is_late = False

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return `app`, noting what is open."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            task = asyncio.current_task()
            if task is None or scope["type"] == "lifespan":
                await app(scope, receive, send)
                return
            if scope["type"] == "websocket":
                self._sockets[task] = send
            self._requests.add(task)
            try:
                await app(scope, receive, send)
            except asyncio.CancelledError:
                if not self._is_late:
                    raise
            finally:
                self._requests.discard(task)
                self._sockets.pop(task, None)

        return serve

    @asynccontextmanager
    async def heard(self) -> AsyncIterator[None]:
        """Close what is open when the server says that it ends, for as long as the context lasts."""
        loop = asyncio.get_running_loop()
        closing: set[asyncio.Task[None]] = set()
        loop.add_signal_handler(END_SOON, lambda: closing.add(loop.create_task(self._close())))
        try:
            yield
        finally:
            loop.remove_signal_handler(END_SOON)
            signal.signal(END_SOON, signal.SIG_IGN)
            for task in closing:
                task.cancel()
            await asyncio.gather(*closing, return_exceptions=True)

    async def _close(self) -> None:
        _log.info(
            "instance ends", requests=len(self._requests) - len(self._sockets), sockets=len(self._sockets)
        )
        # All at once: each waits for the other end to close as well. One that has closed meanwhile fails.
        restart = {"type": "websocket.close", "code": _SERVICE_RESTART}
        told = asyncio.gather(*(send(restart) for send in self._sockets.values()), return_exceptions=True)
        try:
            await asyncio.sleep(REQUEST_SECONDS)
        finally:
            told.cancel()
        self._is_late = True
        if self._requests:
            _log.warning("requests were ended that took too long", requests=len(self._requests))
        for task in list(self._requests):
            task.cancel()
