"""The letters about an account, in the current language: address, password, sign-ins, second factor."""

from onramp_app.mail.letter import (
    Action,
    Details,
    Letter,
    about_security,
    app_name,
    moment_text,
    page_address,
    whom_to_ask,
)
from onramp_app.mail.links import LinkPlace
from onramp_app.texts import _


def _where(details: Details) -> tuple[tuple[str, str], ...]:
    """Return what is known about a deed, as names and values: when, on which device, from which address."""
    browser, system = details.get("browser", ""), details.get("system", "")
    if browser and system:
        device = _("{browser} on {system}").format(browser=browser, system=system)
    else:
        device = browser or system
    return tuple(
        (name, value)
        for name, value in (
            (_("When"), moment_text(details["at"]) if details.get("at") else ""),
            (_("Device"), device),
            (_("Network address"), details.get("address", "")),
        )
        if value
    )


def _not_me(secret: str) -> Action:
    return Action(_("This wasn't me"), page_address(LinkPlace.CONFIRM, secret))


def _if_not_me() -> str:
    return _(
        "If it wasn't you, use the button below. It signs out every device, and you set a new password. The"
        " link works for 7 days."
    )


def confirm_email(_details: Details, secret: str) -> Letter:
    """Return the letter with the link that confirms the address of a new account."""
    return Letter(
        subject=_("Confirm your email address"),
        title=_("Confirm your email address"),
        paragraphs=(
            _("You opened an account with {app} with this address. Confirm it to add money.").format(
                app=app_name()
            ),
        ),
        action=Action(_("Confirm address"), page_address(LinkPlace.CONFIRM, secret)),
        after=(
            _("The link works for 3 days."),
            _("Not you? Someone may have mistyped their address. Ignore this email and nothing happens."),
        ),
    )


def confirm_new_email(_details: Details, secret: str) -> Letter:
    """Return the letter to a new address with the link that confirms it."""
    return Letter(
        subject=_("Confirm your new email address"),
        title=_("Confirm your new email address"),
        paragraphs=(
            _(
                "Someone who is signed in to an account with {app} wants to use this address for it. If that"
                " was you, confirm it. Until then nothing changes."
            ).format(app=app_name()),
        ),
        action=Action(_("Confirm address"), page_address(LinkPlace.CONFIRM, secret)),
        after=(
            _("The link works for 24 hours."),
            _("Not you? Don't confirm. Ignore this email and nothing happens."),
        ),
    )


def email_changed(details: Details, secret: str) -> Letter:
    """Return the letter to the old address: the account now has another one, and how to undo that."""
    return Letter(
        subject=_("Your email address was changed"),
        title=_("Your email address was changed"),
        paragraphs=(
            _("Your account with {app} now belongs to another address: {address}.").format(
                app=app_name(), address=details["new_address"]
            ),
            _("If that was you, there's nothing you need to do."),
            _(
                "If it wasn't you, undo it within 7 days. This address belongs to your account again, every"
                " device is signed out, and you set a new password."
            ),
        ),
        facts=_where(details),
        action=Action(_("Undo the change"), page_address(LinkPlace.CONFIRM, secret)),
        about_mails=about_security(),
    )


def email_change_undone(details: Details, _secret: str) -> Letter:
    """Return the letter to the new address: the account has its earlier address again."""
    return Letter(
        subject=_("The change of your email address was undone"),
        title=_("The change of your email address was undone"),
        paragraphs=(
            _(
                "Your account with {app} belongs to its earlier address again: {address}. Every device was"
                " signed out."
            ).format(app=app_name(), address=details["old_address"]),
            _(
                "It was undone with the link that we had sent to that address. If it wasn't you, contact"
                " support."
            ),
        ),
        facts=_where(details),
        after=whom_to_ask(),
        about_mails=about_security(),
    )


def reset_password(details: Details, secret: str) -> Letter:
    """Return the letter with the link to set a new password."""
    return Letter(
        subject=_("Set a new password"),
        title=_("Set a new password"),
        paragraphs=(
            _("Someone asked to set a new password for your account with {app}.").format(app=app_name()),
        ),
        facts=_where(details),
        action=Action(_("Set a new password"), page_address(LinkPlace.RESET, secret)),
        after=(
            _("The link works once, for 30 minutes. Setting a password signs out every device."),
            _("Not you? Ignore this email: your password stays as it is."),
        ),
    )


def password_changed(details: Details, secret: str) -> Letter:
    """Return the letter: the password was changed."""
    return Letter(
        subject=_("Your password was changed"),
        title=_("Your password was changed"),
        paragraphs=(
            _("The password of your account with {app} was changed.").format(app=app_name()),
            _("If that was you, there's nothing you need to do."),
            _if_not_me(),
        ),
        facts=_where(details),
        action=_not_me(secret),
        about_mails=about_security(),
    )


def factors_changed(details: Details, secret: str) -> Letter:
    """Return the letter: a second factor was added or removed, or the recovery codes were replaced."""
    title, text = {
        "added": (
            _("A second factor was added"),
            _("A second factor was added to your account with {app}. Signing in asks for it from now on."),
        ),
        "removed": (
            _("A second factor was removed"),
            _("A second factor of your account with {app} was removed."),
        ),
        "codes": (
            _("Your recovery codes were replaced"),
            _("The recovery codes of your account with {app} were replaced. The old ones no longer work."),
        ),
    }[details["change"]]
    return Letter(
        subject=title,
        title=title,
        paragraphs=(
            text.format(app=app_name()),
            _("If that was you, there's nothing you need to do."),
            _if_not_me(),
        ),
        facts=_where(details),
        action=_not_me(secret),
        about_mails=about_security(),
    )


def factors_reset_asked(details: Details, _secret: str) -> Letter:
    """Return the letter: an operator was asked to remove the second factor, and how to stop the removal."""
    return Letter(
        subject=_("Your second factor is going to be removed"),
        title=_("Your second factor is going to be removed"),
        paragraphs=(
            _(
                "Someone reported to {app} that they have lost everything they sign in with, and"
                " asked to remove the second factor of your account. That happens at {at}."
            ).format(app=app_name(), at=moment_text(details["due_at"])),
            _("If that was you, wait until then. After that, your password is enough to sign in."),
            _(
                "If it wasn't you, sign in before then with your second factor. That stops the removal. Then"
                " change your password."
            ),
        ),
        action=Action(_("Sign in"), page_address("/login")),
        after=whom_to_ask(),
        about_mails=about_security(),
    )


def factor_refused(details: Details, secret: str) -> Letter:
    """Return the letter: on an unknown device, somebody entered the right password and then a wrong code."""
    return Letter(
        subject=_("Someone entered your password and a wrong code"),
        title=_("Someone entered your password and a wrong code"),
        paragraphs=(
            _(
                "Someone entered the right password of your account with {app}, and then a wrong code. They"
                " didn't get in."
            ).format(app=app_name()),
            _("If that was you, there's nothing you need to do."),
            _if_not_me(),
        ),
        facts=_where(details),
        action=_not_me(secret),
        after=(_("We write this at most once a day, however often it's tried."),),
        about_mails=about_security(),
    )


def new_device(details: Details, secret: str) -> Letter:
    """Return the letter: somebody signed in on a device that the account does not know."""
    return Letter(
        subject=_("New sign-in to your account"),
        title=_("New sign-in to your account"),
        paragraphs=(
            _("Someone signed in to your account with {app} on a device that we don't know.").format(
                app=app_name()
            ),
            _("If that was you, there's nothing you need to do."),
            _if_not_me(),
        ),
        facts=_where(details),
        action=_not_me(secret),
        about_mails=about_security(),
    )


def refresh_token_reused(details: Details, secret: str) -> Letter:
    """Return the letter: a session was ended because its refresh token was used twice."""
    return Letter(
        subject=_("We ended a session to protect your account"),
        title=_("We ended a session to protect your account"),
        paragraphs=(
            _(
                "A program that is signed in to your account with {app} used a key a second time. Someone may"
                " have copied it, so we ended the session."
            ).format(app=app_name()),
            _(
                "If you use such a program, sign in there again. If you don't, use the button below. It signs"
                " out every device, and you set a new password. The link works for 7 days."
            ),
        ),
        facts=_where(details),
        action=_not_me(secret),
        about_mails=about_security(),
    )


def claim_account(details: Details, secret: str) -> Letter:
    """Return the letter: a program opened the account, what that program can do, and how to claim it."""
    program = details["program"]
    return Letter(
        subject=_("Claim your {app} account").format(app=app_name()),
        title=_("Claim your {app} account").format(app=app_name()),
        paragraphs=(
            _("{program} opened an account with {app} for you. Set a password to make it yours.").format(
                program=program, app=app_name()
            ),
            _(
                "{program} can see the balance and the payments of this account, and take money from it when"
                " you buy something there. That stays so after you've claimed it."
            ).format(program=program),
        ),
        action=Action(_("Set a password"), page_address(LinkPlace.RESET, secret)),
        after=(
            _("The link works once, for 7 days."),
            _(
                "Not you? Ignore this email, and don't add money to an account that someone else may use at"
                " {program}."
            ).format(program=program),
        ),
    )


def account_closed(details: Details, _secret: str) -> Letter:
    """Return the last letter to a person: the account is closed."""
    return Letter(
        subject=_("Your account is closed"),
        title=_("Your account is closed"),
        paragraphs=(
            _("Your account with {app} was closed, and every device was signed out.").format(app=app_name()),
            _(
                "We've removed your name, your email address, and everything you signed in with. The records"
                " of your payments stay in our books, without your name."
            ),
            _("This is the last email you'll get from us. If it wasn't you, contact support."),
        ),
        facts=_where(details),
        after=whom_to_ask(),
        about_mails=about_security(),
    )


def endpoint_disabled(details: Details, _secret: str) -> Letter:
    """Return the letter to operators: a program's endpoint was disabled and gets no more webhooks."""
    program = details["program"]
    happened = {
        "failing": _("Its endpoint has taken no webhook for three days, so we send it no more."),
        "gone": _("Its endpoint answered that it's gone (410), so we send it no more webhooks."),
    }[details["because"]]
    return Letter(
        subject=_("{program} gets no more webhooks from {app}").format(program=program, app=app_name()),
        title=_("{program} gets no more webhooks").format(program=program),
        paragraphs=(
            happened,
            _(
                "Once it works again, enable it with PATCH /api/webhook-endpoints/{id} and send again what it"
                " missed."
            ).format(id=details["endpoint"]),
        ),
        facts=((_("Endpoint"), details["endpoint"]),),
        about_mails=(_("You get this email because you're an operator."),),
    )
