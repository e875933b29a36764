"""The session as pages know it, and the parent of all states that need one.

The event middleware binds and unbinds states; pages and handlers only read.
"""

from collections import deque
from typing import ClassVar
from urllib.parse import quote, urlsplit

import reflex as rx
import structlog
from reflex.event import EventSpec
from reflex.state import OnLoadInternalState, State
from reflex.utils.format import format_event_handler
from reflex_base.constants import CompileVars, RouteVar
from reflex_base.constants.state import FIELD_MARKER
from reflex_base.event.context import EventContext

from onramp_app.accounts import sessions
from onramp_app.accounts.views import Viewer
from onramp_app.config import get_settings
from onramp_app.links import sessions as narrow
from onramp_app.links.sessions import Payer
from onramp_app.texts import _, language_of_path, path_in
from onramp_app.web.tabs import holders
from onramp_app.web.tabs.loads import Away, away_by, page_loads
from onramp_app.web.tabs.shapes import NOBODY, Person, initials_of

_log = structlog.get_logger(__name__)


def _event_name(name: str) -> str:
    return format_event_handler(State.event_handlers[name])


HYDRATE_AND_LOAD = _event_name(CompileVars.HYDRATE_AND_LOAD)
HYDRATIONS = frozenset((_event_name(CompileVars.HYDRATE), HYDRATE_AND_LOAD))
LINK_PLACE = "/link/"
# Events by which a page loads: when it connects, and when somebody goes to it.
LOADS = HYDRATIONS | {format_event_handler(OnLoadInternalState.event_handlers["on_load_internal"])}


def failure_text(code: str) -> str:
    """Return the message for a person whose action failed; a general one for an unknown code."""
    texts = {
        "database_unavailable": _(
            "That didn't go through: we can't reach our database right now. Try again shortly."
        ),
        "updates_unavailable": _(
            "That didn't go through: part of our service isn't answering right now. Try again shortly."
        ),
        "rate_limited": _("That was a lot at once. Wait a minute and continue."),
        "unexpected": _("Something on our side failed. Nothing was changed; try again, or reload the page."),
    }
    return texts.get(code, texts["unexpected"])


class SessionState(rx.State):
    """The person and the one message that the shell shows. Nothing here is secret."""

    person: Person = NOBODY
    is_signed_in: bool = False
    is_narrow: bool = False  # The tab is at an add-money link, with a session that admits to that alone.
    notice: str = ""
    # The part that keeps this page from being current (an `Away`), and until when it was current (RFC 3339).
    # Set in the browser alone: no stored state holds them, because the store may be what is away.
    away: str = ""
    current_until: str = ""
    _session_id: str = ""  # The session whose data this state may hold; kept on the server.

    @rx.event
    def show_failure(self, code: str) -> None:
        """Show the message of a code; an unknown one shows the general message."""
        self._show_failure(code if isinstance(code, str) else "unexpected")

    def _show_failure(self, code: str) -> None:
        self.notice = failure_text(code)

    def _bind(self, viewer: Viewer) -> None:
        if isinstance(viewer, Payer):
            self._session_id = viewer.session_id
            if not self.is_narrow:
                self.is_narrow = True
            return
        person = Person(
            email=viewer.email,
            display_name=viewer.display_name,
            initials=initials_of(viewer.display_name, viewer.email),
            country=viewer.country or "",
            display_currency=viewer.display_currency,
            language=viewer.language,
            is_email_confirmed=viewer.is_email_confirmed,
            must_confirm_email=(not viewer.is_email_confirmed and get_settings().require_confirmed_email),
        )
        self._session_id = viewer.session_id
        if self.person != person:
            self.person = person
        if not self.is_signed_in:
            self.is_signed_in = True

    @property
    def _is_held(self) -> bool:
        """Whether the tab shows pages of somebody's session."""
        return self.is_signed_in or self.is_narrow

    def _forget_person(self) -> None:
        """Reset all states that are loaded. The binding stays, so the next hydration resets the others."""
        bound = self._session_id
        self._get_root_state().reset()
        self._session_id = bound


class PrivateState(rx.State):
    """Parent of every state that needs a signed-in person.

    The event middleware refuses its events, and those of its children, to anybody else.
    """

    # Handlers that a page calls without the person, by a timer for example. They keep no session alive.
    _sent_by_page: ClassVar[frozenset[str]] = frozenset()
    # Handlers that a narrow session may send, from the page of its link. All others refuse it.
    _for_links: ClassVar[frozenset[str]] = frozenset()

    @rx.event
    def enter(self) -> None:
        """Guard a private page: the middleware sends anybody who may not see it to `/login`."""

    async def _viewer(self) -> Viewer | None:
        """Return the person, read again from the session: no handler relies on what the middleware found.

        At the page of an add-money link that is the `Payer` of its narrow session, whoever is signed in.
        """
        if (token := link_token_of(self)) is None:
            return await sessions.resolve_cookie_header(self.router.headers.cookie)
        return await narrow.resolve_token(self.router.headers.cookie, token) if self._for_links else None


def page_path(state: rx.State) -> str:
    """Return the path of the page that the tab shows, without a slash at its end."""
    return urlsplit(str(state.router.url)).path.rstrip("/")


def route_of(state: rx.State) -> str:
    """Return the same without the language that the page is in."""
    return language_of_path(page_path(state))[1]


def link_token_of(state: rx.State) -> str | None:
    """Return the token that stands in the address of the page of an add-money link, None on other pages."""
    route = route_of(state)
    return route.removeprefix(LINK_PLACE) if route.startswith(LINK_PLACE) else None


def to_login(state: rx.State) -> EventSpec:
    """Return the event that leads to `/login` and back to this page afterwards.

    The page of an add-money link loads again instead: it knows what to say of a session that has ended.
    """
    if link_token_of(state) is not None:
        return State.event_handlers[CompileVars.HYDRATE_AND_LOAD]()
    here, query = page_path(state) or "/", urlsplit(str(state.router.url)).query
    target = f"{here}?{query}" if query else here
    login = path_in(language_of_path(here)[0], "/login")
    return rx.redirect(f"{login}?reason=session_ended&next={quote(target, safe='')}")


async def forget(state: rx.State) -> None:
    """Forget the person in the tab whose own handler has just ended their sessions.

    The announcement of the end leads away all other tabs. It would lead this one away too, a moment later and
    without what it is to show. Where nobody is signed in, nothing happens.
    """
    holders.forget(state.router.session.client_token)
    page = await state.get_state(SessionState)
    page._forget_person()


async def leave(state: rx.State, reason: str) -> EventSpec:
    """Forget the person as `forget` does, and lead to `/login` with the reason that it is to show."""
    await forget(state)
    login = path_in(language_of_path(page_path(state))[0], "/login")
    return rx.redirect(f"{login}?reason={reason}")


def away_delta(away: Away, current_until: str, words: str = "") -> dict[str, dict[str, str]]:
    """Return the delta, as Reflex sends it, by which a page says which part is away."""
    values = {"away": str(away), "current_until": current_until, **({"notice": words} if words else {})}
    return {SessionState.get_full_name(): {f"{name}{FIELD_MARKER}": text for name, text in values.items()}}


_reported: deque[str] = deque(maxlen=200)  # Ids of events whose failure is being shown to the person.


def show_backend_problem(exception: Exception) -> EventSpec | None:
    """Log an exception that escaped a handler, have the page load again, and show the person a message.

    The message is an event too, and needs the state of the tab. Where the state cannot be read, the message
    goes to the socket instead.
    """
    context, away = EventContext.get(), away_by(exception)
    socket_id = context.router_data.get(RouteVar.SESSION_ID, "")
    is_part_of_load = context.parent_txid is not None or page_loads.is_loading(socket_id)
    if away is Away.PAGE:
        _log.error("event failed", exc_info=exception)
        if is_part_of_load:
            page_loads.failed(socket_id, away)
        if context.parent_txid in _reported:
            return None  # Showing the failure failed itself. Do not try that again.
        _reported.append(context.txid)
        return SessionState.show_failure("unexpected")  # type: ignore[operator]
    _log.warning(
        "event failed, because something is away", away=away, reason=str(exception.__cause__ or exception)
    )
    code = "database_unavailable" if away is Away.DATABASE else "updates_unavailable"
    page_loads.failed(socket_id, away, words="" if is_part_of_load else failure_text(code))
    return None


def log_frontend_problem(exception: Exception) -> None:
    """Log a failure in a browser. The text comes from there, so it is cut."""
    _log.warning("page failed", report=str(exception)[:2000])
