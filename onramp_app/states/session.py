"""What every page knows about the session it belongs to. Bound by the event middleware, never by a page."""

import reflex as rx

from onramp_app.states.views import NOBODY, Person


class SessionState(rx.State):
    """The person and the one message that the shell shows. Nothing here is secret."""

    person: Person = NOBODY
    is_signed_in: bool = False
    notice: str = ""
