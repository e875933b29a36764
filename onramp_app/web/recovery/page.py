"""`/forgot`, `/reset` and `/confirm`: what is asked for without a session, and done by links from mails."""

import reflex as rx

from onramp_app.texts import _
from onramp_app.web.parts.feedback import notice
from onramp_app.web.parts.forms import code_field, main_button, password_field, text_field
from onramp_app.web.parts.layout import public_page
from onramp_app.web.parts.places import path_of
from onramp_app.web.parts.shell.skeletons import card_skeleton
from onramp_app.web.recovery.state import ConfirmState, ForgotState, ResetState


def forgot() -> rx.Component:
    return _narrow(
        rx.cond(
            ForgotState.is_sent,
            _said(
                _("Check your email"),
                _(
                    "If there's an account with this address, a link to set a new password is on its way. It"
                    " works for 30 minutes."
                ),
                _("Nothing there? Check your spam folder, or check the address and try again."),
                _link(_("Back to sign in"), "/login"),
            ),
            rx.fragment(
                rx.el.div(
                    rx.el.h1(_("Forgot your password?"), class_name="title"),
                    rx.el.p(
                        _("We'll send you a link to set a new one."),
                        class_name="soft mt-1",
                    ),
                ),
                rx.el.form(
                    text_field(
                        _("Email"),
                        "email",
                        type="email",
                        required=True,
                        max_length=254,
                        auto_complete="username",
                        input_mode="email",
                    ),
                    rx.cond(ForgotState.problem != "", notice(ForgotState.problem, kind="bad")),
                    rx.el.div(
                        main_button(_("Send link"), disabled=~ForgotState.is_ready), class_name="grid pt-2"
                    ),
                    method="post",
                    on_submit=ForgotState.ask,
                    class_name="card grid gap-5",
                ),
                rx.el.p(_link(_("Back to sign in"), "/login")),
            ),
        ),
    )


def reset() -> rx.Component:
    return _narrow(
        rx.cond(
            ResetState.works,
            rx.fragment(
                rx.el.div(
                    rx.el.h1(
                        rx.cond(ResetState.is_claim, _("Claim your account"), _("Set a new password")),
                        class_name="title",
                    ),
                    rx.el.p(
                        rx.cond(
                            ResetState.is_claim,
                            _around_email(_("It will belong to {email}.")),
                            _around_email(_("For {email}. Every device will be signed out.")),
                        ),
                        class_name="soft mt-1",
                    ),
                ),
                rx.el.form(
                    # Password managers look for the account that the new password belongs to.
                    rx.el.input(
                        type="text",
                        name="username",
                        auto_complete="username",
                        value=ResetState.email,
                        read_only=True,
                        hidden=True,
                    ),
                    password_field(
                        _("New password"),
                        "new_password",
                        autocomplete="new-password",
                        message=ResetState.password_problem,
                        is_new=True,
                    ),
                    rx.cond(
                        ResetState.asks_code,
                        code_field(
                            "reset_code", message=ResetState.code_problem, required=True, auto_focus=True
                        ),
                    ),
                    rx.cond(ResetState.problem != "", notice(ResetState.problem, kind="bad")),
                    rx.el.div(main_button(_("Set password")), class_name="grid pt-2"),
                    method="post",
                    on_submit=ResetState.set_password,
                    class_name="card grid gap-5",
                ),
            ),
            _dead_link(None, _link(_("Get a new link"), "/forgot"), is_looked_up=ResetState.is_looked_up),
        ),
    )


def _around_email(text: str) -> rx.Component:
    before, _email, after = text.partition("{email}")
    return rx.fragment(before, rx.el.span(ResetState.email, class_name="break-words"), after)


def confirm() -> rx.Component:
    return _narrow(
        rx.cond(
            ConfirmState.is_done,
            _said(ConfirmState.title, ConfirmState.text, None, _link(_("Go to your wallet"), "/home")),
            rx.cond(
                ConfirmState.works,
                rx.el.div(
                    rx.el.h1(ConfirmState.title, class_name="title"),
                    rx.el.p(ConfirmState.text, class_name="break-words"),
                    rx.cond(ConfirmState.problem != "", notice(ConfirmState.problem, kind="bad")),
                    rx.el.div(
                        # Programs that look through mails follow links; none of them presses a button.
                        rx.el.button(
                            ConfirmState.button,
                            type="button",
                            on_click=ConfirmState.confirm,
                            class_name="button button-main",
                        ),
                        class_name="grid pt-2",
                    ),
                    class_name="card grid gap-4",
                ),
                _dead_link(
                    _("Your profile can send a new link to confirm your address."),
                    _link(_("Go to your profile"), "/profile"),
                    is_looked_up=ConfirmState.is_looked_up,
                ),
            ),
        ),
    )


def _narrow(*content: rx.Component) -> rx.Component:
    return public_page(
        rx.el.div(*content, class_name="mx-auto grid w-full max-w-[520px] gap-5 pt-2 md:pt-8"),
    )


def _link(words: str, to: str) -> rx.Component:
    return rx.el.a(words, href=path_of(to), class_name="link")


def _said(
    title: rx.Var[str] | str, text: rx.Var[str] | str, more: str | None, onward: rx.Component
) -> rx.Component:
    return rx.el.div(
        rx.el.h1(title, class_name="title"),
        rx.el.p(text, class_name="break-words"),
        *([rx.el.p(more, class_name="soft small")] if more else []),
        rx.el.p(onward),
        role="status",
        class_name="card grid gap-4",
    )


def _dead_link(more: str | None, onward: rx.Component, *, is_looked_up: rx.Var[bool] | bool) -> rx.Component:
    return rx.cond(
        is_looked_up,
        _said(
            _("This link no longer works"),
            _("It was used, is too old, or was replaced by a newer one. Nothing has changed."),
            more,
            onward,
        ),
        card_skeleton(),
    )
