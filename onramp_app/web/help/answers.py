"""What people ask before, while and after they pay, with the answers, ordered for a first visit."""

from datetime import timedelta

import reflex as rx
from babel.dates import format_timedelta

from onramp_app.config import get_settings
from onramp_app.factors import recovery_codes, resets
from onramp_app.mail.words import RESET_LIFE, UNDO_LIFE
from onramp_app.texts import _, current_language
from onramp_app.top_ups.top_ups import MAX_OPEN, OFFERED
from onramp_app.web.parts.places import link, path_of

Answer = tuple[str, rx.Component | str]


def about_money() -> tuple[Answer, ...]:
    """Return the answers about who holds the money, and about costs, times and limits."""
    return (
        (
            _("Who holds my money?"),
            _(
                "{app} does, on your behalf, from the moment it's in your balance. Until then it is with your"
                " bank or with {provider}, which takes the payment and buys for you. A ledger that can't be"
                " rewritten records what is yours."
            ),
        ),
        (
            _("What does it cost?"),
            _(
                "You see it before you pay: the rate, and each fee on its own line. {provider} charges for"
                " the purchase, the way you pay may have a fee, and the network charges for the delivery. If"
                " {app} charges anything, that is a line too. Nothing is taken afterwards."
            ),
        ),
        (
            _("How long does it take?"),
            _(
                "It depends on how you pay. Each way to pay says how long it usually takes. Instant payments"
                " are mostly a matter of minutes; a bank transfer takes as long as your bank does. You can"
                " close the page once you've paid: Activity shows each step, and we email you."
            ),
        ),
        (
            _("How much can I add?"),
            rx.fragment(
                _(
                    "Each way to pay has a minimum and a maximum, and there can be limits for a day and a"
                    " month. Add money shows the limit that applies first; Verify shows all of them, what is"
                    " left, and what raises them."
                ),
                " ",
                link(_("See your limits"), to="/verify", class_name="link"),
            ),
        ),
        (
            _("Why do I have to verify my identity?"),
            _(
                "{provider} has to know who pays through it. It checks that on its own pages, and we never"
                " see your documents. Verify shows where you stand."
            ),
        ),
    )


def about_paying() -> tuple[Answer, ...]:
    """Return the answers to what people ask while they add money."""
    return (
        (
            _("How do I add money?"),
            _(
                "Choose an amount, choose how to pay, check everything and pay on {provider}'s page. Then"
                " watch it arrive. We only ever ask you to pay there."
            ),
        ),
        (
            _("Does the rate change before I pay?"),
            _(
                "It can. The page renews the rate while you look and says so when it changes noticeably. What"
                " is bought is bought at the price of that moment, so slightly more or less can arrive. The"
                " top-up then shows what was quoted, paid and delivered."
            ),
        ),
        (
            _("Which network should I choose?"),
            _(
                "For your balance it makes no difference. You never send anything yourself: {provider} sends"
                " it on the network you chose. Networks differ in their fees."
            ),
        ),
        (
            _("Can I cancel?"),
            _(
                "Yes, until a payment has started. If you've already paid, we'll still add it. A top-up that"
                " isn't paid ends after {hours}. You can have {most} open at a time."
            ).format(hours=_duration(OFFERED), most=MAX_OPEN),
        ),
    )


def about_what_if() -> tuple[Answer, ...]:
    """Return the answers about what happens when something doesn't go as planned."""
    return (
        (
            _("I've paid, and it isn't there yet"),
            _(
                "Don't pay again. We keep asking {provider}, even after a top-up was canceled or has expired:"
                " if you did pay, we'll add it when it arrives."
            ),
        ),
        (
            _("I've lost the connection or closed the page"),
            _(
                "Your payment doesn't depend on this page. Sign in on any device: Home shows what is on its"
                " way, and Activity shows everything."
            ),
        ),
        (
            _("My payment didn't go through. Was I charged?"),
            _(
                "The page of the top-up answers that first. If you weren't charged, you can start a new one."
                " If money has left your account and hasn't come back, contact support from that page."
            ),
        ),
        (
            _("I've paid twice"),
            _("Both payments are added to your balance. Contact support if you want one of them back."),
        ),
        (
            _("Less arrived than I was quoted"),
            _(
                "We add exactly what arrived. Small differences come from the price at the moment of"
                " purchase. If it's more than that, contact support from the page of the top-up."
            ),
        ),
        (
            _("Why is my top-up in review?"),
            _(
                "Something has to be checked first: the name or the amount of the payment, what arrived, or a"
                " limit. A person does that within one working day. The page of the top-up says why, and"
                " whether you were charged. What has arrived is held for you."
            ),
        ),
        (
            _("Why was a top-up reversed?"),
            _(
                "Because the payment behind it was undone, for example by your bank, or because what we held"
                " went back to where it came from. Only a person decides that, and you get an email."
            ),
        ),
        (
            _("{provider} isn't available"),
            _(
                "Then you can't start a new top-up for a while, and the page says so. What you've already"
                " paid is found as soon as it's back. Your balance isn't affected."
            ),
        ),
    )


def about_accounts() -> tuple[Answer, ...]:
    """Return the answers about signing in, one's data and our mails."""
    return (
        (
            _("I've forgotten my password"),
            rx.fragment(
                rx.el.a(_("Get a link to set a new one."), href=path_of("/forgot"), class_name="link"),
                " ",
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
                " That takes {hours} and we email you, so that nobody does it behind your back."
            ).format(number=recovery_codes.HOW_MANY, hours=_duration(resets.DELAY)),
        ),
        (
            _("Someone else has signed in"),
            _(
                "Press “This wasn't me” in our email within {days}: it signs out all devices and locks the"
                " password. Without that email, change your password on your profile."
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
            _("An email hasn't arrived"),
            _(
                "Check your spam folder first. The link to confirm your address can be sent again from"
                " your profile, the one for a new password by asking again."
            ),
        ),
    )


def with_names(words: str) -> str:
    """Return the text with the names of the wallet and of the provider filled in."""
    settings = get_settings()
    return words.replace("{app}", settings.app_name).replace("{provider}", settings.provider_name)


def _duration(life: timedelta) -> str:
    words: str = format_timedelta(life, threshold=3, locale=current_language())
    return words
