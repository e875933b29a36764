"""The content of a mail before it is rendered: its parts, and the sentences that several kinds share."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from babel.dates import format_datetime

from onramp_app.config import get_settings
from onramp_app.mail.links import address_of
from onramp_app.texts import _, current_language

Details = Mapping[str, str]
"""What was written into the outbox with an email."""


@dataclass(frozen=True, slots=True)
class Action:
    """A button or link of a mail: its label, and the address that it leads to."""

    words: str
    address: str


@dataclass(frozen=True, slots=True)
class Letter:
    """The content of a mail: plain texts, no markup.

    `facts` are (name, value) pairs. `after` is shown below the button, followed by `help`, a link that starts
    a mail to support; its address is too long to be shown, so `after` says the same in words. `about_mails`
    comes last: why this mail was sent, and how to stop mails of its kind where that is possible.
    """

    subject: str
    title: str
    paragraphs: tuple[str, ...]
    facts: tuple[tuple[str, str], ...] = ()
    action: Action | None = None
    after: tuple[str, ...] = ()
    help: Action | None = None
    about_mails: tuple[str, ...] = ()


def page_address(path: str, secret: str = "") -> str:  # nosec B107  # most pages need none
    """Return the address of a page in the language of the mail."""
    return address_of(path, language=current_language(), secret=secret)


def moment_text(text: str) -> str:
    """Return a time (RFC 3339) in the words of the current language, with its zone."""
    # The reader's zone is unknown, so the time is shown with its own.
    shown: str = format_datetime(
        datetime.fromisoformat(text), "d MMMM y, HH:mm 'UTC'", locale=current_language()
    )
    return shown


def app_name() -> str:
    """Return the name of this wallet (`APP_NAME`)."""
    return get_settings().app_name


def about_security() -> tuple[str, ...]:
    """Return the sentence on why a mail was sent that cannot be switched off."""
    return (_("You get this email because it's about the security of your account."),)


def whom_to_ask(reference: str = "") -> tuple[str, ...]:
    """Return how to reach support and which reference to quote, as sentences; none without SUPPORT_EMAIL."""
    address = get_settings().support_email
    if not address:
        return ()
    words = _("Questions? Reply to this email or write to {address}.")
    if reference:
        words = _("Questions? Reply to this email, or write to {address} and quote {reference}.")
    return (words.format(address=address, reference=reference),)
