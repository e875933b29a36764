"""The balance as a large amount, and its course as a chart with a scale: for home and for examples."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.parts.money import money_size

_LINES = ("M0 0H600", "M0 50H600", "M0 100H600")


def large_amount(
    head: rx.Var[str] | str,
    tail: rx.Var[str] | str,
    *,
    words: rx.Var[str] | str,
    place: str,
    count: rx.Component,
) -> rx.Component:
    """Return an amount in two sizes, which screen readers hear as `words`, also when it changes.

    Args:
        head: what stands before the decimals.
        tail: the decimals with their sign.
        words: the same for screen readers.
        place: the id of the element with the two parts.
        count: what counts the amount up there; an empty fragment where nothing does.
    """
    return rx.el.p(
        rx.el.span(words, class_name="sr-only"),
        rx.el.span(head, rx.el.span(tail, class_name="money-tail"), aria_hidden="true", id=place),
        count,
        aria_live="polite",
        aria_atomic="true",
        class_name=money_size(head),
    )


def chart(
    *,
    line: rx.Var[str] | str,
    area: rx.Var[str] | str,
    scale: tuple[rx.Var[str] | str, ...],
    days: tuple[rx.Component, ...],
    table: rx.Component,
) -> rx.Component:
    """Return a line in a box of 600 by 100 over lines at its top, middle and bottom.

    Args:
        line: the path of the line.
        area: the path of the area below it.
        scale: what the three lines stand for, from the top down.
        days: the moments at the beginning, the middle and the end.
        table: the same figures for screen readers, which see nothing of the drawing.
    """
    return rx.el.figure(
        rx.el.div(table, class_name="sr-only"),
        rx.el.div(
            rx.el.svg(
                *[
                    rx.el.svg.path(
                        d=path, stroke="var(--line)", custom_attrs={"vectorEffect": "non-scaling-stroke"}
                    )
                    for path in _LINES
                ],
                rx.el.svg.path(d=area, fill="var(--petrol-wash)", class_name="chart-area"),
                rx.el.svg.path(
                    d=line,
                    fill="none",
                    stroke="var(--petrol)",
                    stroke_width="2.5",
                    stroke_linejoin="round",
                    custom_attrs={"vectorEffect": "non-scaling-stroke"},
                ),
                view_box="0 0 600 100",
                custom_attrs={"preserveAspectRatio": "none"},
                class_name="chart-line",
            ),
            rx.el.div(*[rx.el.span(words) for words in scale], class_name="chart-scale"),
            rx.el.div(*[rx.el.span(day) for day in days], class_name="chart-days"),
            aria_hidden="true",
            class_name="chart",
        ),
        class_name="mt-5",
    )


def chart_table(caption: rx.Var[str] | str, rows: rx.Component) -> rx.Component:
    """Return the figures of a chart as a table of two columns: when, and how much."""
    return rx.el.table(
        rx.el.caption(caption),
        rx.el.thead(rx.el.tr(rx.el.th(_("Date"), scope="col"), rx.el.th(_("Balance"), scope="col"))),
        rx.el.tbody(rows),
    )
