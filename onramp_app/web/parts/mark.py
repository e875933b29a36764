"""The mark: a wave of light in a rounded square, drawn with the tokens of the theme."""

import reflex as rx


def mark(size: int = 26) -> rx.Component:
    """Draw the mark, `size` pixels wide, as decoration: the name of the application is always close by."""
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
