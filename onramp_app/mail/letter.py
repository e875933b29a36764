"""A mail before it has a look: its parts, and the sentences that several kinds share."""

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
    """The one button of a mail: its words, and the address that it leads to."""

    words: str
    address: str


@dataclass(frozen=True, slots=True)
class Letter:
    """The content of a mail: plain texts, no markup.

    `facts` are pairs of a name and a value. `after` stands below the button, then `help`, a link that begins
    a mail to support; its address is too long to be shown, so `after` says the same in words. `about_mails`
    stands at the very end: why this mail was sent, and how to get no more of its kind where that is possible.
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
    """Return a moment (RFC 3339) in words, with its zone."""
    # Where the reader is nobody knows, so the zone stands beside the time.
    shown: str = format_datetime(
        datetime.fromisoformat(text), "d MMMM y, HH:mm 'UTC'", locale=current_language()
    )
    return shown


def app_name() -> str:
    """Return what this wallet is called."""
    return get_settings().app_name


def about_security() -> tuple[str, ...]:
    """Return why a mail that nobody can switch off was sent."""
    return (_("You get this email because it's about the security of your account."),)


def whom_to_ask(reference: str = "") -> tuple[str, ...]:
    """Return how to reach support, where somebody is named, and what to quote; nothing otherwise."""
    address = get_settings().support_email
    if not address:
        return ()
    words = _("Questions? Reply to this email or write to {address}.")
    if reference:
        words = _("Questions? Reply to this email, or write to {address} and quote {reference}.")
    return (words.format(address=address, reference=reference),)
