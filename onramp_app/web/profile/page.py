"""`/profile`: details, password, second factors, devices, security activity, and codes of operators."""

import reflex as rx

from onramp_app.mail.words import Choice
from onramp_app.texts import _
from onramp_app.web.parts.countries import country_options, currency_options, language_options
from onramp_app.web.parts.feedback import filled, notice
from onramp_app.web.parts.forms import check_field, choice_field, main_button, password_field, text_field
from onramp_app.web.parts.layout import private_page
from onramp_app.web.parts.times import clock_of
from onramp_app.web.profile.email import email_section
from onramp_app.web.profile.factors_page import proof, second_factors
from onramp_app.web.profile.own_data_page import closing, own_data
from onramp_app.web.profile.security_page import activity, devices
from onramp_app.web.profile.state import ProfileState
from onramp_app.web.tabs.session import SessionState


def profile() -> rx.Component:
    return private_page(
        rx.el.div(
            rx.el.div(
                rx.el.h1(_("Profile"), class_name="title"),
                _on_this_page(),
            ),
            rx.cond(ProfileState.needs_proof, proof()),
            rx.cond(ProfileState.is_operator, _operator_code()),
            _details(),
            email_section(),
            _password(),
            _mails(),
            second_factors(),
            devices(),
            activity(),
            own_data(),
            closing(),
            class_name="mx-auto grid w-full max-w-[640px] gap-6 md:pt-4",
        ),
        here="/profile",
    )


def _on_this_page() -> rx.Component:
    places = (
        ("details", _("Details")),
        ("email-heading", _("Email")),
        ("password-heading", _("Password")),
        ("factors", _("Second factor")),
        ("sessions", _("Devices")),
        ("security", _("Activity")),
        ("own-data", _("Your data")),
    )
    return rx.el.nav(
        *[rx.el.a(words, href=f"#{place}", class_name="place small") for place, words in places],
        aria_label=_("On this page"),
        class_name="flex flex-wrap gap-x-5 gap-y-1 mt-3",
    )


def _operator_code() -> rx.Component:
    return rx.el.section(
        rx.el.h2(_("Operator code"), class_name="heading", id="operator-code"),
        rx.el.p(
            _("Approves one action on the command line. Valid for 10 minutes."),
            class_name="soft small mt-1 mb-5",
        ),
        rx.el.div(
            rx.cond(
                ProfileState.operator_code != "",
                rx.el.div(
                    rx.el.span(_("Your code:"), " ", class_name="sr-only"),
                    rx.el.code(
                        ProfileState.operator_code,
                        class_name="font-mono text-[26px] font-semibold tracking-wider select-all",
                    ),
                    rx.el.p(
                        filled(_("Valid until {time}."), time=clock_of(ProfileState.operator_code_until)),
                        " ",
                        _("You won't see it again, so copy it now."),
                        class_name="soft small mt-1",
                    ),
                    class_name="mb-5",
                ),
            ),
            role="status",
        ),
        rx.cond(
            ProfileState.operator_code_problem != "",
            rx.el.div(notice(ProfileState.operator_code_problem, kind="bad"), class_name="mb-5"),
        ),
        rx.el.button(
            rx.cond(ProfileState.operator_code != "", _("Make a new code"), _("Make a code")),
            type="button",
            on_click=ProfileState.make_operator_code,
            class_name="button button-quiet",
        ),
        aria_labelledby="operator-code",
        class_name="card",
    )


def _details() -> rx.Component:
    person = SessionState.person
    return rx.el.section(
        rx.el.h2(_("Details"), class_name="heading mb-5", id="details"),
        rx.el.form(
            text_field(
                _("Name"),
                "display_name",
                message=ProfileState.name_problem,
                required=True,
                max_length=80,
                auto_complete="name",
                default_value=person.display_name,
            ),
            choice_field(
                _("Country"),
                "country",
                options=country_options(),
                empty=_("Choose a country"),
                auto_complete="country",
                default_value=person.country,
            ),
            choice_field(
                _("Display currency"),
                "display_currency",
                options=currency_options(),
                default_value=person.display_currency,
            ),
            choice_field(
                _("Language"), "language", options=language_options(), default_value=person.language
            ),
            rx.cond(ProfileState.details_problem != "", notice(ProfileState.details_problem, kind="bad")),
            rx.cond(ProfileState.details_saved, notice(_("Saved."), kind="good")),
            rx.el.div(main_button(_("Save")), class_name="pt-1"),
            on_submit=ProfileState.save_details,
            class_name="grid gap-5",
        ),
        rx.el.p(
            _("Account ID, by which support finds you:"),
            rx.el.code(ProfileState.account_id, class_name="block min-h-[21px] break-all"),
            class_name="soft small mt-6",
        ),
        aria_labelledby="details",
        class_name="card",
    )


def _password() -> rx.Component:
    return rx.el.section(
        rx.el.h2(_("Password"), class_name="heading", id="password-heading"),
        rx.el.p(_("Changing it signs you out everywhere else."), class_name="soft small mt-1 mb-5"),
        rx.el.form(
            # Password managers look for the account that the new password belongs to.
            rx.el.input(
                type="text",
                name="username",
                auto_complete="username",
                value=SessionState.person.email,
                read_only=True,
                hidden=True,
            ),
            password_field(
                _("Current password"),
                "current_password",
                autocomplete="current-password",
                message=ProfileState.current_password_problem,
            ),
            password_field(
                _("New password"),
                "new_password",
                autocomplete="new-password",
                message=ProfileState.new_password_problem,
                is_new=True,
            ),
            rx.cond(
                ProfileState.password_changed,
                notice(_("Your password is changed. You're signed out everywhere else."), kind="good"),
            ),
            rx.el.div(
                rx.el.button(_("Change password"), type="submit", class_name="button button-quiet"),
                class_name="pt-1",
            ),
            on_submit=ProfileState.change_password,
            key=ProfileState.password_form,
            class_name="grid gap-5",
        ),
        aria_labelledby="password-heading",
        class_name="card",
    )


def _mails() -> rx.Component:
    choices = (
        (Choice.MONEY_ADDED, _("Money added"), ProfileState.gets_money_added),
        (Choice.REVIEWS, _("Top-ups in review, and how they end"), ProfileState.gets_reviews),
        (Choice.FAILED_PAYMENTS, _("Top-ups that didn't go through"), ProfileState.gets_failed_payments),
    )
    return rx.el.section(
        rx.el.h2(_("Emails"), class_name="heading", id="mails"),
        rx.el.p(
            _("You always get emails about the security of your account, and when a top-up is reversed."),
            class_name="soft small mt-1 mb-5",
        ),
        rx.el.form(
            *[check_field(words, choice.value, is_checked=is_wanted) for choice, words, is_wanted in choices],
            rx.cond(ProfileState.mails_saved, notice(_("Saved."), kind="good")),
            rx.el.div(
                rx.el.button(_("Update emails"), type="submit", class_name="button button-quiet"),
                class_name="pt-1",
            ),
            on_submit=ProfileState.save_mails,
            class_name="grid gap-3",
        ),
        aria_labelledby="mails",
        class_name="card",
    )
