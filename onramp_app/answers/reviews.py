"""Why a person has to look at a top-up, and why one was closed, in words that accuse nobody."""

from onramp_app.answers.situation import Charged
from onramp_app.texts import _


def review_text(reason: str | None, charged: Charged) -> str:
    """Return why a top-up is in review.

    Args:
        reason: a word of `Reason`, None where it is not known.
        charged: whether its owner was. The same reason says more once the money was seen.
    """
    if charged is Charged.YES:
        seen = {
            "amount_mismatch": _("The amount received doesn't match this top-up."),
            "timed_out": _("Your payment was seen, and then the provider stopped waiting."),
            "abandoned": _("Your payment was seen, and then the provider marked it as abandoned."),
        }
        if reason in seen:
            return seen[reason]
    texts = {
        "abandoned": _("The provider marked this payment as abandoned."),
        "account_frozen": _("It has arrived. We're holding it for you because your account is frozen."),
        "amount_mismatch": _("The amount of the payment doesn't match this top-up."),
        "amount_unreadable": _("The provider doesn't say clearly how much arrived."),
        "chain_differs": _(
            "More arrived on the network than the provider announced. We're holding it for you."
        ),
        "chain_missing": _("The provider says that it was sent. The network doesn't show it yet."),
        "kyc_rejected": _("It has arrived. We're holding it for you because you couldn't be verified."),
        "name_mismatch": _("The name on the payment doesn't match your provider account."),
        "over_delivery": _("More arrived than expected. We're holding it for you."),
        "over_limit": _("It has arrived, above your limit. We're holding it for you."),
        "settlement_review": _("It has arrived. We check each payment before you can use it."),
        "timed_out": _("The provider stopped waiting for this payment."),
        "unknown_status": _("The provider reports a status that we don't recognise yet."),
        "wrong_address": _("It was sent to an address that isn't ours, so it isn't in your balance."),
        "wrong_asset": _("A different asset arrived than you chose. We're holding it for you."),
    }
    return texts.get(reason or "", _("We need to look at this top-up before it continues."))


def closed_text(reason: str | None) -> str:
    """Return why a top-up was closed without money. `reason`: why it had been in review, where known."""
    texts = {
        "abandoned": _("We reviewed it and closed it: the payment was abandoned."),
        "amount_mismatch": _("We reviewed it and closed it: the amount didn't match this top-up."),
        "amount_unreadable": _("We reviewed it and closed it: the provider never confirmed an amount."),
        "chain_missing": _("We reviewed it and closed it: the network never showed a delivery."),
        "name_mismatch": _(
            "We reviewed it and closed it: the name on the payment didn't match your provider account."
        ),
        "timed_out": _("We reviewed it and closed it: the provider stopped waiting for the payment."),
        "wrong_address": _("We reviewed it and closed it: it was sent to an address that isn't ours."),
    }
    return texts.get(reason or "", _("We reviewed it and closed it."))
