"""Admits each event of each tab: who sends it, may they, and how often.

Reflex shows a handler only the cookie of the socket's handshake, and anybody may claim any client token. So
the row of the session is read for each event, and a state belongs to the session it was bound to.
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
from onramp_app.links import sessions as narrow
from onramp_app.links.sessions import Payer
from onramp_app.texts import language_of_path, speak
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
    link_token_of,
    page_path,
    to_login,
)

# Opening a page takes four events. Pushes from the server are not events.
EVENTS = (RateLimitItemPerMinute(600, namespace="event"),)


# Events that no person causes: a page sends them when it connects, its storage changes, or its script fails.
_WITHOUT_PERSON = HYDRATIONS | {
    f"{State.get_full_name()}.{CompileVars.UPDATE_VARS_INTERNAL}",
    f"{CompileVars.FRONTEND_EXCEPTION_STATE_FULL}.handle_frontend_exception",
}


def _is_by_person(event: Event) -> bool:
    """Return whether a person did something just now, as far as an event can tell.

    An abandoned page reconnects again and again, and its timers go on. So neither the events of a page alone
    count, nor those that another event caused, such as a load after a reconnect. Going to another page does
    count: that load is the page's own request.
    """
    if event.name in _WITHOUT_PERSON or EventContext.get().parent_txid is not None:
        return False
    state, name = _state_of(event), event.name.rpartition(".")[2]
    return not (state is not None and issubclass(state, PrivateState) and name in state._sent_by_page)


def _state_of(event: Event) -> type[BaseState] | None:
    registered = RegistrationContext.get().event_handlers.get(event.name)
    return registered.states[0] if registered is not None else None


def _is_left_behind(app: rx.App, page: SessionState) -> bool:
    """Return whether an event comes from another socket than the one that serves the tab now."""
    namespace, socket = app.event_namespace, page.router.session
    at = namespace._token_manager.token_to_socket.get(socket.client_token) if namespace else None
    return at is not None and at.sid != socket.session_id


# One sets any variable of a state, the other a variable that a page keeps in the storage of the browser.
_SETTERS = (".setvar", f".{CompileVars.UPDATE_VARS_INTERNAL}")


def _is_private(event: Event) -> bool:
    state = _state_of(event)
    return state is not None and issubclass(state, PrivateState)


def _is_for_links(event: Event) -> bool:
    """Return whether a narrow session may send an event: of a public state, or one that is named for it."""
    state = _state_of(event)
    if state is None or not issubclass(state, PrivateState):
        return True
    return event.name.rpartition(".")[2] in state._for_links


async def _viewer_of(page: SessionState, event: Event) -> Viewer | None:
    """Return whose event it is. The address of the page says which of the browser's sessions counts.

    At an add-money link that is the narrow session of this link alone, everywhere else the full one alone.
    """
    cookie = page.router.headers.cookie
    if (token := link_token_of(page)) is not None:
        return await narrow.resolve_token(cookie, token)
    return await sessions.resolve_cookie_header(cookie, by_person=_is_by_person(event))


async def _refuse(page: SessionState, *events: Event) -> StateUpdate:
    # The reset values have to reach the browser with the refusal: nothing else will send them.
    root = page._get_root_state()
    delta = await root._get_resolved_delta()
    root._clean()
    return StateUpdate(delta=delta, events=list(events))


class SessionMiddleware(Middleware):
    """Binds the state of each tab to one session, and refuses events that the session may not send."""

    async def preprocess(self, app: rx.App, state: BaseState, event: Event) -> StateUpdate | None:
        """Return None to admit the event, or the update that the browser gets instead."""
        page = await state.get_state(SessionState)
        if event.name.endswith(_SETTERS):
            return await _refuse(page)  # Reflex adds setters to every state; our pages use none.
        is_hydration = event.name in HYDRATIONS
        speak(page.person.language or language_of_path(page_path(page))[0])
        try:
            await self._count(page)
            viewer = await _viewer_of(page, event)
        except (DatabaseUnavailable, RateLimited) as error:
            return await self._hold_back(page, error, event)
        if isinstance(viewer, Payer) and not _is_for_links(event):
            return await _refuse(page)
        if viewer is not None:
            speak(viewer.language)
        if not is_hydration and _is_left_behind(app, page):
            # An event that a socket began goes on although the tab is at another socket by now. It may finish
            # for the same session; anything else is up to the other socket.
            is_same_session = viewer is not None and page._session_id == viewer.session_id
            return None if is_same_session else StateUpdate()
        if viewer is not None:
            return await self._admit(page, viewer, is_hydration=is_hydration)
        return await self._admit_nobody(page, event)

    async def _admit_nobody(self, page: SessionState, event: Event) -> StateUpdate | None:
        is_hydration = event.name in HYDRATIONS
        was_held, was_narrow = page._is_held, page.is_narrow
        holders.forget(page.router.session.client_token)
        if page._session_id and (is_hydration or was_held):
            page._forget_person()
        if is_hydration:
            page._session_id = ""  # A hydration resets all states, so nothing of that session is left.
            return None
        if was_narrow and link_token_of(page) is None:
            # The tab went on from a link to a page that anybody may see, which loads without the link.
            return await _refuse(page, Event(name=HYDRATE_AND_LOAD))
        # The push skips a tab without a holder. So the event that finds the session ended leads the tab away,
        # even an event that anybody may send, such as the last one of a page that was just opening.
        leaves = was_held or _is_private(event)
        return await _refuse(page, *Event.from_event_type(to_login(page))) if leaves else None

    async def _count(self, page: SessionState) -> None:
        # Counted before the database is asked for anything. The network is part of the key, so that somebody
        # with the cookie of an ended session cannot use up the events of its owner.
        network = network_of(page.router.session.client_ip)
        claimed_by = sessions.claimed_user if link_token_of(page) is None else narrow.claimed_person
        claimed = claimed_by(page.router.headers.cookie) or ""
        ask_as(network, claimed)
        await throttle.attempt(EVENTS, claimed, network)

    async def _admit(self, page: SessionState, viewer: Viewer, *, is_hydration: bool) -> StateUpdate | None:
        if page._session_id != viewer.session_id:
            page._forget_person()
            holders.forget(page.router.session.client_token)
            if not is_hydration:
                # The tab may be somebody else's, or its state was lost. Only a hydration loads all states, so
                # only a hydration can reset all of them.
                return await _refuse(page, Event(name=HYDRATE_AND_LOAD))
        page._bind(viewer)
        if page.notice:
            page.notice = ""  # Only if there is one: Reflex sends what is set, changed or not.
        socket = page.router.session
        holders.remember(socket.client_token, Holder(viewer.session_id, viewer.user_id, socket.session_id))
        return None

    async def _hold_back(
        self, page: SessionState, error: ApplicationError, event: Event
    ) -> StateUpdate | None:
        is_hydration = event.name in HYDRATIONS
        if is_hydration:
            # The page has to open although the session could not be read, so it opens without a person.
            page._forget_person()
            holders.forget(page.router.session.client_token)
        away = away_by(error)
        is_load = event.name in LOADS or EventContext.get().parent_txid is not None
        if is_load or away is not Away.PAGE:
            page_loads.failed(page.router.session.session_id, away)
        if not is_load or away is Away.PAGE:
            page._show_failure(error.code)  # For a load that failed, the page says what is away instead.
        return None if is_hydration else await _refuse(page)
