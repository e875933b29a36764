"""The button by which a person has the provider asked at once, and the line that says when that was."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.parts.times import clock_of
from onramp_app.web.top_up.state import TopUpPageState


def check_now(size: str = "button button-slim") -> rx.Component:
    """Return the button that has the provider asked at once; `size` holds its CSS classes of size."""
    return rx.el.button(
        _("Check now"),
        type="button",
        on_click=TopUpPageState.check_now,
        class_name=f"{size} button-quiet",
    )


def asked_line() -> rx.Component:
    """Return the line that says when the provider was last asked because of this tab."""
    return rx.el.p(
        rx.cond(
            TopUpPageState.asked_at != "",
            rx.fragment(
                _("Asked the provider at"),
                " ",
                clock_of(TopUpPageState.asked_at),
                ". ",
                _("News shows here by itself."),
            ),
        ),
        role="status",
        class_name="soft tiny mt-3 empty:hidden",
    )
