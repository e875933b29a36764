"""What happened, was I charged, should I pay, what now: the sentences about one top-up.

The pages, the mails and the receipts take these sentences from here and word none of their own.
"""

from collections.abc import Collection
from dataclasses import dataclass

from onramp_app.answers.reviews import closed_text, review_text
from onramp_app.answers.situation import (
    ENDED_UNPAID,
    UNPAID,
    Charged,
    Pay,
    Situation,
    charged_of,
    pay_of,
)
from onramp_app.texts import _, sentences


@dataclass(frozen=True, slots=True)
class Answer:
    """The sentences about one top-up, in the current language.

    `title` and `happened` say what happened, `charged` answers "was I charged?", `next` "should I pay, and
    what now?". `tag` is the state in a few words and `tone` how it is drawn: `good`, `now`, `bad` or nothing.
    """

    title: str
    tag: str
    tone: str
    happened: str
    charged: str
    next: str


def answer_of(at: Situation) -> Answer:
    """Return the sentences about a top-up."""
    tag, tone = tag_of(at)
    return Answer(
        title=title_of(at),
        tag=tag,
        tone=tone,
        happened=happened_text(at),
        charged=charged_text(at),
        next=next_text(at),
    )


def _standing(at: Situation) -> str:
    """Return the status, `processing` wherever the payment was received."""
    return "processing" if at.status in UNPAID and pay_of(at) is Pay.NOT_AGAIN else at.status


def tag_of(at: Situation) -> tuple[str, str]:
    """Return a state in a few words, and its tone."""
    if pay_of(at) is Pay.WAIT and at.status != "in_review":
        return _("Looking for payment"), "now"
    tags = {
        "created": (_("Waiting for payment"), "now"),
        "awaiting_payment": (_("Waiting for payment"), "now"),
        "processing": (_("On its way"), "now"),
        "settled": (_("In your balance"), "good"),
        "canceled": (_("Canceled"), ""),
        "expired": (_("Expired"), ""),
        "failed": (_("Didn't go through"), "bad"),
        "in_review": (_("In review"), "now"),
        "reversed": (_("Reversed"), "bad"),
    }
    return tags[_standing(at)]


def title_of(at: Situation) -> str:
    """Return what happened as the title of a page or a mail."""
    if pay_of(at) is Pay.WAIT and at.status != "in_review":
        return _("We're looking for your payment")
    if at.status in UNPAID and pay_of(at) is Pay.ANOTHER:
        return _("This offer has ended")
    if at.status == "processing" and at.is_late:
        return _("Your late payment has arrived")
    titles = {
        "created": _("Waiting for your payment"),
        "awaiting_payment": _("Waiting for your payment"),
        "processing": _("Your money is on its way"),
        "settled": _("In your balance"),
        "canceled": _("This top-up was canceled"),
        "expired": _("This top-up has expired"),
        "failed": _("This top-up didn't go through"),
        "in_review": _("We're reviewing this top-up"),
        "reversed": _("This top-up was reversed"),
    }
    return titles[_standing(at)]


def charged_text(at: Situation) -> str:
    """Return the answer to "was I charged?"."""
    charged = charged_of(at)
    if charged is Charged.UNKNOWN:
        return _("We don't know yet whether you were charged. Don't pay again yet.")
    if charged is Charged.NO:
        if at.status == "failed":
            return _("You weren't charged, or the provider has refunded you.")
        return _("You weren't charged.")
    if at.status != "reversed":
        return _("Your payment was received.")
    if at.reason == "returned":
        return _("Your payment was received and is being refunded.")
    return _("Your payment was received, then reversed.")


def happened_text(at: Situation) -> str:
    """Return what happened. It says nothing about a charge that `charged_text` does not say."""
    texts = {
        "created": _unpaid_text,
        "awaiting_payment": _unpaid_text,
        "processing": progress_text,
        "settled": lambda _at: _("It has arrived, and you can use it now."),
        "canceled": _canceled_text,
        "expired": lambda _at: _("No payment was seen in time, so the offer has ended."),
        "failed": lambda one: closed_text(one.reason),
        "in_review": lambda one: review_text(one.reason, charged_of(one)),
        "reversed": _reversed_text,
    }
    return texts[at.status](at)


def _canceled_text(at: Situation) -> str:
    if at.reason == "abandoned":
        return _("The payment was left before it was finished.")
    return _("You canceled it before a payment was seen.")


def _reversed_text(at: Situation) -> str:
    if at.reason == "returned":
        return _("What we were holding for you goes back to the provider.")
    return _("The payment was reversed, so the amount was taken out of your balance.")


def _unpaid_text(at: Situation) -> str:
    pay = pay_of(at)
    if pay is Pay.OPEN:
        return _("The provider is waiting for your payment.")
    if pay is Pay.ANOTHER:
        return _("The offer ended before a payment was seen.")
    if pay is Pay.NOT_AGAIN:
        return progress_text(at)
    if at.progress == "claimed":
        return _("You confirmed the payment to the provider. The provider is still looking for it.")
    if at.progress == "unknown":
        return _("The provider reports a status that we don't recognise yet.")
    return _("The provider reported a payment that we can't see yet.")


def progress_text(at: Situation) -> str:
    """Return what the provider is doing with the payment it received."""
    texts = {
        "bought": _("{asset} bought. It's sent to your wallet next."),
        "sending": _("{asset} bought and sent. It arrives next."),
        # Credited once the network itself shows it.
        "delivered": _("{asset} sent. It's arriving on the network."),
    }
    return texts.get(at.progress or "", _("Payment received. Buying {asset}.")).format(asset=at.asset)


def next_text(at: Situation) -> str:
    """Return whether to pay, and what to do now."""
    match pay_of(at):
        case Pay.OPEN:
            return _("Pay on the provider's page. We'll detect your payment automatically.")
        case Pay.ANOTHER if at.status == "failed":
            return _(
                "You can start a new top-up. If money left your account and hasn't come back, contact"
                " support."
            )
        case Pay.ANOTHER:
            return _("If you did pay, we'll add it when it arrives. You can start a new top-up.")
        case Pay.WAIT:
            return _next_while_unknown(at)
        case Pay.NOT_AGAIN:
            return _next_after_payment(at)
        case Pay.OVER:
            return _next_when_over(at)


def _next_while_unknown(at: Situation) -> str:
    if at.status in ENDED_UNPAID:
        return _("If your payment arrives, we'll add it automatically. Don't pay again until then.")
    if charged_of(at) is Charged.NO:
        return _("Don't pay until we've reviewed it.")
    if at.status == "in_review":
        return _("There's nothing you need to do.")
    return _("There's nothing you need to do. This page updates automatically.")


def _next_after_payment(at: Situation) -> str:
    if at.status == "processing":
        return progress_text(at)
    if at.reason in ("account_frozen", "kyc_rejected"):
        return _("Contact support: we can tell you what's needed.")
    if at.reason == "chain_missing":
        return _("We'll keep looking and add it once it's found. Don't pay again.")
    return _("There's nothing you need to do. Don't pay again.")


def _next_when_over(at: Situation) -> str:
    if at.status == "settled":
        return _("You can use it now.")
    if at.reason == "returned":
        return _("The money comes back the way you paid. Contact support if you don't see it.")
    return _("Contact support if you don't know why.")


def wait_text() -> str:
    """Return what stands in place of `next_text` where another payment of the person is being looked for."""
    return _("Don't pay for this one yet: we're still looking for your other payment.")


def summary_of(at: Situation) -> str:
    """Return in a line where a top-up stands, for a list of those that are not over."""
    match pay_of(at):
        case Pay.OPEN:
            # Not "you weren't charged": a payment is seen a little after it was made.
            return _("No payment has been seen yet.")
        case Pay.WAIT if at.status != "in_review":
            return sentences(happened_text(at), _("Don't pay again yet."))
        case _:
            return happened_text(at)


def answer_of_open(  # noqa: PLR0911 - one answer a case
    all_open: Collection[Situation], *, is_current: bool
) -> tuple[str, str]:
    """Return the answer to "is it safe to start a new top-up?", and the reason.

    Args:
        all_open: the person's top-ups that are not over.
        is_current: whether the provider has just been asked about them.
    """
    pays = {pay_of(one) for one in all_open}
    if not all_open:
        return _("Nothing is open any more"), _("Your earlier top-up is over. You can start a new one.")
    if any(charged_of(one) is Charged.UNKNOWN for one in all_open):
        return (
            _("Don't pay again yet"),
            _("The provider is still looking for your payment. If it arrives, we'll add it automatically."),
        )
    if Pay.WAIT in pays:
        return _("We're reviewing an earlier top-up"), _("Don't pay until we've reviewed it.")
    if any(one.status == "in_review" for one in all_open):
        return (
            _("We're reviewing an earlier top-up"),
            _("Don't pay for that one again. You can add more money if you want to."),
        )
    if Pay.NOT_AGAIN in pays:
        return (
            _("Your payment was received"),
            _("It's on its way, so don't pay for that one again. You can add more money if you want to."),
        )
    if not is_current:
        return (
            _("We haven't seen a payment yet"),
            _("If you did pay, wait until we've asked the provider. We'll add it automatically."),
        )
    if Pay.OPEN not in pays:
        return _("You haven't paid"), _("The offer has ended. You can start a new top-up.")
    return _("You haven't paid yet"), _("Finish this payment or start a new one.")
