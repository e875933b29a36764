"""What the state of a top-up means for its owner: what happened, was I charged, what now."""

from dataclasses import dataclass
from urllib.parse import urlencode

from onramp_app.domain.amounts import asset_text, fiat_text, shown_amount
from onramp_app.pricing.names import network_name
from onramp_app.pricing.quotes import is_much_less
from onramp_app.providers.status import StatusClass
from onramp_app.texts import _
from onramp_app.top_ups.seen import SeenView
from onramp_app.top_ups.transitions import ENDED_UNPAID, UNPAID, Charged, Reason, TopUpStatus
from onramp_app.top_ups.views import ProviderOrderView, TopUpView


@dataclass(frozen=True, slots=True)
class TopUpWords:
    """The words for one state.

    `tag` is the state in a few words, `tone` how it is drawn (`good`, `now`, `bad` or nothing). `title` and
    `happened` say what happened, `charged` answers "was I charged", `next` says what to do now or what comes
    next.
    """

    title: str
    tag: str
    tone: str
    happened: str
    charged: str
    next: str


# In these states a payment that was claimed may still arrive, and that matters more than the state.
_MAY_BE_PAID = (*UNPAID, *ENDED_UNPAID)


def tag_of(status: str, *, charged: str = Charged.NO) -> tuple[str, str]:
    """Return a state in a few words, and its tone."""
    if charged == Charged.UNKNOWN and status in _MAY_BE_PAID:
        return _("Looking for payment"), "now"
    tags = {
        TopUpStatus.CREATED: (_("Waiting for payment"), "now"),
        TopUpStatus.AWAITING_PAYMENT: (_("Waiting for payment"), "now"),
        TopUpStatus.PROCESSING: (_("On its way"), "now"),
        TopUpStatus.SETTLED: (_("In your balance"), "good"),
        TopUpStatus.CANCELED: (_("Canceled"), ""),
        TopUpStatus.EXPIRED: (_("Expired"), ""),
        TopUpStatus.FAILED: (_("Did not go through"), "bad"),
        TopUpStatus.IN_REVIEW: (_("We are checking"), "now"),
        TopUpStatus.REVERSED: (_("Taken back"), "bad"),
    }
    return tags[TopUpStatus(status)]


def words_of(view: TopUpView) -> TopUpWords:
    """Return the words for a top-up as it stands."""
    tag, tone = tag_of(view.status, charged=view.charged)
    return TopUpWords(
        title=_title(view),
        tag=tag,
        tone=tone,
        happened=_happened(view),
        charged=_charged(view),
        next=_next(view),
    )


def action_text(*, is_to_pay: bool) -> str:
    """Return the words of the link to the page of an open top-up."""
    return _("Go to payment") if is_to_pay else _("Follow it")


def again_address(view: TopUpView) -> str:
    """Return the address at which another top-up with the same choices begins."""
    choices = {
        "amount": view.fiat_amount,
        "currency": view.fiat_currency,
        "asset": view.asset,
        "network": view.network,
        "method": view.payment_method,
    }
    return f"/add-money?{urlencode(choices)}"


def known_paid_text(view: TopUpView) -> str | None:
    """Return the amount that the provider says was paid, or None while it has not said so.

    An order that is opened or claimed has an amount too, which nobody has paid yet.
    """
    best = best_order(view)
    if view.charged != Charged.YES or best is None or best.fiat_amount is None or best.fiat_currency is None:
        return None
    return fiat_text(best.fiat_amount, best.fiat_currency)


def paid_text(view: TopUpView) -> str:
    """Return the amount that was paid or, while that is not known, the amount that was asked for."""
    return known_paid_text(view) or asked_text(view)


def asked_text(view: TopUpView) -> str:
    """Return the amount that the top-up was begun with. People may pay another one."""
    return fiat_text(view.fiat_amount, view.fiat_currency)


def difference_text(quoted: str, arrived: str, *, asset: str) -> str:
    """Return by how much more or less arrived than was quoted, and why; nothing where both look alike."""
    # The amounts as they are shown, or a reader who subtracts them would get another result.
    difference = shown_amount(arrived, asset) - shown_amount(quoted, asset)
    if not difference:
        return ""
    if is_much_less(quoted, arrived):
        text = _(
            "{amount} less arrived than quoted. That's more than a price change. Please contact support."
        )
    elif difference < 0:
        text = _("{amount} less arrived than was quoted: the price moves until the provider buys.")
    elif is_much_less(arrived, quoted):
        text = _("{amount} more arrived than was quoted.")
    else:
        text = _("{amount} more arrived than was quoted: the price moves until the provider buys.")
    return text.format(amount=asset_text(abs(difference), asset))


def charged_text(charged: str) -> str:
    """Return the answer to "was I charged?", as far as the provider has answered it."""
    texts = {
        Charged.NO: _("You were not charged."),
        Charged.YES: _("Your payment was received."),
        Charged.UNKNOWN: _("We do not know yet whether you were charged. Do not pay again yet."),
    }
    return texts[Charged(charged)]


def can_age(view: TopUpView) -> bool:
    """Return whether "you were not charged" is true only as of the last read of the provider."""
    return view.charged == Charged.NO and view.status != TopUpStatus.FAILED


def _charged(view: TopUpView) -> str:
    if view.status == TopUpStatus.FAILED and view.charged != Charged.UNKNOWN:
        # An operator closed it as refunded or as never charged. Either way its owner has the money.
        return _("You were not charged, or the provider has given your money back.")
    if view.status == TopUpStatus.REVERSED and view.reason == Reason.RETURNED:
        return _("Your payment was received, and is being given back.")
    if view.status == TopUpStatus.REVERSED:
        return _("Your payment was received, and undone afterwards.")
    return charged_text(view.charged)


def _title(view: TopUpView) -> str:
    if view.status == TopUpStatus.AWAITING_PAYMENT and view.charged == Charged.UNKNOWN:
        return _("Looking for your payment")
    if view.status in (TopUpStatus.CREATED, *ENDED_UNPAID) and view.charged == Charged.UNKNOWN:
        return _("We are looking for your payment")
    if view.status == TopUpStatus.PROCESSING and any(step.status in ENDED_UNPAID for step in view.timeline):
        return _("Your late payment has arrived")
    titles = {
        TopUpStatus.CREATED: _("Waiting for your payment"),
        TopUpStatus.AWAITING_PAYMENT: _("Waiting for your payment"),
        TopUpStatus.PROCESSING: _("Your money is on its way"),
        TopUpStatus.SETTLED: _("In your balance"),
        TopUpStatus.CANCELED: _("This top-up was canceled"),
        TopUpStatus.EXPIRED: _("This top-up has expired"),
        TopUpStatus.FAILED: _("This top-up did not go through"),
        TopUpStatus.IN_REVIEW: _("We are checking this top-up"),
        TopUpStatus.REVERSED: _("This top-up was taken back"),
    }
    return titles[TopUpStatus(view.status)]


def _happened(view: TopUpView) -> str:
    texts = {
        TopUpStatus.CREATED: (
            _("The payment provider waits for your payment.")
            if view.charged == Charged.NO
            else _("The payment provider told us of a payment, and we do not see it yet.")
        ),
        TopUpStatus.AWAITING_PAYMENT: (
            _("The payment provider waits for your payment.")
            if view.charged == Charged.NO
            else _("You told the provider that you paid. It has not seen the money yet.")
        ),
        TopUpStatus.PROCESSING: progress_text(view),
        TopUpStatus.SETTLED: _("It has arrived, and you can use it now."),
        TopUpStatus.CANCELED: (
            _("The payment was left before it was finished.")
            if view.reason == Reason.ABANDONED
            else _("You canceled it before a payment was seen.")
        ),
        TopUpStatus.EXPIRED: _("No payment was seen in time, so the offer has ended."),
        TopUpStatus.FAILED: _("We looked at it and closed it. {why}").format(
            why=review_text(view.reason) if view.reason else ""
        ),
        TopUpStatus.IN_REVIEW: review_text(view.reason),
        TopUpStatus.REVERSED: (
            _("What had arrived was kept for you, and is given back to the provider.")
            if view.reason == Reason.RETURNED
            else _("The payment behind it was undone, so what had arrived left your balance again.")
        ),
    }
    return texts[TopUpStatus(view.status)].strip()


def _next(view: TopUpView) -> str:
    is_unknown = view.charged != Charged.NO
    ended = (
        _("If your payment arrives it is credited by itself. Until then, do not pay again.")
        if is_unknown
        else _("If you paid all the same, it is credited when it arrives. You can start again.")
    )
    to_pay = (
        _("You need not do anything: this page changes when the money is seen.")
        if is_unknown
        else _("Pay on the payment provider's page. We notice by ourselves.")
    )
    texts = {
        TopUpStatus.CREATED: to_pay,
        TopUpStatus.AWAITING_PAYMENT: to_pay,
        TopUpStatus.PROCESSING: progress_text(view),
        TopUpStatus.SETTLED: _("You can use it now."),
        TopUpStatus.CANCELED: ended,
        TopUpStatus.EXPIRED: ended,
        TopUpStatus.FAILED: ended
        if is_unknown
        else _("You can start again. If money left your account and isn't back, contact support."),
        TopUpStatus.IN_REVIEW: _next_in_review(view),
        TopUpStatus.REVERSED: (
            _("It comes back the way you paid. Contact support if you don't see it.")
            if view.reason == Reason.RETURNED
            else _("Contact support if you don't know why.")
        ),
    }
    return texts[TopUpStatus(view.status)]


def _next_in_review(view: TopUpView) -> str:
    if view.reason in (Reason.ACCOUNT_FROZEN, Reason.KYC_REJECTED):
        return _("Contact support: we can tell you what is needed.")
    if view.reason == Reason.CHAIN_MISSING:
        return _("We keep looking, and credit it when it is found. Do not pay again.")
    if view.charged == Charged.NO:
        return _("Do not pay until we have looked.")
    if view.charged == Charged.UNKNOWN:
        return _("You need not do anything.")
    return _("You need not do anything. Do not pay again.")


def best_order(view: TopUpView) -> ProviderOrderView | None:
    """Return the provider order that the top-up follows, if there is one."""
    return next((one for one in view.provider_orders if one.order_id == view.provider_order_id), None)


def seen_text(seen: SeenView) -> str:
    """Return where a network itself shows a delivery."""
    text = _("{network}, block {number}")
    if seen.has_left:
        text = _("{network}, block {number}, which has left the chain since. We look into it.")
    return text.format(network=network_name(seen.network), number=seen.block_number)


def progress_text(view: TopUpView) -> str:
    """Return what the provider is doing with the payment it received."""
    best = best_order(view)
    texts: dict[str, str] = {
        StatusClass.PAID: _("Payment received. Buying {asset}."),
        StatusClass.BUYING: _("Payment received. Buying {asset}."),
        StatusClass.BOUGHT: _("{asset} bought. It is sent to your wallet next."),
        StatusClass.SENDING: _("{asset} bought and sent. It arrives next."),
        # Credited once the network itself shows it.
        StatusClass.DELIVERED: _("{asset} sent. It is arriving on the network."),
    }
    status = best.status if best and best.status else StatusClass.PAID
    return texts.get(status, texts[StatusClass.PAID]).format(asset=view.asset)


def review_text(reason: str | None) -> str:
    """Return why an operator has to look at the top-up, in words that accuse nobody."""
    texts = {
        Reason.NAME_MISMATCH: _("The name on the payment is not the name of the account with the provider."),
        Reason.AMOUNT_MISMATCH: _("The provider received another amount than the one that was asked for."),
        Reason.WRONG_ADDRESS: _("It was sent to an address that is not ours, so it is not in your balance."),
        Reason.WRONG_ASSET: _("Something else arrived than what you asked for. It is kept for you."),
        Reason.OVER_LIMIT: _("It has arrived and is kept for you. We have to release it."),
        Reason.OVER_DELIVERY: _("More arrived than the provider announced. It is kept for you."),
        Reason.ACCOUNT_FROZEN: _("It has arrived and is kept for you, because your account is frozen."),
        Reason.KYC_REJECTED: _("It has arrived and is kept for you, because you could not be verified."),
        Reason.AMOUNT_UNREADABLE: _("The provider does not say clearly how much arrived."),
        Reason.UNKNOWN_STATUS: _("The provider says something that we do not know yet."),
        Reason.TIMED_OUT: _("Your payment was seen, and then the provider stopped waiting."),
        Reason.ABANDONED: _("Your payment was seen, and then the provider called it abandoned."),
        Reason.CHAIN_MISSING: _("The provider says that it was sent. The network does not show it yet."),
        Reason.CHAIN_DIFFERS: _(
            "More arrived on the network than the provider announced. It is kept for you."
        ),
    }
    general = _("We have to look at this top-up before it goes on.")
    return texts.get(Reason(reason), general) if reason else general
