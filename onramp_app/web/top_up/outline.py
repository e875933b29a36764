"""The outline of a top-up's page, shown until the top-up has been read."""

import reflex as rx

from onramp_app.texts import _


def outline() -> rx.Component:
    """Return a card with grey lines where the words will be."""
    return rx.el.div(
        rx.el.p(_("Loading"), role="status", class_name="sr-only"),
        rx.el.div(class_name="skeleton h-5 w-2/5"),
        rx.el.div(class_name="skeleton h-9 w-4/5"),
        rx.el.div(class_name="skeleton h-5 w-full"),
        *[rx.el.div(class_name="skeleton h-11 w-full mt-5") for _line in range(4)],
        class_name="card top-up grid gap-3",
    )
