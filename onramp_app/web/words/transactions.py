"""A person's transactions as sentences: what each line says, and what the cards of open top-ups say."""

from decimal import Decimal

from onramp_app.ledger.listed import TransactionKind
from onramp_app.ledger.words import TransferKind
from onramp_app.providers.status import StatusClass
from onramp_app.texts import _
from onramp_app.top_ups.transitions import OPEN, Charged, TopUpStatus
from onramp_app.top_ups.views import TopUpView
from onramp_app.wallet.views import TransactionView
from onramp_app.web.activity.shapes import ActivityRow, OpenCard
from onramp_app.web.top_up.timeline import late_text, usually_text
from onramp_app.web.words.amounts import asset_text, fiat_text, moment_text
from onramp_app.web.words.payment_methods import method_text
from onramp_app.web.words.top_ups import action_text, paid_text, tag_of, words_of

_STEPS = 5  # begun, opened, paid, bought, sent


def signed_text(amount: str, asset: str) -> str:
    """Return what a balance became more or less by, such as `+108.92 USDT`."""
    sign = "+" if Decimal(amount) > 0 else ""
    return f"{sign}{asset_text(amount, asset)}"


def top_up_title(payment_method: str, status: str) -> str:
    """Return what a top-up is called: `Added by UPI` once it was."""
    sentence = _("Added by {method}") if status == TopUpStatus.SETTLED else _("Top-up by {method}")
    return sentence.format(method=method_text(payment_method))


def row_of(view: TransactionView) -> ActivityRow:
    """Return the line for one transaction."""
    return _top_up_row(view) if view.kind == TransactionKind.TOP_UP else _transfer_row(view)


def _top_up_row(view: TransactionView) -> ActivityRow:
    status = TopUpStatus(view.status)
    tag, tone = tag_of(status, charged=view.charged or Charged.NO)
    paid = _paid_text(view)
    is_settled = status is TopUpStatus.SETTLED
    amount = paid
    if view.amount is not None:
        # Held, or taken back by a transfer with a line of its own: no sign, for it adds nothing here.
        amount = (signed_text if is_settled else asset_text)(view.amount, view.asset)
    return ActivityRow(
        transaction_id=view.id,
        title=top_up_title(view.payment_method or "", status),
        direction=_direction(status, charged=view.charged),
        at=moment_text(view.created_at),
        paid=paid if view.amount is not None else "",
        amount=amount,
        is_expected=not is_settled or view.amount is None,
        tag=tag,
        tone=tone,
    )


def _paid_text(view: TransactionView) -> str:
    """Return what was paid or, while that is not known, what was asked for."""
    if view.paid_amount is not None and view.paid_currency is not None:
        return fiat_text(view.paid_amount, view.paid_currency)
    return fiat_text(view.fiat_amount or "0", view.fiat_currency or "")


def _direction(status: TopUpStatus, *, charged: str | None) -> str:
    if status is TopUpStatus.SETTLED:
        return "in"
    if status is TopUpStatus.REVERSED:
        return "out"
    is_open = status in OPEN or status is TopUpStatus.IN_REVIEW or charged == Charged.UNKNOWN
    return "open" if is_open else "ended"


def _transfer_row(view: TransactionView) -> ActivityRow:
    amount = view.amount or "0"
    return ActivityRow(
        transaction_id=view.id,
        title=kind_title(view.kind, amount=amount),
        direction="out" if Decimal(amount) < 0 else "in",
        at=moment_text(view.created_at),
        paid="",
        amount=signed_text(amount, view.asset),
        is_expected=False,
        tag=_("Done"),
        tone="",
    )


def kind_title(kind: str, *, amount: str) -> str:
    """Return what a ledger transfer is called in the list; its sign tells a deed from its undoing."""
    is_less = Decimal(amount) < 0
    titles = {
        TransactionKind.REVERSAL: _("Top-up taken back") if is_less else _("Given back to you"),
        TransactionKind.ADJUSTMENT: _("Kept for what you owed") if is_less else _("Corrected for you"),
        TransactionKind.DEBIT: _("Spent"),
        TransactionKind.TOP_UP: _("Top-up"),
    }
    return titles[TransactionKind(kind)]


def transfer_words(kind: str) -> tuple[str, str]:
    """Return what a ledger transfer is, as a title, and why it happened, as a sentence."""
    texts = {
        TransferKind.REVERSE: (
            _("Top-up taken back"),
            _("The payment was reversed, so what it had brought was taken out of your balance."),
        ),
        TransferKind.UNDO_REVERSE: (
            _("Given back to you"),
            _("The reversal of this top-up was undone, so it is yours again."),
        ),
        TransferKind.RETURN: (
            _("Sent back"),
            _("What was held is given back to where it came from."),
        ),
        TransferKind.RECOVER: (
            _("Kept for what you owed"),
            _("You owed this from an earlier reversal. It was kept from money that arrived."),
        ),
        TransferKind.MAKE_GOOD: (
            _("Corrected for you"),
            _("Less had arrived than it should have. The operator of this wallet added the rest."),
        ),
        TransferKind.WRITE_OFF: (
            _("Corrected for you"),
            _("You do not owe this any more. The operator of this wallet took it over."),
        ),
        TransferKind.DEBIT: (_("Spent"), _("You used this with the operator of this wallet.")),
    }
    return texts.get(TransferKind(kind), (_("Corrected for you"), ""))


def card_of(view: TopUpView, *, usual_minutes: int | None) -> OpenCard:
    """Return the card for a top-up that is not over.

    Args:
        usual_minutes: how long such payments take, where that is known.
    """
    status = TopUpStatus(view.status)
    is_claimed = view.charged != Charged.NO
    if status is TopUpStatus.PROCESSING:
        title = _("{amount} is on its way")
    elif status is TopUpStatus.IN_REVIEW:
        title = _("We are checking your top-up of {amount}")
    else:
        title = _("Looking for your {amount}") if is_claimed else _("{amount} is waiting for payment")
    is_to_pay = view.can_cancel
    return OpenCard(
        top_up_id=view.id,
        title=title.format(amount=paid_text(view)),
        text=_card_text(view, is_to_pay=is_to_pay, usual_minutes=usual_minutes),
        action=action_text(is_to_pay=is_to_pay),
        step=0 if is_to_pay or status is TopUpStatus.IN_REVIEW else _steps_done(view),
        steps=_STEPS,
    )


def _card_text(view: TopUpView, *, is_to_pay: bool, usual_minutes: int | None) -> str:
    if is_to_pay:
        # Not that nobody was charged: a payment is seen a little after it was made.
        return _("No payment has been seen yet.")
    happened = words_of(view).happened
    if view.status in OPEN and view.charged == Charged.UNKNOWN:
        return f"{happened} {_('Do not pay again yet.')}"
    if view.status != TopUpStatus.PROCESSING:
        return happened
    if late := late_text(view, usual_minutes):
        return f"{happened} {late}"
    if not (usually := usually_text(usual_minutes)):
        return happened
    return _("{progress}; {usually}.").format(progress=happened.removesuffix("."), usually=usually)


def _steps_done(view: TopUpView) -> int:
    best = next((o for o in view.provider_orders if o.order_id == view.provider_order_id), None)
    rank = StatusClass(best.status).rank if best and best.status else 0
    done = sum(
        rank >= reached.rank
        for reached in (StatusClass.OPENED, StatusClass.PAID, StatusClass.BOUGHT, StatusClass.SENDING)
    )
    return 1 + done
