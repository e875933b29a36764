"""What is drawn: the mark of the application, and signs of one line. Words beside them say the same."""

import reflex as rx


def mark(size: int = 26) -> rx.Component:
    """Draw the mark, a wave of light in a rounded square, `size` pixels wide, with the tokens of the theme.

    It is decoration: the name of the application is always close by.
    """
    return rx.el.svg(
        rx.el.svg.path(d="M0 0h32v32H0z", fill="var(--petrol)"),
        rx.el.svg.path(
            d="M0 18.4C5 15.6 10.4 14.4 16 14.4s11 1.2 16 4v7.2H0z",
            fill="var(--apricot)",
            class_name="mark-wave",
        ),
        view_box="0 0 32 32",
        width=str(size),
        height=str(size),
        class_name="flex-none overflow-hidden rounded-[28%]",
        aria_hidden="true",
    )


def sign(*paths: rx.Var[str] | str, **props: object) -> rx.Component:
    """Draw paths in a box of 24 by 24, in the colour of the words beside them, hidden from screen readers."""
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
