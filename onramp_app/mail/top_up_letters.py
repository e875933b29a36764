"""What mails about a top-up say, in the current language."""

from onramp_app.domain.amounts import asset_text, fiat_text
from onramp_app.domain.ids import reference_of
from onramp_app.mail import support
from onramp_app.mail.letter import Action, Details, Letter, page_address, whom_to_ask
from onramp_app.mail.words import CHOICE_OF, MailKind
from onramp_app.texts import _


def _top_up(
    details: Details,
    *,
    title: str,
    paragraphs: tuple[str, ...],
    kind: MailKind,
) -> Letter:
    arrived = asset_text(details["amount"], details["asset"]) if details.get("amount") else ""
    reference = reference_of(details["top_up_id"])
    facts = (
        (_("Amount"), arrived),
        (_("Top-up"), fiat_text(details["fiat_amount"], details["fiat_currency"])),
        (_("Reference"), reference),
    )
    profile = page_address("/profile")
    mail_address = support.about_top_up(details["top_up_id"], state=title)
    return Letter(
        subject=title,
        title=title,
        paragraphs=paragraphs,
        facts=tuple(fact for fact in facts if fact[1]),
        action=Action(_("View details"), page_address(f"/activity/{details['top_up_id']}")),
        after=whom_to_ask(reference),
        help=Action(_("Contact support"), mail_address) if mail_address else None,
        about_mails=(_("Choose which mails you get: {address}").format(address=profile),)
        if kind in CHOICE_OF
        else (),
    )


def _arrived(details: Details) -> str:
    return asset_text(details["amount"], details["asset"])


def top_up_settled(details: Details, _secret: str) -> Letter:
    """Say that money is in the balance."""
    return _top_up(
        details,
        title=_("{amount} is in your balance").format(amount=_arrived(details)),
        paragraphs=(_("Your top-up is complete. There's nothing you need to do."),),
        kind=MailKind.TOP_UP_SETTLED,
    )


def top_up_released(details: Details, _secret: str) -> Letter:
    """Say that money that was held is in the balance."""
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


def top_up_in_review(details: Details, _secret: str) -> Letter:
    """Say that a person looks at a top-up, and whether its owner was charged."""
    return _top_up(
        details,
        title=_("We're reviewing your top-up"),
        paragraphs=(
            _charged(details),
            _("A person looks at it within one working day. Then we'll write again."),
        ),
        kind=MailKind.TOP_UP_IN_REVIEW,
    )


def top_up_failed(details: Details, _secret: str) -> Letter:
    """Say that a top-up didn't go through."""
    return _top_up(
        details,
        title=_("Your top-up didn't go through"),
        paragraphs=(
            _("You weren't charged, or the provider has refunded you."),
            _("If money left your account and hasn't come back, contact support and quote the reference."),
        ),
        kind=MailKind.TOP_UP_FAILED,
    )


def top_up_reversed(details: Details, _secret: str) -> Letter:
    """Say that a top-up was taken back."""
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
