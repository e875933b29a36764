"""The lines of activity, as the home page and the list show them."""

from collections.abc import Callable

import reflex as rx

from onramp_app.web.parts.places import link, path_of
from onramp_app.web.parts.signs import sign
from onramp_app.web.parts.times import clock_of, time_of
from onramp_app.web.words.transactions import ActivityRow


def activity_rows(
    rows: list[ActivityRow], *, label: str | rx.Var[str], is_of_one_day: bool = False
) -> rx.Component:
    """Return the lines as a list; each is a link to its story. Those of one day show the hour alone."""
    at = clock_of if is_of_one_day else time_of
    return rx.el.ul(rx.foreach(rows, lambda row: _row(row, at)), aria_label=label, class_name="activity")


def _row(row: ActivityRow, at: Callable[[str], rx.Component]) -> rx.Component:
    return rx.el.li(
        link(
            *row_parts(row, when=at(row.at)),
            to=f"{path_of('/activity')}/{row.transaction_id}",
            class_name="activity-row",
        ),
        key=row.transaction_id,
    )


def row_parts(row: ActivityRow, *, when: rx.Component | str) -> list[rx.Component]:
    """Return the inside of one line; `when` is how it says the time."""
    return [
        direction_sign(row.direction),
        rx.el.span(
            rx.el.span(
                rx.el.span(row.title, class_name="font-semibold"),
                rx.el.span(row.amount, class_name=rx.cond(row.is_expected, "soft", "font-semibold")),
                class_name="row-ends",
            ),
            rx.el.span(
                rx.el.span(
                    when,
                    rx.cond(row.paid != "", rx.el.span(" · ", row.paid)),
                    class_name="soft small",
                ),
                state_tag(row.tag, row.tone),
                class_name="row-ends",
            ),
            class_name="grid min-w-0 flex-1 gap-0.5",
        ),
    ]


def state_tag(words: str, tone: str) -> rx.Component:
    """Return a state as a tag. The colour only repeats what the words say."""
    return rx.el.span(
        words,
        class_name=rx.match(
            tone,
            ("good", "tag"),
            ("now", "tag tag-now"),
            ("bad", "tag tag-bad"),
            "tag tag-over",
        ),
    )


_SIGNS = {
    "in": "M12 5v14M6 13l6 6 6-6",
    "out": "M12 19V5M6 11l6-6 6 6",
    "open": "M12 4a8 8 0 1 0 0 16a8 8 0 0 0 0-16M12 8.5V12l2.5 1.5",
    "ended": "M7 12h10",
}


def direction_sign(direction: str) -> rx.Component:
    """Return the round sign before a line: in, out, not over yet, or over without money."""
    return rx.el.span(
        sign(rx.match(direction, *_SIGNS.items(), "")),
        class_name="round-sign row-sign",
    )


def row_skeletons(number: int) -> rx.Component:
    """Return placeholders for `number` lines, shown until the lines are read."""
    return rx.el.div(
        *[
            rx.el.div(
                rx.el.span(class_name="skeleton row-sign size-10 rounded-full"),
                rx.el.span(class_name="skeleton h-5 w-40"),
                rx.el.span(class_name="skeleton ml-auto h-5 w-20"),
                class_name="activity-row",
            )
            for _number in range(number)
        ],
        aria_hidden="true",
        class_name="activity",
    )
