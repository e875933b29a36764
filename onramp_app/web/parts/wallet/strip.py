"""A line about a top-up: its words, how far it is, and the way to it. Its height is always the same."""

import reflex as rx

from onramp_app.web.parts.places import link
from onramp_app.web.parts.signs import sign

_FORWARD = "M9 6l6 6l-6 6"


def strip(
    title: rx.Var[str] | str,
    text: rx.Var[str] | str,
    *,
    progress: rx.Component | None = None,
    way: rx.Component | None = None,
) -> list[rx.Component]:
    """Return the parts of the line, to be put into an element of the class `strip`.

    On a phone the words of `text` are for screen readers alone, and the whole line is the way.
    """
    return [
        rx.el.div(
            rx.el.p(title, class_name="strip-title"),
            rx.el.p(text, class_name="strip-text"),
            *([progress] if progress else []),
            class_name="strip-words",
        ),
        *([way] if way else []),
    ]


def strip_way(words: rx.Var[str] | str, about: rx.Var[str] | str, *, to: str | rx.Var[str]) -> rx.Component:
    """Return the way out of the line: a button with words or, on a phone, an arrow."""
    return link(*way_parts(words, about), to=to, class_name="strip-way")


def way_parts(words: rx.Var[str] | str, about: rx.Var[str] | str) -> list[rx.Component]:
    """Return what the way shows, for where it is no link."""
    return [
        rx.el.span(words, class_name="strip-way-words button button-quiet button-slim"),
        rx.el.span(": ", about, class_name="sr-only"),
        sign(_FORWARD, class_name="strip-arrow"),
    ]


def steps_done(done: int, of: int, *, label: rx.Var[str] | str) -> rx.Component:
    """Return how many of the steps are done, as a bar; nothing where that is not known."""
    return rx.cond(
        done > 0,
        rx.el.progress(value=done, max=of, aria_label=label, class_name="bar strip-bar"),
    )
