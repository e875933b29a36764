"""What a top-up's state means for its owner: what happened, was I charged, what now. Used by every page."""

from dataclasses import dataclass

from onramp_app.domain.provider_status import StatusClass
from onramp_app.domain.top_up import Charged, Reason, TopUpStatus
from onramp_app.domain.views import TopUpView
from onramp_app.texts import _


@dataclass(frozen=True, slots=True)
class TopUpWords:
    """The words for one state.

    `tag` is the state in a few words, `tone` how it is drawn (`good`, `now`, `bad` or nothing); `charged`
    answers "was I charged", `next` says what to do now or what comes next.
    """

    title: str
    tag: str
    tone: str
    charged: str
    next: str


def tag_of(status: str) -> tuple[str, str]:
    """Return a state in a few words, and its tone."""
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
    tag, tone = tag_of(view.status)
    return TopUpWords(
        title=_title(view), tag=tag, tone=tone, charged=charged_text(view.charged), next=_next(view)
    )


def charged_text(charged: str) -> str:
    """Return the answer to "was I charged", as far as the provider has told."""
    texts = {
        Charged.NO: _("You were not charged."),
        Charged.YES: _("Your payment was received."),
        Charged.UNKNOWN: _("We do not know yet whether you were charged. Do not pay again yet."),
    }
    return texts[Charged(charged)]


def _title(view: TopUpView) -> str:
    if view.status == TopUpStatus.AWAITING_PAYMENT and view.charged == Charged.UNKNOWN:
        return _("Looking for your payment")
    titles = {
        TopUpStatus.CREATED: _("Waiting for your payment"),
        TopUpStatus.AWAITING_PAYMENT: _("Waiting for your payment"),
        TopUpStatus.PROCESSING: _("Your money is on its way"),
        TopUpStatus.SETTLED: _("In your balance"),
        TopUpStatus.CANCELED: _("This top-up was canceled"),
        TopUpStatus.EXPIRED: _("This top-up has expired"),
        TopUpStatus.FAILED: _("This top-up did not go through"),
        TopUpStatus.IN_REVIEW: _("Somebody is looking at this top-up"),
        TopUpStatus.REVERSED: _("This top-up was taken back"),
    }
    return titles[TopUpStatus(view.status)]


def _next(view: TopUpView) -> str:
    is_unknown = view.charged != Charged.NO
    ended = (
        _("If your payment arrives it is credited by itself. Until then, do not pay again.")
        if is_unknown
        else _("If you paid all the same, it is credited when it arrives. You can start again.")
    )
    texts = {
        TopUpStatus.CREATED: _("Pay on the payment provider's page. We notice by ourselves."),
        TopUpStatus.AWAITING_PAYMENT: (
            _("You told the provider that you paid. It is looking for the money.")
            if is_unknown
            else _("The provider waits for your payment.")
        ),
        TopUpStatus.PROCESSING: progress_text(view),
        TopUpStatus.SETTLED: _("You can use it now."),
        TopUpStatus.CANCELED: ended,
        TopUpStatus.EXPIRED: ended,
        TopUpStatus.FAILED: _("You can start again. If money left your account, write to us."),
        TopUpStatus.IN_REVIEW: review_text(view.reason),
        TopUpStatus.REVERSED: _("Write to us if you do not know why."),
    }
    return texts[TopUpStatus(view.status)]


def progress_text(view: TopUpView) -> str:
    """Return what the provider is doing with a payment that was received."""
    best = next((o for o in view.provider_orders if o.order_id == view.provider_order_id), None)
    texts: dict[str, str] = {
        StatusClass.PAID: _("Payment received. Buying {asset}."),
        StatusClass.BUYING: _("Payment received. Buying {asset}."),
        StatusClass.BOUGHT: _("{asset} bought. It is sent to your wallet next."),
        StatusClass.SENDING: _("{asset} bought and sent. It arrives next."),
    }
    status = best.status if best and best.status else StatusClass.PAID
    return texts.get(status, texts[StatusClass.PAID]).format(asset=view.asset)


def review_text(reason: str | None) -> str:
    """Return why a person of the operator's has to look, in words that accuse nobody."""
    texts = {
        Reason.NAME_MISMATCH: _("The name on the payment is not the name of the account with the provider."),
        Reason.AMOUNT_MISMATCH: _("The provider received another amount than the one that was asked for."),
        Reason.WRONG_ADDRESS: _("It was sent to an address that is not ours, so it is not in your balance."),
        Reason.WRONG_ASSET: _("Something else arrived than what you asked for. It is kept for you."),
        Reason.OVER_LIMIT: _("It has arrived and is kept for you. Somebody has to release it."),
        Reason.OVER_DELIVERY: _("More arrived than the provider announced. It is kept for you."),
        Reason.ACCOUNT_FROZEN: _("It has arrived and is kept for you, because your account is frozen."),
        Reason.KYC_REJECTED: _("It has arrived and is kept for you, because you could not be verified."),
        Reason.AMOUNT_UNREADABLE: _("The provider does not say clearly how much arrived."),
        Reason.UNKNOWN_STATUS: _("The provider says something that we do not know yet."),
        Reason.TIMED_OUT: _("Your payment was seen, and then the provider stopped waiting."),
        Reason.ABANDONED: _("Your payment was seen, and then the provider called it abandoned."),
    }
    general = _("Somebody of us has to look at this top-up before it goes on.")
    return texts.get(Reason(reason), general) if reason else general
