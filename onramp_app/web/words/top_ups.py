"""A top-up as several pages say it: the sentences of `answers` about it, its amounts, its links."""

from urllib.parse import urlencode

from onramp_app.answers import top_ups as answers
from onramp_app.answers.situation import Pay, Situation, pay_of
from onramp_app.answers.top_ups import Answer, answer_of
from onramp_app.domain.amounts import asset_text, fiat_text, shown_amount
from onramp_app.pricing.names import network_name
from onramp_app.pricing.quotes import is_much_less
from onramp_app.texts import _
from onramp_app.top_ups.seen import SeenView
from onramp_app.top_ups.transitions import ENDED_UNPAID, Charged, TopUpStatus
from onramp_app.top_ups.views import ProviderOrderView, TopUpView


def situation_of(view: TopUpView) -> Situation:
    """Return what the sentences about a top-up depend on."""
    best = best_order(view)
    return Situation(
        status=view.status,
        charged=view.charged,
        reason=view.reason,
        is_offered=view.widget_url is not None,
        progress=best.status if best else None,
        is_late=any(step.status in ENDED_UNPAID for step in view.timeline),
        asset=view.asset,
    )


def words_of(view: TopUpView) -> Answer:
    """Return the sentences about a top-up as it stands."""
    return answer_of(situation_of(view))


def tag_of(status: str, *, charged: str = Charged.NO) -> tuple[str, str]:
    """Return a state in a few words, and its tone."""
    return answers.tag_of(Situation(status, charged))


def is_to_pay(view: TopUpView) -> bool:
    """Return whether the owner is asked to pay: nobody has, and the offer stands."""
    return pay_of(situation_of(view)) is Pay.OPEN


def action_text(*, is_to_pay: bool) -> str:
    """Return the words of the link to the page of an open top-up."""
    return _("Go to payment") if is_to_pay else _("View status")


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


def can_age(view: TopUpView) -> bool:
    """Return whether "you were not charged" is true only as of the last read of the provider."""
    return view.charged == Charged.NO and view.status != TopUpStatus.FAILED


def best_order(view: TopUpView) -> ProviderOrderView | None:
    """Return the provider order that the top-up follows, if there is one."""
    return next((one for one in view.provider_orders if one.order_id == view.provider_order_id), None)


def seen_text(seen: SeenView) -> str:
    """Return where a network itself shows a delivery."""
    text = _("{network}, block {number}")
    if seen.has_left:
        text = _("{network}, block {number}, which has left the chain since. We're looking into it.")
    return text.format(network=network_name(seen.network), number=seen.block_number)
