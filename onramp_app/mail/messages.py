"""Builds the `EmailMessage` of a mail, with a policy that refuses headers with line breaks in them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from onramp_app.config import Settings, get_settings
from onramp_app.mail.layout import html_of, text_of
from onramp_app.mail.letter import Letter
from onramp_app.mail.letters import letter_of
from onramp_app.mail.links import MailLink, secret_of
from onramp_app.mail.tables import OutboxMail
from onramp_app.mail.words import MailKind
from onramp_app.texts import DEFAULT_LANGUAGE, LANGUAGES, language_of_texts


class LinkLost(Exception):
    """`SECRET_KEY` has changed twice since the mail was written, so the secret of its link is lost."""


@dataclass(frozen=True, slots=True)
class MailText:
    """The subject of a mail, and its text in both forms."""

    subject: str
    html: str
    plain: str


def text_of_row(row: OutboxMail) -> MailText:
    """Return the text of a mail in the outbox, in the language stored with it.

    Raises:
        LinkLost: the secret of its link can no longer be derived.
    """
    secret = ""  # nosec B105  # of a mail without a link
    if row.link_id is not None and row.link_hash is not None:
        found = secret_of(MailLink(row.link_id, row.link_hash))
        if found is None:
            raise LinkLost(row.id)
        secret = found
    details: Mapping[str, str] = json.loads(row.details)
    with language_of_texts(row.language if row.language in LANGUAGES else DEFAULT_LANGUAGE):
        return read(letter_of(MailKind(row.kind), details, secret=secret))


def read(letter: Letter) -> MailText:
    """Render a letter as HTML and as plain text, in the current language."""
    return MailText(letter.subject, html_of(letter), text_of(letter))


def sender_of(settings: Settings) -> tuple[str, str]:
    """Return the name and the address of the sender (`MAIL_FROM`)."""
    name, address = parseaddr(settings.mail_from or "")
    return name or settings.app_name, address or "wallet@localhost"


def message_of(text: MailText, *, recipient: str, message_id: str, at: datetime) -> EmailMessage:
    """Return a message that is ready to be sent.

    Args:
        text: subject and text.
        recipient: the bare address of one recipient.
        message_id: unique for the mail and the same each time it is sent, so that mail clients can show two
            copies as one.
        at: when the mail was written.

    Raises:
        ValueError: an address or the subject holds characters that could start another header.
    """
    settings = get_settings()
    name, address = sender_of(settings)
    message = EmailMessage(policy=SMTP)
    message["Subject"] = text.subject
    message["From"] = Address(name, addr_spec=address)
    message["To"] = Address(addr_spec=recipient)
    if settings.support_email is not None:
        message["Reply-To"] = Address(addr_spec=settings.support_email)
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{message_id}@{address.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    # 7-bit encoding, because not every server on the way accepts 8-bit content.
    message.set_content(text.plain, cte="quoted-printable")
    message.add_alternative(text.html, subtype="html", cte="quoted-printable")
    return message


def message_of_row(row: OutboxMail) -> EmailMessage:
    """Return the message for a mail in the outbox. Raises `LinkLost`."""
    return message_of(text_of_row(row), recipient=row.recipient, message_id=row.id, at=row.created_at)
