"""Puts the simulator together: routes, the clockwork, and the headers of every answer."""

import asyncio
import contextlib
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onramp_app.simulator.api import Api, endpoints
from onramp_app.simulator.chain import Chain
from onramp_app.simulator.control import Control
from onramp_app.simulator.market import reference
from onramp_app.simulator.merchant import Merchant
from onramp_app.simulator.orders import Orders
from onramp_app.simulator.pages.control import ControlPage
from onramp_app.simulator.pages.kyc import KycPage
from onramp_app.simulator.pages.widget import Widget
from onramp_app.simulator.scenarios import Scenarios
from onramp_app.simulator.store import Store
from onramp_app.simulator.webhooks import Timing, Webhooks
from onramp_app.simulator.white_label import WhiteLabel
from onramp_app.simulator.wire import now_ms

_LONGEST_SLEEP_SECONDS = 60.0
_SHORTEST_SLEEP_SECONDS = 0.02  # webhooks wait for a free place without a busy loop


class Simulator:
    """One simulator: a store, what works on it, and the application that serves it."""

    def __init__(self, database: Path, *, timing: Timing, base_url: str) -> None:
        self.store = Store(database)
        scenarios = Scenarios(self.store)
        self._webhooks = Webhooks(self.store, scenarios, timing=timing)
        chain = Chain(self.store, scenarios, timing=timing)
        self._orders = Orders(self.store, scenarios, webhooks=self._webhooks, chain=chain, timing=timing)
        self._woken = asyncio.Event()
        self._orders.wake = self._webhooks.wake = self._woken.set
        parts: dict[str, Any] = {"orders": self._orders, "webhooks": self._webhooks}
        merchant = Merchant(self.store, scenarios, widget_base=base_url, **parts)
        white_label = WhiteLabel(self.store, scenarios, base_url=base_url, **parts)
        self._api = Api(endpoints(merchant, white_label), scenarios)
        self._control = Control(self.store, scenarios, api=self._api, **parts)
        self._pages = (
            chain,
            Widget(self.store, scenarios, orders=self._orders),
            KycPage(white_label),
            ControlPage(self._control),
        )

    def application(self) -> ASGIApp:
        """Return the ASGI application."""
        routes = [*self._api.routes(), *self._control.routes(), *reference.routes()]
        for page in self._pages:
            routes += page.routes()
        return _refuse_foreign_forms(Starlette(routes=routes, lifespan=self._lifespan))

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        clockwork = asyncio.create_task(self._run())
        clockwork.add_done_callback(_end_process)
        yield
        clockwork.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await clockwork
        await self._webhooks.close()

    async def _run(self) -> None:
        """Take due steps and send due webhooks, then sleep until the next is due or something happens."""
        while True:
            self._woken.clear()
            self._orders.run_due()
            self._webhooks.start_due()
            next_due_ms = self.store.next_due_ms()
            seconds = _LONGEST_SLEEP_SECONDS if next_due_ms is None else (next_due_ms - now_ms()) / 1000
            seconds = min(max(seconds, _SHORTEST_SLEEP_SECONDS), _LONGEST_SLEEP_SECONDS)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), seconds)


def _end_process(task: asyncio.Task[None]) -> None:
    """End the process with the clockwork: a simulator that stands still would look like a slow provider."""
    if not task.cancelled() and (error := task.exception()):
        traceback.print_exception(error)
        raise SystemExit(1)


def _refuse_foreign_forms(app: ASGIApp) -> ASGIApp:
    """Refuse what another site sends to the control side; no answer may be cached."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        origin = headers.get("origin")
        controls = scope["path"] == "/" or scope["path"].startswith("/control/")
        if controls and scope["method"] not in ("GET", "HEAD") and origin is not None:
            host = headers.get("host", "")
            if origin not in (f"http://{host}", f"https://{host}"):
                await send({"type": "http.response.start", "status": 403, "headers": []})
                await send(
                    {"type": "http.response.body", "body": b"This page may not control the simulator."}
                )
                return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"cache-control", b"no-store"),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        await app(scope, receive, sent)

    return guarded
