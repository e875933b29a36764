"""Fields of forms, made of native elements: the browser checks first, and each field shows its message."""

from collections.abc import Iterable

import reflex as rx
from reflex.experimental import ClientStateVar

from onramp_app.factors.factors import MAX_CODE_LENGTH
from onramp_app.texts import _
from onramp_app.web.parts.feedback import problem

MIN_PASSWORD_LENGTH = 8
MAX_PASSWORD_LENGTH = 128


def _described_by(name: str, message: rx.Var[str] | str | None, *, has_hint: bool) -> dict[str, object]:
    hint = f"{name}-hint" if has_hint else ""
    if message is None:
        return {"aria_describedby": hint} if hint else {}
    return {
        "aria_invalid": rx.cond(message != "", "true", "false"),
        "aria_describedby": rx.cond(message != "", f"{name}-problem {hint}".strip(), hint),
    }


def _below(
    name: str,
    message: rx.Var[str] | str | None,
    hint: rx.Component | str | None,
    *,
    remedy: rx.Component | None = None,
) -> list[rx.Component]:
    parts = []
    if message is not None:
        words = rx.el.span(message, *([" ", remedy] if remedy else []))
        parts.append(rx.cond(message != "", problem(words, for_field=name)))
    if hint is not None:
        parts.append(rx.el.p(hint, class_name="hint", id=f"{name}-hint"))
    return parts


def text_field(
    label: str,
    name: str,
    *,
    message: rx.Var[str] | str | None = None,
    remedy: rx.Component | None = None,
    hint: str | None = None,
    **props: object,
) -> rx.Component:
    """Return a labelled input.

    Args:
        label: the words above the input.
        name: the field's name in the form, and its id in the page.
        message: what is wrong with the value; empty while nothing is.
        remedy: a link or the like behind the message.
        hint: the words that always stand below.
        props: attributes of the input itself.
    """
    return rx.el.div(
        rx.el.label(label, html_for=name),
        rx.el.input(
            id=name,
            name=name,
            class_name="input",
            **_described_by(name, message, has_hint=hint is not None),
            **props,
        ),
        *_below(name, message, hint, remedy=remedy),
        class_name="field",
    )


def code_field(
    name: str, *, message: rx.Var[str] | str, required: bool = False, auto_focus: bool = False
) -> rx.Component:
    """Return the input for the code of an authenticator app, or a recovery code in its place."""
    return text_field(
        _("Code of your authenticator app"),
        name,
        message=message,
        hint=_("Lost your phone? Enter one of your recovery codes instead."),
        max_length=MAX_CODE_LENGTH,
        auto_complete="one-time-code",
        required=required,
        auto_focus=auto_focus,
        spell_check=False,
    )


def password_field(
    label: str,
    name: str,
    *,
    autocomplete: str,
    message: rx.Var[str] | str | None = None,
    is_new: bool = False,
    **props: object,
) -> rx.Component:
    """Return a password input with a button that shows what was typed.

    What was typed stays in the browser until the form is sent. `is_new` asks for at least 8 characters, and
    says whether there are enough while the person types. `props` are attributes of the input itself.
    """
    # A shared variable, because Reflex makes each part that changes a component of its own.
    is_shown = ClientStateVar.create(f"{name}_is_shown", default=False)
    limits = {"min_length": MIN_PASSWORD_LENGTH} if is_new else {}
    return rx.el.div(
        is_shown,
        rx.el.label(label, html_for=name),
        rx.el.div(
            rx.el.input(
                id=name,
                name=name,
                type=rx.cond(is_shown.value, "text", "password"),
                required=True,
                max_length=MAX_PASSWORD_LENGTH,
                auto_complete=autocomplete,
                auto_capitalize="none",
                spell_check=False,
                placeholder=" ",
                class_name="input",
                **props,
                **limits,
                **_described_by(name, message, has_hint=is_new),
            ),
            rx.el.button(
                rx.cond(is_shown.value, _("Hide"), _("Show")),
                rx.el.span(" ", label.lower(), class_name="sr-only"),
                type="button",
                aria_pressed=rx.cond(is_shown.value, "true", "false"),
                aria_controls=name,
                on_click=is_shown.set_value(~is_shown.value),
            ),
            class_name="input-with-button",
        ),
        *_below(name, message, _length_hint() if is_new else None),
        class_name="field",
    )


def _length_hint() -> rx.Component:
    return rx.fragment(
        rx.el.span(_("At least 8 characters."), class_name="length-missing"),
        rx.el.span(_("Long enough."), class_name="length-met"),
        " ",
        _("Three or four unrelated words are strong and easy to remember."),
    )


def choice_field(
    label: str,
    name: str,
    *,
    options: Iterable[tuple[str, str]],
    empty: str | None = None,
    message: rx.Var[str] | str | None = None,
    **props: object,
) -> rx.Component:
    """Return a labelled select of `(value, words)`; `empty` is shown before a choice."""
    first = [rx.el.option(empty, value="")] if empty is not None else []
    return rx.el.div(
        rx.el.label(label, html_for=name),
        rx.el.select(
            *first,
            *[rx.el.option(words, value=value) for value, words in options],
            id=name,
            name=name,
            class_name="input",
            **_described_by(name, message, has_hint=False),
            **props,
        ),
        *_below(name, message, None),
        class_name="field",
    )


def check_field(label: str, name: str, *, is_checked: rx.Var[bool] | bool) -> rx.Component:
    """Return a labelled checkbox. `is_checked` is what was saved; a change is sent with the form."""
    return rx.el.label(
        rx.el.input(
            type="checkbox",
            id=name,
            name=name,
            default_checked=is_checked,
            # React reads what was saved only once, and the page may be drawn before that is known.
            key=rx.cond(is_checked, f"{name}-on", f"{name}-off"),
            class_name="check",
        ),
        rx.el.span(label),
        html_for=name,
        class_name="flex min-h-11 items-center gap-3 cursor-pointer",
    )


def main_button(words: str, **props: object) -> rx.Component:
    """Return the one filled button of a screen."""
    return rx.el.button(words, type="submit", class_name="button button-main", **props)
