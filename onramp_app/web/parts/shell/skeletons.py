"""What pages show until the person is known: empty places of about the shape of what comes."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.parts.activity_rows import row_skeletons


def form_skeleton() -> rx.Component:
    """Return a title and two cards below one another."""
    return rx.el.div(
        _one_moment(),
        rx.el.div(class_name="skeleton h-10 w-48"),
        rx.el.div(class_name="skeleton h-[320px] rounded-[20px]"),
        rx.el.div(class_name="skeleton h-[320px] rounded-[20px]"),
        class_name="mx-auto grid w-full max-w-[640px] gap-6 md:pt-4",
    )


def list_skeleton() -> rx.Component:
    """Return a title, a search field, its filters, and a card of lines."""
    return rx.el.div(
        _one_moment(),
        rx.el.div(class_name="skeleton h-10 w-40"),
        rx.el.div(class_name="skeleton h-[52px] rounded-[12px]"),
        rx.el.div(class_name="skeleton -mt-1 h-24 sm:h-11 w-full max-w-[400px] rounded-[20px]"),
        rx.el.div(row_skeletons(8), class_name="card card-of-rows"),
        class_name="mx-auto grid w-full max-w-[760px] grid-cols-[minmax(0,1fr)] gap-4 md:pt-4",
    )


def card_skeleton() -> rx.Component:
    """Return one card with a title and its lines."""
    return rx.el.div(
        _one_moment(),
        rx.el.span(class_name="skeleton h-9 w-3/5"),
        rx.el.span(class_name="skeleton mt-4 h-5 w-full"),
        rx.el.span(class_name="skeleton mt-2 h-5 w-4/5"),
        class_name="card",
    )


def _one_moment() -> rx.Component:
    return rx.el.p(_("One moment."), role="status", class_name="sr-only")
