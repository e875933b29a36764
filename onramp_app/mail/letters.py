"""What each kind of mail says, in the current language. How it looks is `mail.layout`'s."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from babel.dates import format_datetime

from onramp_app.config import get_settings
from onramp_app.domain.amounts import asset_text, fiat_text
from onramp_app.domain.ids import reference_of
from onramp_app.mail.links import LinkPlace, address_of
from onramp_app.mail.words import CHOICE_OF, MailKind
from onramp_app.texts import _, current_language

Details = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Action:
    """The one button of a mail: its words, and the address that it leads to."""

    words: str
    address: str


@dataclass(frozen=True, slots=True)
class Letter:
    """The content of a mail: plain texts, no markup.

    `facts` are pairs of a name and a value. `after` stands below the button, `about_mails` at the very end:
    why this mail was sent, and how to get no more of its kind where that is possible.
    """

    subject: str
    title: str
    paragraphs: tuple[str, ...]
    facts: tuple[tuple[str, str], ...] = ()
    action: Action | None = None
    after: tuple[str, ...] = ()
    about_mails: tuple[str, ...] = ()


def letter_of(kind: MailKind, details: Details, *, secret: str = "") -> Letter:
    """Return what a mail says in the current language.

    Args:
        details: what was written into the outbox with it.
        secret: that of its link, where it has one.
    """
    return _LETTERS[kind](details, secret)


def _page(path: str, secret: str = "") -> str:
    return address_of(path, language=current_language(), secret=secret)


def _moment(text: str) -> str:
    # Where the reader is nobody knows, so the zone stands beside the time.
    shown: str = format_datetime(
        datetime.fromisoformat(text), "d MMMM y, HH:mm 'UTC'", locale=current_language()
    )
    return shown


def _app() -> str:
    return get_settings().app_name


def _security() -> tuple[str, ...]:
    return (_("You get this mail because it is about the security of your account."),)


def _whom_to_ask() -> tuple[str, ...]:
    support = get_settings().support_email
    return (_("Questions? Reply to this mail or write to {address}.").format(address=support),) * bool(
        support
    )


def _where(details: Details) -> tuple[tuple[str, str], ...]:
    """Return what is known of who did it: when, on which device, from which address."""
    browser, system = details.get("browser", ""), details.get("system", "")
    if browser and system:
        device = _("{browser} on {system}").format(browser=browser, system=system)
    else:
        device = browser or system
    return tuple(
        (name, value)
        for name, value in (
            (_("When"), _moment(details["at"]) if details.get("at") else ""),
            (_("Device"), device),
            (_("Network address"), details.get("address", "")),
        )
        if value
    )


def _not_me(secret: str) -> Action:
    return Action(_("This wasn't me"), _page(LinkPlace.CONFIRM, secret))


def _if_not_me() -> str:
    return _(
        "If it wasn't you, use the button below. It signs out every device, and you set a new password. The"
        " link works for 7 days."
    )


def _confirm_email(_details: Details, secret: str) -> Letter:
    return Letter(
        subject=_("Confirm your e-mail address"),
        title=_("Confirm your e-mail address"),
        paragraphs=(
            _("You opened an account with {app} with this address. Confirm it to add money.").format(
                app=_app()
            ),
        ),
        action=Action(_("Confirm address"), _page(LinkPlace.CONFIRM, secret)),
        after=(
            _("The link works for 3 days."),
            _("Not you? Someone may have mistyped their address. Ignore this mail and nothing happens."),
        ),
    )


def _confirm_new_email(_details: Details, secret: str) -> Letter:
    return Letter(
        subject=_("Confirm your new e-mail address"),
        title=_("Confirm your new e-mail address"),
        paragraphs=(
            _(
                "Someone who is signed in to an account with {app} wants to use this address for it. If that"
                " was you, confirm it. Until then nothing changes."
            ).format(app=_app()),
        ),
        action=Action(_("Confirm address"), _page(LinkPlace.CONFIRM, secret)),
        after=(
            _("The link works for 24 hours."),
            _("Not you? Don't confirm. Ignore this mail and nothing happens."),
        ),
    )


def _email_changed(details: Details, secret: str) -> Letter:
    return Letter(
        subject=_("Your e-mail address was changed"),
        title=_("Your e-mail address was changed"),
        paragraphs=(
            _("Your account with {app} now belongs to another address: {address}.").format(
                app=_app(), address=details["new_address"]
            ),
            _("If that was you, there's nothing you need to do."),
            _(
                "If it wasn't you, undo it within 7 days. This address belongs to your account again, every"
                " device is signed out, and you set a new password."
            ),
        ),
        facts=_where(details),
        action=Action(_("Undo the change"), _page(LinkPlace.CONFIRM, secret)),
        about_mails=_security(),
    )


def _email_change_undone(details: Details, _secret: str) -> Letter:
    return Letter(
        subject=_("The change of your e-mail address was undone"),
        title=_("The change of your e-mail address was undone"),
        paragraphs=(
            _(
                "Your account with {app} belongs to its earlier address again: {address}. Every device was"
                " signed out."
            ).format(app=_app(), address=details["old_address"]),
            _("It was undone with the link that we had sent to that address. If it wasn't you, write to us."),
        ),
        facts=_where(details),
        after=_whom_to_ask(),
        about_mails=_security(),
    )


def _reset_password(details: Details, secret: str) -> Letter:
    return Letter(
        subject=_("Set a new password"),
        title=_("Set a new password"),
        paragraphs=(
            _("Someone asked to set a new password for your account with {app}.").format(app=_app()),
        ),
        facts=_where(details),
        action=Action(_("Set a new password"), _page(LinkPlace.RESET, secret)),
        after=(
            _("The link works once, for 30 minutes. Setting a password signs out every device."),
            _("Not you? Ignore this mail: your password stays as it is."),
        ),
    )


def _password_changed(details: Details, secret: str) -> Letter:
    return Letter(
        subject=_("Your password was changed"),
        title=_("Your password was changed"),
        paragraphs=(
            _("The password of your account with {app} was changed.").format(app=_app()),
            _("If that was you, there's nothing you need to do."),
            _if_not_me(),
        ),
        facts=_where(details),
        action=_not_me(secret),
        about_mails=_security(),
    )


def _factors_changed(details: Details, secret: str) -> Letter:
    texts = {
        "added": _("A second factor was added to your account with {app}."),
        "removed": _("A second factor of your account with {app} was removed."),
    }
    return Letter(
        subject=_("How you sign in was changed"),
        title=_("How you sign in was changed"),
        paragraphs=(
            texts[details["change"]].format(app=_app()),
            _("If that was you, there's nothing you need to do."),
            _if_not_me(),
        ),
        facts=_where(details),
        action=_not_me(secret),
        about_mails=_security(),
    )


def _factors_reset_asked(details: Details, _secret: str) -> Letter:
    return Letter(
        subject=_("Your second factor is going to be removed"),
        title=_("Your second factor is going to be removed"),
        paragraphs=(
            _(
                "Someone told the people behind {app} that they have lost everything they sign in with, and"
                " asked to remove the second factor of your account. That happens at {at}."
            ).format(app=_app(), at=_moment(details["due_at"])),
            _("If that was you, wait until then. After that, your password is enough to sign in."),
            _(
                "If it wasn't you, sign in before then with your second factor. That stops the removal. Then"
                " change your password."
            ),
        ),
        action=Action(_("Sign in"), _page("/login")),
        after=_whom_to_ask(),
        about_mails=_security(),
    )


def _account_closed(details: Details, _secret: str) -> Letter:
    return Letter(
        subject=_("Your account is closed"),
        title=_("Your account is closed"),
        paragraphs=(
            _("Your account with {app} was closed, and every device was signed out.").format(app=_app()),
            _(
                "We've removed your name, your e-mail address, and everything you signed in with. The records"
                " of your payments stay in our books, without your name."
            ),
            _("This is the last mail that you get from us. If it wasn't you, write to us."),
        ),
        facts=_where(details),
        after=_whom_to_ask(),
        about_mails=_security(),
    )


def _new_device(details: Details, secret: str) -> Letter:
    return Letter(
        subject=_("New sign-in to your account"),
        title=_("New sign-in to your account"),
        paragraphs=(
            _("Someone signed in to your account with {app} on a device that we don't know.").format(
                app=_app()
            ),
            _("If that was you, there's nothing you need to do."),
            _if_not_me(),
        ),
        facts=_where(details),
        action=_not_me(secret),
        about_mails=_security(),
    )


def _refresh_token_reused(details: Details, secret: str) -> Letter:
    return Letter(
        subject=_("We ended a session to protect your account"),
        title=_("We ended a session to protect your account"),
        paragraphs=(
            _(
                "A program that is signed in to your account with {app} used a key a second time. Someone may"
                " have copied it, so we ended the session."
            ).format(app=_app()),
            _(
                "If you use such a program, sign in there again. If you don't, use the button below. It signs"
                " out every device, and you set a new password. The link works for 7 days."
            ),
        ),
        facts=_where(details),
        action=_not_me(secret),
        about_mails=_security(),
    )


def _top_up(
    details: Details,
    *,
    title: str,
    paragraphs: tuple[str, ...],
    kind: MailKind,
) -> Letter:
    arrived = asset_text(details["amount"], details["asset"]) if details.get("amount") else ""
    facts = (
        (_("Amount"), arrived),
        (_("Top-up"), fiat_text(details["fiat_amount"], details["fiat_currency"])),
        (_("Reference"), reference_of(details["top_up_id"])),
    )
    profile = _page("/profile")
    return Letter(
        subject=title,
        title=title,
        paragraphs=paragraphs,
        facts=tuple(fact for fact in facts if fact[1]),
        action=Action(_("View details"), _page(f"/activity/{details['top_up_id']}")),
        after=_whom_to_ask(),
        about_mails=(_("Choose which mails you get: {address}").format(address=profile),)
        if kind in CHOICE_OF
        else (),
    )


def _arrived(details: Details) -> str:
    return asset_text(details["amount"], details["asset"])


def _top_up_settled(details: Details, _secret: str) -> Letter:
    return _top_up(
        details,
        title=_("{amount} is in your balance").format(amount=_arrived(details)),
        paragraphs=(_("Your top-up is complete. There's nothing you need to do."),),
        kind=MailKind.TOP_UP_SETTLED,
    )


def _top_up_released(details: Details, _secret: str) -> Letter:
    return _top_up(
        details,
        title=_("Reviewed: {amount} is in your balance").format(amount=_arrived(details)),
        paragraphs=(_("We have reviewed your top-up. The money is yours to use."),),
        kind=MailKind.TOP_UP_RELEASED,
    )


def _charged(details: Details) -> str:
    match details["charged"]:
        case "yes":
            return _(
                "Your payment was received. The money isn't lost: we're holding it until this is decided."
            )
        case "no":
            return _("You weren't charged.")
        case _:
            return _("We don't know yet whether you were charged. We're asking the provider.")


def _top_up_in_review(details: Details, _secret: str) -> Letter:
    return _top_up(
        details,
        title=_("We're reviewing your top-up"),
        paragraphs=(
            _charged(details),
            _("A person looks at it within one working day. Then we'll write again."),
        ),
        kind=MailKind.TOP_UP_IN_REVIEW,
    )


def _top_up_failed(details: Details, _secret: str) -> Letter:
    return _top_up(
        details,
        title=_("Your top-up didn't go through"),
        paragraphs=(
            _("You weren't charged, or the provider has refunded you."),
            _("If money left your account and hasn't come back, contact support and quote the reference."),
        ),
        kind=MailKind.TOP_UP_FAILED,
    )


def _top_up_reversed(details: Details, _secret: str) -> Letter:
    if details.get("reason") == "returned":
        said = _("The money that we were holding for this top-up goes back to where it came from.")
    else:
        said = _("A top-up that was in your balance was taken back.")
    return _top_up(
        details,
        title=_("Your top-up was reversed"),
        paragraphs=(said, _("Do you disagree? Contact support and quote the reference.")),
        kind=MailKind.TOP_UP_REVERSED,
    )


_LETTERS: Mapping[MailKind, Callable[[Details, str], Letter]] = {
    MailKind.CONFIRM_EMAIL: _confirm_email,
    MailKind.CONFIRM_NEW_EMAIL: _confirm_new_email,
    MailKind.EMAIL_CHANGED: _email_changed,
    MailKind.EMAIL_CHANGE_UNDONE: _email_change_undone,
    MailKind.RESET_PASSWORD: _reset_password,
    MailKind.PASSWORD_CHANGED: _password_changed,
    MailKind.FACTORS_CHANGED: _factors_changed,
    MailKind.FACTORS_RESET_ASKED: _factors_reset_asked,
    MailKind.ACCOUNT_CLOSED: _account_closed,
    MailKind.NEW_DEVICE: _new_device,
    MailKind.REFRESH_TOKEN_REUSED: _refresh_token_reused,
    MailKind.TOP_UP_SETTLED: _top_up_settled,
    MailKind.TOP_UP_IN_REVIEW: _top_up_in_review,
    MailKind.TOP_UP_RELEASED: _top_up_released,
    MailKind.TOP_UP_FAILED: _top_up_failed,
    MailKind.TOP_UP_REVERSED: _top_up_reversed,
}


def trial() -> Letter:
    """Return the mail that an operator sends to see whether mails arrive."""
    return Letter(
        subject=_("Mails from {app} arrive").format(app=_app()),
        title=_("Mails from {app} arrive").format(app=_app()),
        paragraphs=(
            _("An operator sent this mail to see whether mails arrive. There's nothing you need to do."),
        ),
        after=_whom_to_ask(),
    )
