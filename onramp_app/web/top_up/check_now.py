"""The button that asks the provider at once, and the line that says what came of it."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.parts.feedback import filled
from onramp_app.web.parts.times import clock_of
from onramp_app.web.top_up.state import TopUpPageState


def check_now(size: str = "button button-slim") -> rx.Component:
    """Return the button that asks the provider at once; `size` holds the CSS classes that size it."""
    return rx.el.button(
        _("Check now"),
        type="button",
        on_click=TopUpPageState.check_now,
        class_name=f"{size} button-quiet",
    )


def asked_line() -> rx.Component:
    """Return the line that says what came of the button, and when the provider last answered."""
    at = clock_of(TopUpPageState.answered_at)
    return rx.el.p(
        rx.match(
            TopUpPageState.reading,
            ("asking", rx.fragment(_("Asking the provider…"))),
            (
                "current",
                filled(_("The provider answered at {time}. This page updates automatically."), time=at),
            ),
            (
                "away",
                rx.cond(
                    TopUpPageState.answered_at != "",
                    filled(_("The provider isn't answering. Its last answer was at {time}."), time=at),
                    _("The provider isn't answering right now."),
                ),
            ),
            rx.fragment(),
        ),
        role="status",
        class_name="soft tiny mt-3 empty:hidden",
    )
