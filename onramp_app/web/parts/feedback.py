"""How pages say what happened: notices and problems, in words and in place, never as toasts."""

from string import Formatter

import reflex as rx

from onramp_app.web.parts.signs import sign


def bad_sign() -> rx.Component:
    """Draw the sign that stands beside a problem's words."""
    return sign("M12 8v5", "M12 16.5v.01", "M12 3a9 9 0 1 0 0 18a9 9 0 0 0 0-18z")


def good_sign() -> rx.Component:
    """Draw the sign that stands beside words of success."""
    return sign("M8 12.5l2.8 2.8L16.5 9.5", "M12 3a9 9 0 1 0 0 18a9 9 0 0 0 0-18z")


def notice(*children: rx.Component | rx.Var[str] | str, kind: str = "") -> rx.Component:
    """Return a notice; `kind` is `good`, `bad`, `now` or nothing. Screen readers read it when it appears."""
    sign = {"bad": bad_sign, "good": good_sign}.get(kind)
    return rx.el.div(
        *([sign()] if sign else []),
        rx.el.div(*children),
        role="alert" if kind == "bad" else "status",
        class_name=f"notice notice-{kind}" if kind else "notice",
    )


def filled(message: str, **values: rx.Component | rx.Var[str] | str) -> rx.Component:
    """Return a translated sentence with components in the places of its `{names}`.

    The sentence stays whole for translators: another language may have the places elsewhere.
    """
    pieces: list[rx.Component | rx.Var[str] | str] = []
    for text, name, _format, _conversion in Formatter().parse(message):
        pieces += [text] if text else []
        pieces += [values[name]] if name else []
    return rx.fragment(*pieces)


def problem(words: rx.Component, *, for_field: str) -> rx.Component:
    """Return what is wrong with one field, shown below it; the field refers to it by `aria-describedby`."""
    return rx.el.p(bad_sign(), words, class_name="problem", id=f"{for_field}-problem")
