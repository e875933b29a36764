"""The large amount of a page."""

import reflex as rx

_MOST_LETTERS = 10


def money_size(head: rx.Var[str] | str) -> rx.Var[str]:
    """Return the classes of a large amount: smaller where `head` is too long for a line on a phone."""
    letters = rx.Var.create(head).length()  # type: ignore[attr-defined]  # a text's Var has it
    return rx.cond(letters > _MOST_LETTERS, "large-money large-money-long", "large-money")


def money(
    head: rx.Var[str] | str,
    tail: rx.Var[str] | str,
    *,
    unit: rx.Var[str] | str,
    exact: rx.Var[str] | str = "",
) -> rx.Component:
    """Return a large amount with softer decimals and unit; `exact` is shown on hover."""
    return rx.el.p(
        head,
        rx.el.span(tail, class_name="money-tail"),
        rx.cond(unit != "", rx.el.span(" ", unit, class_name="money-unit")),
        title=exact,
        class_name=money_size(head),
    )
