"""The sign in the header that says whether the page is live and, if it is not, how old it is."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.parts.feedback import filled
from onramp_app.web.parts.shell.connection import is_offline
from onramp_app.web.parts.times import clock_of
from onramp_app.web.tabs.live import LiveState
from onramp_app.web.tabs.session import SessionState


def live_sign() -> rx.Component:
    """Return a dot with a word: live, connecting, not live or offline. The last two say since when."""
    return rx.el.p(
        rx.cond(
            is_offline,
            _sign("lost", _("Offline"), _as_of(LiveState.as_of)),
            rx.cond(
                SessionState.away != "",
                _sign("lost", _("Not live"), _as_of(SessionState.current_until)),
                rx.cond(rx.State.is_hydrated, _sign("live", _("Live")), _sign("waiting", _("Connecting…"))),
            ),
        ),
        role="status",
        class_name="soft small whitespace-nowrap",
    )


def _as_of(moment: rx.Var[str] | str) -> rx.Component:
    return rx.cond(
        (moment != "") & SessionState.is_signed_in,
        rx.el.span(" · ", filled(_("as of {time}"), time=clock_of(moment)), class_name="hidden sm:inline"),
    )


def _sign(kind: str, *words: rx.Component | str) -> rx.Component:
    return rx.el.span(
        rx.el.span(class_name=f"live-dot live-dot-{kind}", aria_hidden="true"),
        rx.el.span(*words),
        class_name="inline-flex items-center gap-2",
    )
