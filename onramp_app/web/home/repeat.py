"""What the top of the home page shows unless one top-up is open: several, one just ended, or the last."""

from collections.abc import Sequence
from urllib.parse import urlencode

from onramp_app.domain.amounts import asset_text, fiat_text
from onramp_app.pricing.names import method_text
from onramp_app.texts import _, ngettext
from onramp_app.top_ups.transitions import TopUpStatus
from onramp_app.wallet.views import LastTopUpView, TransactionView
from onramp_app.web.home.shapes import OpenCard, Repeat, Several
from onramp_app.web.words.top_ups import tag_of
from onramp_app.web.words.transactions import top_up_title


def several_of(cards: Sequence[OpenCard]) -> Several:
    """Return the line that several open top-ups are folded into; an empty one for fewer than two."""
    if len(cards) < 2:
        return Several()
    title = ngettext("{n} open top-up", "{n} open top-ups", len(cards)).format(n=len(cards))
    return Several(title=title, text=cards[0].title)


def kept_card(card: OpenCard, recent: Sequence[TransactionView]) -> OpenCard:
    """Return the card that takes the place of `card` once its top-up has ended.

    It stays until the page is loaded again, so that nothing moves and a tap already under way hits the same
    top-up. Where the top-up is not among the `recent` transactions, `card` is returned unchanged.
    """
    view = next((one for one in recent if one.id == card.top_up_id), None)
    if view is None:
        return card
    asked = fiat_text(view.fiat_amount or "0", view.fiat_currency or "")
    title, text = top_up_title(view.payment_method or "", view.status), tag_of(view.status)[0]
    if view.status == TopUpStatus.SETTLED and view.amount is not None:
        title = _("Your {amount} has arrived").format(amount=asked)
        text = _("{amount} was added to your balance.").format(amount=asset_text(view.amount, view.asset))
    return OpenCard(card.top_up_id, title, text, action=_("View details"), step=0, steps=card.steps)


def repeat_of(last: LastTopUpView | None) -> Repeat:
    """Return the offer to repeat the last top-up: the wizard's last step, where nothing is paid yet."""
    if last is None:
        return Repeat()
    choices = {
        "step": "check",
        "amount": last.fiat_amount,
        "currency": last.fiat_currency,
        "country": last.country,
        "asset": last.asset,
        "network": last.network,
        "method": last.payment_method,
    }
    return Repeat(
        title=_("Repeat {amount} by {method}").format(
            amount=fiat_text(last.fiat_amount, last.fiat_currency), method=method_text(last.payment_method)
        ),
        search="?" + urlencode({name: value for name, value in choices.items() if value}),
    )
