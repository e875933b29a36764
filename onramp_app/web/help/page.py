"""`/help`: answers to what people ask, who is behind the wallet, and whom to write to. Anyone may read it."""

import reflex as rx

from onramp_app.config import get_settings
from onramp_app.mail import support
from onramp_app.texts import _
from onramp_app.web.help.answers import (
    Answer,
    about_accounts,
    about_money,
    about_paying,
    about_what_if,
    with_names,
)
from onramp_app.web.parts.layout import public_page, sign_in_offer
from onramp_app.web.parts.places import link
from onramp_app.web.parts.shell.footer import who_runs_it
from onramp_app.web.tabs.session import SessionState


def help_page() -> rx.Component:
    sections = (
        ("money", _("Your money"), about_money()),
        ("paying", _("Adding money"), about_paying()),
        ("problems", _("What if…"), about_what_if()),
        ("account", _("Your account"), about_accounts()),
    )
    return public_page(
        rx.el.div(
            rx.el.div(
                rx.el.h1(_("Help"), class_name="title"),
                rx.el.p(
                    _("About a payment? Open it in Activity: an email from there carries its reference."),
                    class_name="soft mt-1",
                ),
                rx.el.nav(
                    *[
                        rx.el.a(words, href=f"#{place}", class_name="place small")
                        for place, words in (
                            *((place, title) for place, title, _answers in sections),
                            ("person", _("Ask a person")),
                        )
                    ],
                    aria_label=_("On this page"),
                    class_name="flex flex-wrap gap-x-5 gap-y-1 mt-3",
                ),
            ),
            *[_section(place, title, answers) for place, title, answers in sections],
            _contact(),
            class_name="mx-auto grid w-full max-w-[760px] gap-6",
        ),
        offer=rx.cond(
            SessionState.is_signed_in,
            link(_("Go to your wallet"), to="/home", class_name="button button-quiet button-slim"),
            sign_in_offer(),
        ),
    )


def _section(place: str, title: str, answers: tuple[Answer, ...]) -> rx.Component:
    return rx.el.section(
        rx.el.h2(title, class_name="heading", id=place),
        *[
            rx.el.div(
                rx.el.h3(with_names(question), class_name="font-semibold"),
                rx.el.p(with_names(answer) if isinstance(answer, str) else answer, class_name="soft mt-1"),
                class_name="mt-5",
            )
            for question, answer in answers
        ],
        aria_labelledby=place,
        class_name="card",
    )


def _contact() -> rx.Component:
    settings = get_settings()
    mail_address = support.mail_to_support(_("Question about {app}").format(app=settings.app_name))
    terms = [
        rx.el.a(words, href=str(address), rel="noopener", class_name="link")
        for words, address in ((_("Terms"), settings.terms_url), (_("Privacy"), settings.privacy_url))
        if address
    ]
    if mail_address:
        ask = rx.fragment(
            rx.el.p(rx.el.a(settings.support_email, href=mail_address, class_name="link break-all")),
            rx.el.p(_("Never send your password, a code or your recovery phrase: we'll never ask for them.")),
        )
    else:
        ask = rx.el.p(_("This wallet has no support address. Contact the people who gave you access to it."))
    return rx.el.section(
        rx.el.h2(_("Ask a person"), class_name="heading", id="person"),
        rx.el.div(
            ask,
            rx.el.p(who_runs_it()),
            *([rx.el.p(*terms, class_name="flex gap-x-5")] if terms else []),
            class_name="soft grid gap-2 mt-2",
        ),
        aria_labelledby="person",
        class_name="card",
    )
