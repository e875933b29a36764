"""The server's end of the socket: which messages may come in, and which socket an update may reach.

Reflex takes a client token for a tab, and a page can say any token. So updates go only to the socket whose
handshake carried the session that the state is bound to. Reflex looks at the shape of an event only while it
runs the event, and logs a traceback for each that does not fit; here such a message is dropped before.
"""

import asyncio
import re
from collections.abc import Collection
from functools import lru_cache
from inspect import signature
from typing import Any
from urllib.parse import urlsplit

import reflex as rx
import structlog
from prometheus_client import Counter, Gauge
from pydantic import PydanticUserError, TypeAdapter, ValidationError
from reflex.app import EventNamespace
from reflex.event import Event, EventHandler
from reflex.state import State, StateUpdate
from reflex.utils.token_manager import LocalTokenManager
from reflex_base.config import get_config
from reflex_base.constants import CompileVars, RouteVar, SocketEvent
from reflex_base.constants.state import FIELD_MARKER
from reflex_base.event.context import EventContext
from reflex_base.registry import RegistrationContext
from reflex_base.utils.form import form_data_as_dict
from socketio.exceptions import ConnectionRefusedError as ConnectRefused

from onramp_app.accounts import sessions
from onramp_app.texts import language_of_path, language_of_texts
from onramp_app.throttle.callers import address_of
from onramp_app.web.tabs import holders
from onramp_app.web.tabs.loads import page_loads
from onramp_app.web.tabs.pulse import Pulses, now_ms
from onramp_app.web.tabs.session import HYDRATE_AND_LOAD, LOADS, away_delta, failure_text

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PATH = re.compile(r"/[!-\[\]-~]{0,2047}")  # visible ASCII as browsers write addresses, without a backslash
_MAX_QUERY_FIELDS = 50
_ROOT = State.get_full_name()
_IS_HYDRATED = f"{CompileVars.IS_HYDRATED}{FIELD_MARKER}"
_CONNECTED = "onramp_app.connected"
_REFUSED = Counter("page_messages_refused", "Messages of pages that fit nothing.", ["reason"])
_OPEN = Gauge("page_sockets_open", "Sockets of open pages that are connected to this instance.")
_log = structlog.get_logger(__name__)


class _Unfit(Exception):
    """The message is no event that one of our pages sends."""


def guard_socket(app: rx.App) -> None:
    """Replace the namespace of Reflex by the guarded one."""
    namespace = PageSocket(get_config().get_event_namespace(), app)
    app._event_namespace = namespace
    _OPEN.set_function(lambda: len(namespace.sockets))
    assert app.sio is not None  # noqa: S101 - an application with states has a socket
    app.sio.register_namespace(namespace)


class PageSocket(EventNamespace):
    """Reflex's namespace for events, with checks in both directions."""

    def __init__(self, namespace: str, app: rx.App) -> None:
        super().__init__(namespace, app)
        self._pulses = Pulses()

    @property
    def sockets(self) -> Collection[str]:
        """The sockets that are connected to this instance."""
        return self._static_router_data.keys()

    @property
    def own_tabs(self) -> list[str]:
        """The tokens of the tabs whose sockets are connected to this instance."""
        own = self._token_manager.instance_id
        return [token for token, at in self._token_manager.token_to_socket.items() if at.instance_id == own]

    @property
    def tabs(self) -> Collection[str]:
        """The tokens of the tabs that are connected here now. Reflex makes a copy on each access."""
        return self._token_manager.token_to_socket.keys()

    async def trigger_event(self, event: Any, *args: Any) -> object:
        """Admit what the server itself says about a socket, and the four messages of a page.

        Socket.IO hands a message of any name to `on_<name>`. Without this a page could send `connect` with an
        invented handshake: another address, the token of another tab.
        """
        sid, *values = args
        match event:
            case "connect" if values and values[0] is self.server.get_environ(sid, self.namespace):
                return await super().trigger_event(event, *args)
            case "disconnect" if not self.server.manager.is_connected(sid, self.namespace):
                return await super().trigger_event(event, *args)
            case "event" if len(values) == 1:
                await self.on_event(sid, values[0])
            case "alive" if len(values) == 1:
                self._pulses.is_late(sid, values[0])
                await self.emit("alive", now_ms(), to=sid)
            case "ping" if not values:
                await self.on_ping(sid)
            case "client_error" if len(values) == 1:
                await self.on_client_error(sid, values[0])
            case _:
                _refuse("message")
        return None

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        """Connect a socket to one tab.

        Raises:
            ConnectRefused: the socket has a tab already, or names it as none of our pages does, or cannot be
                connected now. A tab costs memory, and further ones would outlive the socket.
        """
        tokens = re.findall(r"(?:^|&)token=([^&]*)", environ.get("QUERY_STRING", ""))
        if environ.get(_CONNECTED) or len(tokens) != 1 or not _TOKEN.fullmatch(tokens[0]):
            _refuse("connect")
            raise ConnectRefused("refused")
        environ[_CONNECTED] = True
        try:
            await super().on_connect(sid, environ, auth)
        except Exception as error:
            # Without a refusal Socket.IO would not answer, and the page would wait instead of retrying.
            self.on_disconnect(sid)
            _log.warning("a page could not connect", error=repr(error))
            raise ConnectRefused("try again") from error

    async def link_token_to_sid(self, sid: str, token: str, *, update_state: bool = True) -> None:
        """Note which tab a socket is at; in this process alone while Redis is away.

        Reflex falls back like this only after Redis has refused. A frozen Redis would keep the page waiting.
        """
        if not page_loads.is_shut:
            await super().link_token_to_sid(sid, token, update_state=update_state)
        elif new_token := await LocalTokenManager.link_token_to_sid(self._token_manager, token, sid):  # type: ignore[arg-type]  # it is one, with Redis added
            await self.emit("new_token", new_token, to=sid)

    def _build_static_router_data(self, sid: str, environ: dict[str, Any]) -> dict[str, Any]:
        """Return what is the same for all events of a socket, with the client address as the API sees it."""
        data = super()._build_static_router_data(sid, environ)
        return {**data, RouteVar.CLIENT_IP: address_of(environ["asgi.scope"])}

    async def on_event(self, sid: str, data: Any) -> None:
        """Pass on an event whose handler exists and takes its arguments."""
        try:
            event = _read(data)
        except _Unfit as unfit:
            _refuse(str(unfit))
        else:
            if event["name"] in LOADS:
                page_loads.begun(sid)
            elif self._pulses.is_late(sid, data.get("at")):
                _refuse("late")
                return
            if not page_loads.is_shut:
                await super().on_event(sid, event)
            else:
                # An event that waited would run once Redis is back, when nobody expects it any more.
                with language_of_texts(language_of_path(event["router_data"]["pathname"])[0]):
                    words = "" if event["name"] in LOADS else failure_text("updates_unavailable")
                page_loads.failed(sid, page_loads.away, words=words)

    def on_disconnect(self, sid: str) -> asyncio.Task[None] | None:
        """Forget the loads of the page, and whether it was held up."""
        page_loads.forget(sid)
        self._pulses.forget(sid)
        return super().on_disconnect(sid)

    async def ask_to_load(self, socket_id: str) -> None:
        """Ask a page to load again, as it does after a reconnect."""
        load = Event(name=HYDRATE_AND_LOAD)
        await self.emit(str(SocketEvent.EVENT), StateUpdate(events=[load]), to=socket_id)

    async def send_away_status(self, socket_id: str, *, words: str = "") -> None:
        """Send a page the part that is away, without reading its state: the store may be that part.

        `words`: the message for an action of the person that failed. It goes when the page loads again.
        """
        delta = away_delta(page_loads.away_of(socket_id), page_loads.current_until, words)
        await self.emit(str(SocketEvent.EVENT), StateUpdate(delta=delta), to=socket_id)

    def mark_state_lost(self, token: str) -> None:
        """Note that the state of a tab is lost, so that its page loads again."""
        there = self._token_manager.token_to_socket.get(token)
        if there is not None and there.instance_id == self._token_manager.instance_id:
            page_loads.lost(there.sid)

    async def emit_update(self, update: StateUpdate, token: str) -> None:
        """Send an update to a tab, unless its token is now at a socket that has shown no session yet.

        Anybody who knows the token of a tab that left can connect with it and wait for updates.
        """
        # Where the socket is at another instance, that instance makes the same check.
        there = self._token_manager.token_to_socket.get(token)
        is_elsewhere = there is None or there.instance_id != self._token_manager.instance_id
        if is_elsewhere or (there and _may_reach(token, there.sid)):
            if there and not is_elsewhere:
                update = _with_away_status(update, there.sid)
            await super().emit_update(update, token)
        else:
            _REFUSED.labels("update").inc()


def _with_away_status(update: StateUpdate, socket_id: str) -> StateUpdate:
    """Add which part is away to an update that ends a load: no stored state holds that."""
    is_loaded = update.delta.get(_ROOT, {}).get(_IS_HYDRATED)
    if is_loaded is None:
        return update
    if is_loaded:
        page_loads.ended(socket_id)
    away = away_delta(page_loads.away_of(socket_id), page_loads.current_until)
    delta = dict(update.delta)
    for state, values in away.items():
        delta[state] = {**delta.get(state, {}), **values}
    return StateUpdate(delta=delta, events=update.events)


def _read(data: Any) -> dict[str, Any]:
    """Return a message as an event. Raises `_Unfit` with the reason."""
    if not isinstance(data, dict):
        raise _Unfit("shape")
    name, payload, route = data.get("name"), data.get("payload", {}), data.get("router_data", {})
    if not isinstance(name, str) or not isinstance(payload, dict) or not isinstance(route, dict):
        raise _Unfit("shape")
    registered = RegistrationContext.get().event_handlers.get(name)
    if registered is None:
        raise _Unfit("name")
    if not _accepts(registered.handler, payload):
        raise _Unfit("arguments")
    return {"name": name, "payload": payload, "router_data": _address(route)}


def _refuse(reason: str) -> None:
    # Debug only and without the message: it may be private, and a sender could fill the log with it.
    _REFUSED.labels(reason).inc()
    _log.debug("a message of a page was refused", reason=reason)


def _may_reach(token: str, socket_id: str) -> bool:
    """Return whether an update for a tab may reach the socket that uses its token now."""
    try:
        route = EventContext.get().router_data
    except LookupError:
        route = {}
    asked_by = route.get(RouteVar.SESSION_ID)
    if asked_by == socket_id:
        return True
    holder = holders.holder_of(token)
    if holder is None or holder.socket_id != socket_id:
        return False
    # A slow answer may find the same person on another socket, or somebody else.
    cookie_header = route.get(RouteVar.HEADERS, {}).get("cookie", "")
    return asked_by is None or sessions.claimed_user(cookie_header) == holder.user_id


def _address(route: dict[str, Any]) -> dict[str, Any]:
    """Return the address of the page as Reflex takes it. Raises `_Unfit` for one that no browser sends."""
    path, full, query = route.get("pathname", "/"), route.get("asPath", "/"), route.get("query", {})
    are_paths = all(isinstance(text, str) and _PATH.fullmatch(text) for text in (path, full))
    is_query = isinstance(query, dict) and len(query) <= _MAX_QUERY_FIELDS
    if not are_paths or not is_query or not all(isinstance(value, str) for value in query.values()):
        raise _Unfit("address")
    try:
        urlsplit(f"http://localhost{full}")
    except ValueError:
        raise _Unfit("address") from None
    return {"pathname": path, "asPath": full, "query": query}


def _accepts(handler: EventHandler, payload: dict[str, Any]) -> bool:
    if payload.get("vars") and handler.fn.__module__.startswith("reflex"):
        return False  # Our pages keep nothing in the storage of the browser.
    known = _arguments(handler.fn)
    if (
        payload.keys() - known.keys()
        or {name for name, (_, required) in known.items() if required} - payload.keys()
    ):
        return False
    try:
        for name, value in payload.items():
            if (adapter := known[name][0]) is not None:
                adapter.validate_python(form_data_as_dict(value), strict=True)
    except (ValidationError, RecursionError, TypeError, ValueError):
        return False
    return True


@lru_cache(maxsize=1024)
def _arguments(function: Any) -> dict[str, tuple[TypeAdapter[Any] | None, bool]]:
    """Return the arguments of a handler by name: a validator of each, and whether it is required."""
    _state, *parameters = signature(function, eval_str=True).parameters.values()
    return {
        parameter.name: (_adapter(parameter.annotation), parameter.default is parameter.empty)
        for parameter in parameters
    }


def _adapter(annotation: Any) -> TypeAdapter[Any] | None:
    try:
        return None if annotation in (None, Any) else TypeAdapter(annotation)
    except PydanticUserError:
        return None  # Pydantic does not know the type, so the handler checks the value itself.
