"""Tabs without a browser. Only this file uses Reflex's private names that tests need."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
import reflex as rx
from reflex.event import Event, EventHandler
from reflex.state import BaseState, State, StateUpdate
from reflex.utils.format import format_event_handler
from reflex_base.constants import RouteVar
from reflex_base.event.context import EventContext

from onramp_app.accounts import sessions
from onramp_app.accounts.sessions import BrowserSession, Client
from onramp_app.ledger.instructions import receive_available
from onramp_app.sign_in import sign_in
from onramp_app.web.tabs import holders
from onramp_app.web.tabs.admission import SessionMiddleware
from onramp_app.web.tabs.loads import page_loads
from onramp_app.web.tabs.session import SessionState, show_backend_problem
from tests.ledger.books import BY_POLL, SCALES, Books, post_now
from tests.people import PASSWORD, sign_up

S = TypeVar("S", bound=BaseState)
BROWSER = Client(address="203.0.113.7", user_agent="Mozilla/5.0 (X11; Linux) Firefox/140.0")


# Values that anybody can send as an argument of any handler.
HOSTILE = (
    None,
    7,
    -1.5,
    True,
    "",
    "x" * 100_000,
    "\x00",
    "\ud800",
    [],
    ["a"],
    {},
    {"a": 1},
    {"a": {"b": []}},
)


@dataclass
class Outcome:
    """The answer to an event; `went_on` is false if the middleware stopped it before its handler."""

    went_on: bool
    leads_to: str | None
    events: list[Event]
    delta: dict[str, Any]


class Tab:
    """One tab with its own state; `cookie` is the cookie header of its socket's handshake."""

    def __init__(
        self,
        cookie_header: str = "",
        *,
        path: str = "/profile",
        address: str = "203.0.113.7",
        language: str = "",
    ) -> None:
        self.root = rx.State(_reflex_internal_init=True)
        self.token = secrets.token_hex(8)
        self._language = language
        self.connect(cookie_header, path=path, address=address)

    def connect(self, cookie_header: str, *, path: str = "/profile", address: str = "203.0.113.7") -> None:
        """Attach another socket to this tab's state, as anybody who knows its token can."""
        router_data = {
            "pathname": path.partition("?")[0],
            "asPath": path,
            "query": dict(part.split("=", 1) for part in path.partition("?")[2].split("&") if part),
            "token": self.token,
            "ip": address,
            "headers": {
                "cookie": cookie_header,
                "origin": "http://localhost:3000",
                "accept-language": self._language,
            },
        }
        self.root._update_router_vars(router_data, {})
        self.root.router_data = router_data

    def lose_state(self) -> None:
        """Replace the state with a new one, as Reflex creates it for an unknown token."""
        self.root = rx.State(_reflex_internal_init=True)

    async def state(self, cls: type[S]) -> S:
        return await self.root.get_state(cls)

    async def hydrate(self) -> Outcome:
        return await self.send(State.event_handlers["hydrate"])

    async def preprocess(self, handler: EventHandler, *, cause: str | None = None) -> StateUpdate | None:
        """Send an event through the middleware only; `cause` is None for an event sent by the page."""
        event = Event(name=format_event_handler(handler))
        context = EventContext(token=self.token, state_manager=None, enqueue_impl=None, parent_txid=cause)  # type: ignore[arg-type]
        with context:
            app = SimpleNamespace(event_namespace=None)  # no sockets
            return await SessionMiddleware().preprocess(app, self.root, event)  # type: ignore[arg-type]

    async def fail(self, error: Exception) -> str:
        """Let an error escape from a handler. Returns the message that the person then sees."""
        sent_by = {RouteVar.SESSION_ID: self.token}
        with EventContext(token=self.token, state_manager=None, enqueue_impl=None, router_data=sent_by):  # type: ignore[arg-type]
            event = show_backend_problem(error)
        if event is None:
            return page_loads.take_unanswered()[self.token]
        (shown,) = Event.from_event_type(event)  # type: ignore[arg-type]
        await self.send(SessionState.event_handlers["show_failure"], shown.payload["code"])
        return (await self.state(SessionState)).notice

    async def send(self, handler: EventHandler, *arguments: object) -> Outcome:
        """Send an event through the middleware and, if admitted, to its handler."""
        refusal = await self.preprocess(handler)
        if refusal is not None:
            return Outcome(False, _address(refusal.events), refusal.events, dict(refusal.delta))
        if handler.fn.__module__.startswith("reflex"):
            return Outcome(True, None, [], self.root.dict())
        return await self.call(handler, *arguments)

    async def call(self, handler: EventHandler, *arguments: object) -> Outcome:
        """Call a handler directly, bypassing the middleware."""
        state = await self.state(handler.state)  # type: ignore[arg-type]
        answer = handler.fn(state, *arguments)
        if hasattr(answer, "__aiter__"):
            return await self._all_of(answer)
        if hasattr(answer, "__await__"):
            answer = await answer
        events = Event.from_event_type(answer) if answer is not None else []
        return Outcome(True, _address(events), events, self.root.get_delta())

    async def _all_of(self, steps: AsyncIterator[Any]) -> Outcome:
        """Collect the updates that a handler yields; for repeated values the last one counts."""
        events: list[Event] = []
        delta: dict[str, Any] = {}
        async for step in steps:
            events += Event.from_event_type(step) if step is not None else []
            self._flush(delta)
        self._flush(delta)
        return Outcome(True, _address(events), events, delta)

    def _flush(self, sent: dict[str, Any]) -> None:
        for name, values in self.root.get_delta().items():
            sent.setdefault(name, {}).update(values)
        self.root._clean()


def _address(events: list[Event]) -> str | None:
    return next((str(event.payload["path"]) for event in events if event.name == "_redirect"), None)


@pytest.fixture
def open_tab() -> Iterator[Callable[..., Tab]]:
    yield Tab
    holders.keep_only(())


def cookie_of(session: BrowserSession) -> str:
    return f"session={session.cookie_value}"


NewSession = Callable[..., Awaitable[BrowserSession]]


@pytest.fixture
def new_account(database: str) -> NewSession:
    """A function that opens an account and returns its first browser session."""

    async def make(name: str = "Ada King") -> BrowserSession:
        return await sign_up(sessions.open_browser, BROWSER, display_name=name)

    return make


@pytest.fixture
def another_session(database: str) -> NewSession:
    """A function that signs the person of a session in again."""

    async def make(session: BrowserSession) -> BrowserSession:
        return await sign_in.sign_in(session.viewer.email, PASSWORD, BROWSER, sessions.open_browser)

    return make


@pytest.fixture
async def books(database: str) -> Books:
    """Books in which money can arrive, with current exchange rates: a dollar is 80 rupees."""
    books = Books(database)
    for symbol, price in (("USDT", 1), ("USD", 1), ("INR", 80), ("USDC", 1)):
        books.owner.execute(
            b"INSERT INTO exchange_rates VALUES ('simulator', %s, %s, now())", (symbol, price)
        )
    return books


async def arrive(books: Books, user_id: str, whole: int, *, asset: str = "USDT", top_up_id: str = "") -> str:
    """Settle a top-up of a person, by default a new one, with `whole` units of the asset. Returns its id."""
    amount = whole * 10 ** SCALES[asset]
    top_up_id = top_up_id or books.top_up(user_id, asset=asset)
    delivery = books.delivery(amount, asset=asset, top_up_id=top_up_id)
    books.settle(top_up_id, amount, asset=asset)
    books.owner.execute(
        "UPDATE top_ups SET best_order_id = %s WHERE id = %s", (delivery.provider_order_id, top_up_id)
    )
    await post_now(receive_available(delivery, user_id=user_id, top_up_id=top_up_id, cause=BY_POLL))
    return top_up_id
