"""`/login` and `/register`: plain HTML forms that post to the API."""

import reflex as rx

from onramp_app.config import get_settings
from onramp_app.mail.support import mail_to_support
from onramp_app.texts import _
from onramp_app.web.entrance.passkeys import passkey_sign_in
from onramp_app.web.entrance.state import EntranceState
from onramp_app.web.parts.countries import country_options, currency_options
from onramp_app.web.parts.feedback import filled, notice
from onramp_app.web.parts.forms import choice_field, code_field, main_button, password_field, text_field
from onramp_app.web.parts.layout import public_page
from onramp_app.web.parts.places import api_action, path_of


def keep_said_place() -> rx.Component:
    """Return the script for the head of pages that notes whether the address names what is said.

    `:target` would come too late: a slow browser paints before it looks for what the address names.
    """
    note = "document.documentElement.toggleAttribute('data-said', location.hash === '#said')"
    return rx.el.script(custom_attrs={"dangerouslySetInnerHTML": {"__html": note}})


def login() -> rx.Component:
    return public_page(rx.cond(EntranceState.is_second_step, _second_step(), _first_step()))


def _second_step() -> rx.Component:
    return _form_in_place(
        _("One more step"),
        _("Your password is right. Now show your second factor."),
        code_field("otp", message=EntranceState.code_problem, required=True, auto_focus=True),
        button=_("Continue"),
        path="/api/auth/session",
        below=rx.el.p(
            rx.el.a(_("Start over with another account"), href=path_of("/login"), class_name="link"),
            class_name="soft small",
        ),
        passkey=passkey_sign_in(next_path=EntranceState.next, is_offered_in_fields=False),
    )


def _first_step() -> rx.Component:
    return _form_in_place(
        _("Sign in"),
        _other_way(_("New here?"), _("Create an account"), to="/register"),
        text_field(
            _("Email"),
            "email",
            type="email",
            required=True,
            max_length=254,
            auto_complete="username webauthn",
            input_mode="email",
            default_value=EntranceState.email,
            key=EntranceState.email,
        ),
        password_field(_("Password"), "password", autocomplete="current-password"),
        rx.el.p(
            rx.el.a(_("Forgot your password?"), href=path_of("/forgot"), class_name="link"),
            class_name="small -mt-2",
        ),
        button=_("Sign in"),
        path="/api/auth/session",
        passkey=passkey_sign_in(next_path=EntranceState.next, is_offered_in_fields=True),
    )


def register() -> rx.Component:
    return public_page(
        _form_in_place(
            _("Create an account"),
            _other_way(_("Have one already?"), _("Sign in"), to="/login"),
            text_field(
                _("Email"),
                "email",
                message=EntranceState.email_problem,
                remedy=rx.el.a(
                    _("Sign in instead?"),
                    href=f"{path_of('/login')}{EntranceState.carried}",
                    class_name="link",
                ),
                type="email",
                required=True,
                max_length=254,
                auto_complete="email",
                input_mode="email",
                default_value=EntranceState.email,
                key=EntranceState.email,
            ),
            password_field(
                _("Password"),
                "password",
                autocomplete="new-password",
                message=EntranceState.password_problem,
                is_new=True,
            ),
            text_field(
                _("Name"),
                "display_name",
                hint=_("Optional."),
                max_length=80,
                auto_complete="name",
                default_value=EntranceState.display_name,
                key=EntranceState.display_name,
            ),
            choice_field(
                _("Country"),
                "country",
                options=country_options(),
                empty=_("Choose a country"),
                auto_complete="country",
                default_value=EntranceState.country,
                key=f"country-{EntranceState.country}",
                on_change=EntranceState.propose_currency,
            ),
            choice_field(
                _("Display currency"),
                "display_currency",
                options=currency_options(),
                empty=_("Choose a currency"),
                default_value=EntranceState.display_currency,
                key=f"currency-{EntranceState.display_currency}",
            ),
            button=_("Create account"),
            path="/api/auth/registration",
            below=_what_holds(),
        )
    )


def _what_holds() -> rx.Component:
    """Return terms and privacy, as far as the operator has written them, and where and whom to ask."""
    settings = get_settings()
    person = mail_to_support(_("Question about {app}").format(app=settings.app_name))
    terms = (
        filled(
            _("By creating an account you agree to the {terms}."),
            terms=_elsewhere(_("terms"), settings.terms_url),
        ),
        " ",
    )
    privacy = (_elsewhere(_("How we handle your data"), settings.privacy_url), " · ")
    return rx.el.p(
        *(terms if settings.terms_url else ()),
        *(privacy if settings.privacy_url else ()),
        _elsewhere(_("Help"), path_of("/help")),
        *((" · ", rx.el.a(_("Contact support"), href=person, class_name="link")) if person else ()),
        class_name="soft small",
    )


def _elsewhere(words: str, address: object) -> rx.Component:
    # In a tab of its own, because the form would forget what was typed.
    return rx.el.a(words, href=str(address), target="_blank", rel="noopener", class_name="link")


def _form_in_place(  # noqa: PLR0913 - the parts of the page, from top to bottom
    title: str,
    below_title: rx.Component | str,
    *fields: rx.Component,
    button: str,
    path: str,
    below: rx.Component | None = None,
    passkey: rx.Component | None = None,
) -> rx.Component:
    return rx.el.div(
        rx.el.div(
            rx.el.h1(title, class_name="title"),
            rx.el.p(below_title, class_name="soft mt-1"),
        ),
        # The address of a refusal names this place: `keep_said_place` has it from the first paint on.
        rx.el.div(
            rx.cond(
                EntranceState.message != "",
                rx.cond(
                    EntranceState.is_refused,
                    notice(EntranceState.message, kind="bad"),
                    notice(EntranceState.message),
                ),
            ),
            id="said",
            class_name="said-place",
        ),
        rx.el.form(
            *fields,
            rx.el.input(type="hidden", name="next", value=EntranceState.next, read_only=True),
            rx.el.div(main_button(button), class_name="grid pt-2"),
            *([below] if below else []),
            action=api_action(path),
            method="post",
            on_submit=None,
            class_name="card grid gap-5",
        ),
        *([passkey] if passkey else []),
        class_name="mx-auto grid w-full max-w-[520px] gap-5 pt-2 md:pt-8",
    )


def _other_way(question: str, words: str, *, to: str) -> rx.Component:
    address = f"{path_of(to)}{EntranceState.carried}"
    return rx.fragment(question, " ", rx.el.a(words, href=address, class_name="link"))
