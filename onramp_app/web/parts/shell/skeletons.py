"""What pages show until the person is known: empty places of about the shape of what comes."""

import reflex as rx

from onramp_app.texts import _


def form_skeleton(*, width: int = 640, cards: int = 2) -> rx.Component:
    """Return a title and some cards below one another, `width` pixels wide (520 or 640)."""
    return rx.el.div(
        rx.el.p(_("One moment."), role="status", class_name="sr-only"),
        rx.el.div(class_name="skeleton h-10 w-48"),
        *[rx.el.div(class_name="skeleton h-[320px] rounded-[20px]") for _number in range(cards)],
        class_name=f"mx-auto grid w-full gap-6 md:pt-4 {'max-w-[640px]' if width > 520 else 'max-w-[520px]'}",
    )
