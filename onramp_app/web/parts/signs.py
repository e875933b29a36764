"""Signs of one line, drawn in the colour of the words beside them."""

import reflex as rx


def sign(*paths: rx.Var[str] | str, **props: object) -> rx.Component:
    """Draw paths in a box of 24 by 24, hidden from screen readers: the words beside the sign say the same."""
    return rx.el.svg(
        *[rx.el.svg.path(d=path) for path in paths],
        view_box="0 0 24 24",
        fill="none",
        stroke="currentColor",
        stroke_width="2",
        stroke_linecap="round",
        stroke_linejoin="round",
        aria_hidden="true",
        **props,
    )
