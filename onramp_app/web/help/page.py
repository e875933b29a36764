"""`/help`: what people ask before, while and after they pay, and whom to write to. Anyone may read it."""

from datetime import timedelta

import reflex as rx
from babel.dates import format_timedelta

from onramp_app.config import get_settings
from onramp_app.factors import recovery_codes, resets
from onramp_app.mail import support
from onramp_app.mail.words import RESET_LIFE, UNDO_LIFE
from onramp_app.texts import _, current_language
from onramp_app.top_ups.top_ups import MAX_OPEN, OFFERED
from onramp_app.web.parts.layout import public_page, sign_in_offer
from onramp_app.web.parts.places import link, path_of
from onramp_app.web.tabs.session import SessionState

_Answer = tuple[str, rx.Component | str]


def help_page() -> rx.Component:
    return public_page(
        rx.el.div(
            rx.el.div(
                rx.el.h1(_("Help"), class_name="title"),
                rx.el.p(
                    _("About a payment? Open it in Activity: a mail from there has its reference filled in."),
                    class_name="soft mt-1",
                ),
            ),
            _section("paying", _("Adding money"), _about_paying()),
            _section("problems", _("When something doesn't go as planned"), _about_problems()),
            _section("account", _("Your account"), _about_accounts()),
            _contact(),
            class_name="mx-auto grid w-full max-w-[760px] gap-6",
        ),
        offer=rx.cond(
            SessionState.is_signed_in,
            link(_("Go to your wallet"), to="/home", class_name="button button-quiet button-slim"),
            sign_in_offer(),
        ),
    )


def _about_paying() -> tuple[_Answer, ...]:
    return (
        (
            _("How long does it take?"),
            _(
                "That depends on how you pay: where we have measured it, each way to pay says how long it"
                " usually takes. You can close the page once you've paid. We'll keep going, and Activity"
                " shows each step."
            ),
        ),
        (
            _("What does it cost?"),
            _(
                "Before you pay you see the rate, every fee on a line of its own, and what you receive. The"
                " provider buys at the price of that moment, so slightly more or less can arrive. The top-up"
                " then shows what was quoted, paid and delivered."
            ),
        ),
        (
            _("Which network should I choose?"),
            _(
                "For your balance it makes no difference. You never send anything yourself: the payment"
                " provider sends it on the network you chose. Networks differ in their fees. If something"
                " else arrives than you chose, a person looks at it before it's in your balance."
            ),
        ),
        (
            _("Can I cancel?"),
            _(
                "Yes, until a payment has begun. If you've already paid, we'll still add it. A top-up that"
                " nobody pays ends after {hours}. You can have {most} open at a time."
            ).format(hours=_duration(OFFERED), most=MAX_OPEN),
        ),
        (
            _("Why do I have to verify my identity?"),
            _(
                "The payment provider has to know who pays through it. It checks that on its own pages, and"
                " we never see your documents. Verify shows where you stand and how much you can add."
            ),
        ),
        (
            _("Where is my money?"),
            _(
                "The operator of this wallet holds what you add. A ledger that can't be rewritten records"
                " what is yours."
            ),
        ),
    )


def _about_problems() -> tuple[_Answer, ...]:
    return (
        (
            _("I've paid, and it isn't there yet"),
            _(
                "Don't pay again. We ask the provider again and again, also after a top-up was canceled or"
                " has expired: if you did pay, we'll add it when it arrives."
            ),
        ),
        (
            _("Why is my top-up in review?"),
            _(
                "Something has to be looked at first: the name or the amount of the payment, what arrived, or"
                " a limit. A person does that within one working day. The page of the top-up says why, and"
                " whether you were charged. What has arrived is held for you."
            ),
        ),
        (
            _("My payment didn't go through. Was I charged?"),
            _(
                "The page of the top-up says so first of all. If you weren't charged, you can start again. If"
                " money has left your account and hasn't come back, contact support from that page."
            ),
        ),
        (
            _("Why was a top-up taken back?"),
            _(
                "Because the payment behind it was undone, for example by your bank, or because what we held"
                " went back to where it came from. Only a person decides that, and you get a mail."
            ),
        ),
    )


def _about_accounts() -> tuple[_Answer, ...]:
    return (
        (
            _("I've forgotten my password"),
            rx.fragment(
                rx.el.a(_("Get a link to set a new one"), href=path_of("/forgot"), class_name="link"),
                ". ",
                _(
                    "It works once, within {minutes}, and signs out all devices. If you have a second factor,"
                    " it's asked for too."
                ).format(minutes=_duration(RESET_LIFE)),
            ),
        ),
        (
            _("I've lost my phone"),
            _(
                "Sign in with one of your {number} recovery codes in place of the code, or with another"
                " passkey. If you have neither, contact support: an operator can remove your second factor."
                " That takes {hours} and we mail you, so that nobody does it behind your back."
            ).format(number=recovery_codes.HOW_MANY, hours=_duration(resets.DELAY)),
        ),
        (
            _("Someone else has signed in"),
            _(
                "Press “This wasn't me” in our mail within {days}: it signs out all devices and locks the"
                " password. Without that mail, change your password on your profile."
            ).format(days=_duration(UNDO_LIFE)),
        ),
        (
            _("How do I get my data, or close my account?"),
            _(
                "Both are at the end of your profile. An account can be closed once it's empty and no payment"
                " is open."
            ),
        ),
        (
            _("A mail doesn't arrive"),
            _(
                "Look among the unwanted mails first. The link to confirm your address can be sent again from"
                " your profile, the one for a new password by asking once more."
            ),
        ),
    )


def _duration(life: timedelta) -> str:
    words: str = format_timedelta(life, threshold=3, locale=current_language())
    return words


def _section(place: str, title: str, answers: tuple[_Answer, ...]) -> rx.Component:
    return rx.el.section(
        rx.el.h2(title, class_name="heading", id=place),
        *[
            rx.el.div(
                rx.el.h3(question, class_name="font-semibold"),
                rx.el.p(answer, class_name="soft mt-1"),
                class_name="mt-5",
            )
            for question, answer in answers
        ],
        aria_labelledby=place,
        class_name="card",
    )


def _contact() -> rx.Component:
    mail_address = support.mail_to_support(_("Question about {app}").format(app=get_settings().app_name))
    if mail_address:
        answer = rx.fragment(
            _("Write to"),
            " ",
            rx.el.a(get_settings().support_email, href=mail_address, class_name="link break-all"),
            ". ",
            _("Never send your password, a code, or the words of a wallet: nobody here asks for them."),
        )
    else:
        answer = rx.fragment(
            _("This wallet names no address to write to. Contact the people who gave you access to it.")
        )
    return rx.el.section(
        rx.el.h2(_("Ask a person"), class_name="heading", id="person"),
        rx.el.p(answer, class_name="soft mt-2"),
        aria_labelledby="person",
        class_name="card",
    )
