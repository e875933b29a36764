"""Makes `mailto:` links for mails to support, with a subject and the beginning of a text.

Both say what the mail is about, and hold nothing secret: a mail passes through the providers of sender and
recipient.
"""

from collections.abc import Sequence
from urllib.parse import quote

from onramp_app.config import get_settings
from onramp_app.domain.ids import reference_of
from onramp_app.texts import _

_LONGEST = 120  # characters of one value; some mail clients cut off links at about 2,000 characters


def about_top_up(top_up_id: str, *, provider_order: str = "", state: str = "") -> str:
    """Return the `mailto:` link for a mail about a top-up, or "" where `SUPPORT_EMAIL` is not set.

    Args:
        top_up_id: the id of the top-up; the mail also names its short reference.
        provider_order: the provider's id of the payment, where there is one.
        state: the status of the top-up, in the words that the page shows.
    """
    reference = reference_of(top_up_id)
    facts = (
        (_("Reference"), reference),
        (_("Technical id"), top_up_id),
        (_("Provider order"), provider_order),
        (_("Status"), state),
    )
    return mail_to_support(_("Top-up {reference}").format(reference=reference), facts)


def about_transfer(transfer_id: str, *, title: str, top_up_id: str = "") -> str:
    """Return the `mailto:` link for a mail about a transfer, or "" where `SUPPORT_EMAIL` is not set.

    Args:
        transfer_id: the id of the transfer; the mail also names its short reference.
        title: what the page calls the transfer.
        top_up_id: the top-up that it belongs to, where there is one.
    """
    reference = reference_of(transfer_id)
    facts = (
        (_("Reference"), reference),
        (_("Technical id"), transfer_id),
        (_("Top-up"), reference_of(top_up_id) if top_up_id else ""),
    )
    return mail_to_support(f"{title}: {reference}", facts)


def about_account(subject: str, user_id: str) -> str:
    """Return the `mailto:` link for a mail about an account, or "" where `SUPPORT_EMAIL` is not set."""
    return mail_to_support(subject, ((_("Account ID"), user_id),))


def mail_to_support(subject: str, facts: Sequence[tuple[str, str]] = ()) -> str:
    """Return a `mailto:` link (RFC 6068) with a subject and the beginning of a text.

    It is "" where `SUPPORT_EMAIL` is not set.

    Every value becomes one line and is percent-encoded completely, so that none can start another line,
    header or recipient.

    Args:
        subject: the subject of the mail.
        facts: names and values that support needs; those with an empty value are left out.
    """
    address = get_settings().support_email
    if not address:
        return ""
    lines = [_("What happened:"), "", "", *(f"{name}: {_in_line(value)}" for name, value in facts if value)]
    text = "\r\n".join(lines)  # RFC 6068 section 5
    subject_part, body_part = quote(_in_line(subject), safe=""), quote(text, safe="")
    return f"mailto:{quote(address, safe='@')}?subject={subject_part}&body={body_part}"


def _in_line(value: str) -> str:
    shown = "".join(letter if letter.isprintable() else " " for letter in value)
    return " ".join(shown.split())[:_LONGEST]
