"""What a receipt says of a payment: its reader need not be the person who paid."""

from onramp_app.answers.situation import ENDED_UNPAID, Charged, Situation, charged_of
from onramp_app.texts import _


def receipt_title(at: Situation) -> str:
    """Return the title: what kind of receipt this is."""
    charged = charged_of(at)
    if charged is Charged.UNKNOWN:
        return _("Payment not confirmed")
    if at.status == "in_review":
        return _("Top-up in review")
    if charged is Charged.NO:
        return _("Payment not taken") if at.status in ENDED_UNPAID else _("Not paid yet")
    titles = {"settled": _("Receipt"), "reversed": _("Top-up reversed")}
    return titles.get(at.status, _("Payment received"))


def receipt_text(at: Situation) -> str:
    """Return the sentence that answers whether the payment was taken, and what became of it."""
    charged = charged_of(at)
    if charged is Charged.UNKNOWN:
        return _("We don't know yet whether this payment was taken.")
    if charged is Charged.NO:
        if at.status == "failed":
            return _("This payment wasn't taken, or the provider has refunded it.")
        if at.status in ENDED_UNPAID:
            return _("This payment wasn't taken.")
        return _("No payment has been taken for this top-up so far.")
    if at.status == "reversed" and at.reason == "returned":
        return _("This payment was received and is being refunded.")
    texts = {
        "settled": _("This payment was received and added to the wallet."),
        "in_review": _("This payment was received. We're reviewing it."),
        "reversed": _("This payment was received, then reversed."),
    }
    return texts.get(at.status, _("This payment was received. It's on its way to the wallet."))
