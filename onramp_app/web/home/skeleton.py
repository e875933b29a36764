"""What the home page shows until its data is read: the same cards, in the same places, still empty."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.parts.activity_rows import row_skeletons


def skeleton() -> rx.Component:
    """Return the placeholder of the home page."""
    return rx.el.div(
        rx.el.p(_("One moment."), role="status", class_name="sr-only"),
        rx.el.div(rx.el.span(class_name="skeleton h-5 w-48"), class_name="strip wallet-open"),
        rx.el.div(
            rx.el.span(class_name="skeleton h-5 w-20"),
            rx.el.span(class_name="skeleton mt-4 h-12 w-52"),
            rx.el.span(class_name="skeleton mt-3 h-4 w-40"),
            rx.el.span(class_name="skeleton mt-6 h-[150px] w-full"),
            rx.el.span(class_name="skeleton mt-6 hidden h-12 w-36 rounded-full md:block"),
            class_name="card wallet-balance",
        ),
        rx.el.div(
            rx.el.span(class_name="skeleton h-5 w-24"), row_skeletons(1), class_name="card wallet-assets"
        ),
        rx.el.div(
            rx.el.span(class_name="skeleton h-5 w-36"), row_skeletons(4), class_name="card wallet-recent"
        ),
        class_name="wallet",
    )
