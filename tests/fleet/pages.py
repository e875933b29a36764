"""An open page without a browser: a socket that handles updates as Reflex's script does."""

import asyncio
from typing import Any, Self

from reflex.state import State

from onramp_app.web.home.state import HomeState
from onramp_app.web.tabs.session import SessionState
from tests.sockets import TabSocket

_SESSION, _HOME = SessionState.get_full_name(), HomeState.get_full_name()


class Page:
    """A page at one path. It keeps the state it is sent, and performs the events that the server requests."""

    def __init__(self, tab: TabSocket, path: str) -> None:
        self.tab, self.path = tab, path
        self._values: dict[str, dict[str, Any]] = {}
        self._following = asyncio.create_task(self._follow())

    @classmethod
    async def open(cls, url: str, path: str, *, cookie: str) -> Self:
        """Connect and start loading the page, without waiting until it has loaded."""
        return cls(await TabSocket.open(url, cookie=cookie, path=path), path)

    async def send(self, name: str, **payload: object) -> None:
        """Send an event, as a click does."""
        await self.tab.emit(name, path=self.path, **payload)

    def shows(self, state: str, name: str) -> Any:
        """Return the page's value of a state variable, None until it was sent."""
        return self._values.get(state, {}).get(f"{name}_rx_state_")

    @property
    def away(self) -> str:
        return self.shows(_SESSION, "away") or ""

    @property
    def notice(self) -> str:
        return self.shows(_SESSION, "notice") or ""

    @property
    def is_live(self) -> bool:
        """Whether the page is loaded and shows no sign that something is unavailable."""
        return not self.away and bool(self.shows(State.get_full_name(), "is_hydrated"))

    @property
    def is_signed_in(self) -> bool:
        return bool(self.shows(_SESSION, "is_signed_in"))

    @property
    def amounts(self) -> list[str]:
        """The balances that a home page shows."""
        return [row["amount"] for row in self.shows(_HOME, "assets") or []]

    async def close(self) -> None:
        self._following.cancel()
        await self.tab.close()

    async def _follow(self) -> None:
        while True:
            _, update = await self.tab.updates.get()
            for state, values in (update.get("delta") or {}).items():
                self._values.setdefault(state, {}).update(values)
            for event in update.get("events") or []:
                if not event["name"].startswith("_"):
                    await self.tab.emit(event["name"], path=self.path)
