"""The letters about a top-up, in the current language."""

from onramp_app.answers.situation import Situation
from onramp_app.answers.top_ups import charged_text, happened_text, next_text
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
        about_mails=(_("Choose which emails you get: {address}").format(address=profile),)
        if kind in CHOICE_OF
        else (),
    )


def _arrived(details: Details) -> str:
    return asset_text(details["amount"], details["asset"])


def top_up_settled(details: Details, _secret: str) -> Letter:
    """Return the letter: the money is in the balance."""
    return _top_up(
        details,
        title=_("{amount} is in your balance").format(amount=_arrived(details)),
        paragraphs=(_("Your top-up is complete. There's nothing you need to do."),),
        kind=MailKind.TOP_UP_SETTLED,
    )


def top_up_released(details: Details, _secret: str) -> Letter:
    """Return the letter: money that was held for review is in the balance."""
    return _top_up(
        details,
        title=_("Reviewed: {amount} is in your balance").format(amount=_arrived(details)),
        paragraphs=(_("We've reviewed your top-up. You can use the money now."),),
        kind=MailKind.TOP_UP_RELEASED,
    )


def _situation(details: Details, status: str) -> Situation:
    return Situation(status, charged=details.get("charged", "unknown"), reason=details.get("reason"))


def top_up_in_review(details: Details, _secret: str) -> Letter:
    """Return the letter: a top-up is being reviewed, and whether its owner was charged."""
    at = _situation(details, "in_review")
    return _top_up(
        details,
        title=_("We're reviewing your top-up"),
        paragraphs=(
            charged_text(at),
            happened_text(at),
            next_text(at),
            _("We'll review it within one working day and write again."),
        ),
        kind=MailKind.TOP_UP_IN_REVIEW,
    )


def top_up_failed(details: Details, _secret: str) -> Letter:
    """Return the letter: a top-up didn't go through."""
    at = _situation(details, "failed")
    return _top_up(
        details,
        title=_("Your top-up didn't go through"),
        paragraphs=(
            charged_text(at),
            happened_text(at),
            next_text(at),
        ),
        kind=MailKind.TOP_UP_FAILED,
    )


def top_up_reversed(details: Details, _secret: str) -> Letter:
    """Return the letter: a top-up was reversed."""
    at = _situation(details, "reversed")
    return _top_up(
        details,
        title=_("Your top-up was reversed"),
        paragraphs=(charged_text(at), happened_text(at), next_text(at)),
        kind=MailKind.TOP_UP_REVERSED,
    )
