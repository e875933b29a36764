"""What every page knows of its session, and the parent of all states that need one.

The event middleware binds and unbinds; pages and handlers only read.
"""

from collections import deque
from typing import ClassVar
from urllib.parse import quote, urlsplit

import reflex as rx
import structlog
from reflex.event import EventSpec
from reflex_base.event.context import EventContext

from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.domain.views import Viewer
from onramp_app.services import sessions
from onramp_app.states.views import NOBODY, Person, initials_of
from onramp_app.texts import _

_log = structlog.get_logger(__name__)


def _problem_texts() -> dict[str, str]:
    return {
        "database_unavailable": _(
            "We cannot reach our database right now. Nothing is lost; try again shortly."
        ),
        "rate_limited": _("That was a lot at once. Wait a minute and go on."),
        "unexpected": _("Something on our side failed. Nothing was changed; try again, or reload the page."),
    }


class SessionState(rx.State):
    """The person and the one message that the shell shows. Nothing here is secret."""

    person: Person = NOBODY
    is_signed_in: bool = False
    notice: str = ""
    _session_id: str = ""  # The session whose data this state may hold; kept on the server.

    @rx.event
    def tell(self, code: str) -> None:
        """Show the message of a code; an unknown one shows the general message."""
        self._say(code if isinstance(code, str) else "unexpected")

    def _say(self, code: str) -> None:
        texts = _problem_texts()
        self.notice = texts.get(code, texts["unexpected"])

    def _bind(self, viewer: Viewer) -> None:
        person = Person(
            email=viewer.email,
            display_name=viewer.display_name,
            initials=initials_of(viewer.display_name, viewer.email),
            country=viewer.country or "",
            display_currency=viewer.display_currency,
            language=viewer.language,
        )
        self._session_id = viewer.session_id
        if self.person != person:
            self.person = person
        if not self.is_signed_in:
            self.is_signed_in = True

    def _forget_person(self) -> None:
        """Reset all that is loaded. The binding stays, so that the next hydration resets the rest too."""
        bound = self._session_id
        self._get_root_state().reset()
        self._session_id = bound


class PrivateState(rx.State):
    """Parent of every state that needs a signed-in person.

    The event middleware refuses its events, and those of its children, to anybody else.
    """

    # Handlers that a page of the state calls without the person: by a clock, say. They keep no session alive.
    _sent_by_page: ClassVar[frozenset[str]] = frozenset()

    @rx.event
    def enter(self) -> None:
        """Guard a private page: the middleware sends whoever may not see it to `/login`."""

    async def _viewer(self) -> Viewer | None:
        """Return who asks, read anew: no handler relies on what the middleware found."""
        return await sessions.resolve_cookie_header(self.router.headers.cookie)


def path_of(state: rx.State) -> str:
    """Return the path of the page that the tab shows, without a slash at its end."""
    return urlsplit(str(state.router.url)).path.rstrip("/")


def to_login(state: rx.State) -> EventSpec:
    """Return the event that leads to `/login` and back to this page afterwards."""
    here, query = path_of(state) or "/", urlsplit(str(state.router.url)).query
    target = f"{here}?{query}" if query else here
    return rx.redirect(f"/login?reason=session_ended&next={quote(target, safe='')}")


_told: deque[str] = deque(maxlen=200)  # Events whose failure the person is being told.


def show_backend_problem(exception: Exception) -> EventSpec | None:
    """Log what escaped a handler and tell the person; Reflex's own handler is a toast, which needs eval.

    Telling is an event too, and fails where the tab's state cannot be had: that is not told again.
    """
    is_away = isinstance(exception, DatabaseUnavailable)
    if is_away:
        _log.warning("event waits for the database", reason=str(exception.__cause__))
    else:
        _log.error("event failed", exc_info=exception)
    event = EventContext.get()
    if event.parent_txid in _told:
        return None
    _told.append(event.txid)
    return SessionState.tell(DatabaseUnavailable.code if is_away else "unexpected")  # type: ignore[operator]


def log_frontend_problem(exception: Exception) -> None:
    """Log what failed in a browser; the text comes from there and is cut."""
    _log.warning("page failed", report=str(exception)[:2000])
