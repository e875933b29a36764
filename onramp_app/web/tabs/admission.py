"""What every event of every tab passes through: who sends it, may they, and how often.

Reflex shows a handler the cookie of the socket's handshake only, and anybody may claim any client
token. So the session's row is read for each event, and a state belongs to the session it was bound to.
"""

import reflex as rx
from limits import RateLimitItemPerMinute
from reflex.event import Event
from reflex.middleware.middleware import Middleware
from reflex.state import BaseState, State, StateUpdate
from reflex_base.constants import CompileVars
from reflex_base.event.context import EventContext
from reflex_base.registry import RegistrationContext

from onramp_app.accounts import sessions
from onramp_app.accounts.views import Viewer
from onramp_app.domain.errors import ApplicationError, DatabaseUnavailable, RateLimited
from onramp_app.domain.networks import network_of
from onramp_app.domain.shares import ask_as
from onramp_app.throttle import throttle
from onramp_app.web.tabs import holders
from onramp_app.web.tabs.holders import Holder
from onramp_app.web.tabs.loads import Away, away_by, page_loads
from onramp_app.web.tabs.session import (
    HYDRATE_AND_LOAD,
    HYDRATIONS,
    LOADS,
    PrivateState,
    SessionState,
    to_login,
)

# Opening a page takes four events. Pushes from the server are not events.
EVENTS = (RateLimitItemPerMinute(600, namespace="event"),)


# What a page sends by itself: on connecting, when its storage changes, when its script fails.
_BY_ITSELF = HYDRATIONS | {
    f"{State.get_full_name()}.{CompileVars.UPDATE_VARS_INTERNAL}",
    f"{CompileVars.FRONTEND_EXCEPTION_STATE_FULL}.handle_frontend_exception",
}


def _is_by_person(event: Event) -> bool:
    """Say whether the person did something just now, as far as an event can tell.

    An abandoned page reconnects again and again, and its clocks go on. So neither what it sends by itself
    counts, nor what another event caused, such as the loading of the page after a reconnect; going to
    another page does, because there the page itself asks to load.
    """
    if event.name in _BY_ITSELF or EventContext.get().parent_txid is not None:
        return False
    state, name = _state_of(event), event.name.rpartition(".")[2]
    return not (state is not None and issubclass(state, PrivateState) and name in state._sent_by_page)


def _state_of(event: Event) -> type[BaseState] | None:
    registered = RegistrationContext.get().event_handlers.get(event.name)
    return registered.states[0] if registered is not None else None


def _is_left_behind(app: rx.App, page: SessionState) -> bool:
    """Say whether the event comes from another socket than the one that its tab is at now."""
    namespace, socket = app.event_namespace, page.router.session
    at = namespace._token_manager.token_to_socket.get(socket.client_token) if namespace else None
    return at is not None and at.sid != socket.session_id


# One sets any variable of a state, the other what a page keeps in the browser's storage.
_SETTERS = (".setvar", f".{CompileVars.UPDATE_VARS_INTERNAL}")


def _is_private(event: Event) -> bool:
    state = _state_of(event)
    return state is not None and issubclass(state, PrivateState)


async def _refuse(page: SessionState, *events: Event) -> StateUpdate:
    # What was reset has to reach the browser with the refusal: nobody else will send it.
    root = page._get_root_state()
    delta = await root._get_resolved_delta()
    root._clean()
    return StateUpdate(delta=delta, events=list(events))


class SessionMiddleware(Middleware):
    """Binds each tab's state to one session and refuses what the session may not do."""

    async def preprocess(self, app: rx.App, state: BaseState, event: Event) -> StateUpdate | None:
        """Return None to let the event go on, or what the browser gets instead of it."""
        page = await state.get_state(SessionState)
        if event.name.endswith(_SETTERS):
            return await _refuse(page)  # Reflex has them in every state; no page of ours uses them.
        is_hydration = event.name in HYDRATIONS
        try:
            await self._count(page)
            viewer = await sessions.resolve_cookie_header(
                page.router.headers.cookie, by_person=_is_by_person(event)
            )
        except (DatabaseUnavailable, RateLimited) as error:
            return await self._hold_back(page, error, event)
        if not is_hydration and _is_left_behind(app, page):
            # What a socket began goes on when its tab is at another one already. It may end what it began for
            # the same session; the tab itself is the other socket's.
            is_theirs = viewer is not None and page._session_id == viewer.session_id
            return None if is_theirs else StateUpdate()
        if viewer is not None:
            return await self._admit(page, viewer, is_hydration=is_hydration)
        was_signed_in = page.is_signed_in
        holders.forget(page.router.session.client_token)
        if page._session_id and (is_hydration or was_signed_in):
            page._forget_person()
        if is_hydration:
            page._session_id = ""  # All states were loaded and reset: nothing of that session is left.
            return None
        # Nobody looks at a tab that is forgotten. So the event that finds its session ended leads it away,
        # also one that anybody may send, such as the last one of a page that was just being opened.
        leaves = was_signed_in or _is_private(event)
        return await _refuse(page, *Event.from_event_type(to_login(page))) if leaves else None

    async def _count(self, page: SessionState) -> None:
        # Before the database is asked for anything. The network is part of the key, so that whoever
        # holds the cookie of an ended session cannot use up what its owner may send.
        network = network_of(page.router.session.client_ip)
        claimed = sessions.claimed_user(page.router.headers.cookie) or ""
        ask_as(network, claimed)
        await throttle.attempt(EVENTS, claimed, network)

    async def _admit(self, page: SessionState, viewer: Viewer, *, is_hydration: bool) -> StateUpdate | None:
        if page._session_id != viewer.session_id:
            page._forget_person()
            holders.forget(page.router.session.client_token)
            if not is_hydration:
                # This may be somebody else's tab, or one whose state was lost. Only a hydration loads
                # all states, so only there all of them can be reset.
                return await _refuse(page, Event(name=HYDRATE_AND_LOAD))
        page._bind(viewer)
        if page.notice:
            page.notice = ""  # Reflex sends what is set, changed or not.
        socket = page.router.session
        holders.remember(socket.client_token, Holder(viewer.session_id, viewer.user_id, socket.session_id))
        return None

    async def _hold_back(
        self, page: SessionState, error: ApplicationError, event: Event
    ) -> StateUpdate | None:
        is_hydration = event.name in HYDRATIONS
        if is_hydration:
            # The page has to open, but whose it is could not be read: it opens without a person.
            page._forget_person()
            holders.forget(page.router.session.client_token)
        away = away_by(error)
        is_load = event.name in LOADS or EventContext.get().parent_txid is not None
        if is_load or away is not Away.PAGE:
            page_loads.failed(page.router.session.session_id, away)
        if not is_load or away is Away.PAGE:
            page._say(error.code)  # Of a load that failed the page says what is away.
        return None if is_hydration else await _refuse(page)
