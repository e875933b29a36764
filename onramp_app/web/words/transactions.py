"""One transaction of a person as a line of a list, on the home page and in the whole list."""

from dataclasses import dataclass
from decimal import Decimal

from onramp_app.config import get_settings
from onramp_app.domain.amounts import asset_text, fiat_text
from onramp_app.ledger.words import TransactionKind, TransferKind
from onramp_app.pricing.names import method_text
from onramp_app.receipts.words import plain_text
from onramp_app.texts import _
from onramp_app.top_ups.transitions import OPEN, Charged, TopUpStatus
from onramp_app.wallet.views import TransactionView
from onramp_app.web.words.amounts import moment_text
from onramp_app.web.words.top_ups import tag_of


@dataclass(frozen=True)
class ActivityRow:
    """One line of the list of activity.

    `direction` is `in`, `out`, `open` or `ended`. `amount` is the change of the balance or, while nothing
    has arrived (`is_expected`), the amount to be paid; `paid` stands beside the time.
    """

    transaction_id: str
    title: str
    direction: str
    at: str
    paid: str
    amount: str
    is_expected: bool
    tag: str
    tone: str


def signed_text(amount: str, asset: str) -> str:
    """Return a change of a balance with its sign, such as `+108.92 USDT`."""
    sign = "+" if Decimal(amount) > 0 else ""
    return f"{sign}{asset_text(amount, asset)}"


def top_up_title(payment_method: str, status: str) -> str:
    """Return the title of a top-up: `Added by UPI` once it has settled, `Top-up by UPI` until then."""
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
        # No sign where nothing is added here: it is held, or was taken back by a transfer with its own line.
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
    if view.transfer == TransferKind.DEBIT_HOLD:
        return _hold_row(view)
    amount = view.amount or "0"
    return ActivityRow(
        transaction_id=view.id,
        title=debit_title(view.transfer, view.description) or kind_title(view.kind, amount=amount),
        direction="out" if Decimal(amount) < 0 else "in",
        at=moment_text(view.created_at),
        paid="",
        amount=signed_text(amount, view.asset),
        is_expected=False,
        tag=_("Done"),
        tone="",
    )


def _hold_row(view: TransactionView) -> ActivityRow:
    is_open = view.status == TopUpStatus.PROCESSING
    tags = {TopUpStatus.PROCESSING: _("Reserved"), TopUpStatus.CANCELED: _("Released")}
    return ActivityRow(
        transaction_id=view.id,
        title=debit_title(view.transfer, view.description),
        direction="open" if is_open else "ended",
        at=moment_text(view.created_at),
        paid="",
        amount=asset_text((view.amount or "").removeprefix("-") or view.asked_amount or "0", view.asset),
        is_expected=True,
        tag=tags.get(TopUpStatus(view.status), _("Done")),
        tone="now" if is_open else "",
    )


def debit_title(transfer: str | None, description: str | None) -> str:
    """Return the title of what a debit did, such as `Spent at Harbour: Two coffees`; "" for anything else."""
    name, what = get_settings().app_name, plain_text(description or "")
    plain, detailed = {
        TransferKind.DEBIT.value: (_("Spent at {name}"), _("Spent at {name}: {what}")),
        TransferKind.DEBIT_CAPTURE.value: (_("Spent at {name}"), _("Spent at {name}: {what}")),
        TransferKind.DEBIT_HOLD.value: (_("Reserved by {name}"), _("Reserved by {name}: {what}")),
        TransferKind.DEBIT_REVERSE.value: (_("Refund from {name}"), _("Refund from {name}: {what}")),
    }.get(transfer or "", ("", ""))
    return detailed.format(name=name, what=what) if what else plain.format(name=name)


def kind_title(kind: str, *, amount: str) -> str:
    """Return the title of a ledger transfer in the list. A negative `amount` takes money away."""
    is_less = Decimal(amount) < 0
    titles = {
        TransactionKind.REVERSAL: _("Top-up reversed") if is_less else _("Returned to you"),
        TransactionKind.ADJUSTMENT: _("Used for what you owed") if is_less else _("Corrected for you"),
        TransactionKind.DEBIT: _("Spent"),
        TransactionKind.TOP_UP: _("Top-up"),
    }
    return titles[TransactionKind(kind)]
