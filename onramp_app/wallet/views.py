"""Views of a person's balances and transactions.

Pages keep views pickled between events, so views are frozen, made of primitives only and hold no secret.
"""

from dataclasses import dataclass
from datetime import datetime

from onramp_app.pricing.quotes import QuoteView
from onramp_app.top_ups.views import TopUpView


@dataclass(frozen=True, slots=True)
class TransactionView:
    """One line of a person's list: a top-up, or a ledger transfer beside it.

    `amount` is a decimal string of `asset` with its sign, None while nothing has arrived. `fiat_amount` is
    what was asked for and `paid_amount` of `paid_currency` what the provider says was paid, None while it
    does not say so; `charged` is a word of `top_ups.transitions`, None for a ledger transfer. `quote` is what
    the provider expected to deliver, None where there was no quote. `transfer` is the word of
    `ledger.words.TransferKind` for a ledger transfer. Of a debit, `description` is what the program wrote and
    `asked_amount` what it took or set aside, without a sign.
    """

    id: str
    kind: str
    status: str
    fiat_amount: str | None
    fiat_currency: str | None
    asset: str
    network: str | None
    amount: str | None
    created_at: datetime
    settled_at: datetime | None
    provider: str | None
    provider_order_id: str | None
    transaction_hash: str | None
    payment_method: str | None = None
    charged: str | None = None
    paid_amount: str | None = None
    paid_currency: str | None = None
    quote: QuoteView | None = None
    transfer: str | None = None
    description: str | None = None
    asked_amount: str | None = None


@dataclass(frozen=True, slots=True)
class TransferView:
    """One ledger transfer of a person, in the words of `ledger.words`; `amount` is signed.

    `top_up_id` is the top-up that the transfer belongs to, if any. `amount` of a hold is what it set aside.
    Of a debit, `debit_status` is how it stands, `expires_at` until when it is on hold at most, and `price`
    the amount of a currency that was asked for, the currency, and the rate by which it was taken.
    """

    id: str
    kind: str
    asset: str
    amount: str
    created_at: datetime
    top_up_id: str | None
    description: str | None = None
    debit_status: str | None = None
    expires_at: datetime | None = None
    price: tuple[str, str, str] | None = None


@dataclass(frozen=True, slots=True)
class AssetBalanceView:
    """One asset of a person's balance, in decimal strings; `pending` is an estimate.

    `worth` is that of what is available, in the display currency; None without a rate. `reserved` is what of
    `held` waits for a purchase; the rest waits for a person who looks at it.
    """

    asset: str
    available: str
    held: str
    owed: str
    pending: str
    worth: str | None = None
    reserved: str = "0"


@dataclass(frozen=True, slots=True)
class BalancesView:
    """A person's balances. `display_amount` is the worth of what is available, None without a rate.

    `dollar_amount` is the same in US dollars. `as_of` and `is_stale` concern the rates.
    """

    display_amount: str | None
    display_currency: str
    items: tuple[AssetBalanceView, ...]
    as_of: datetime
    is_stale: bool
    dollar_amount: str | None = None


@dataclass(frozen=True, slots=True)
class WorthPoint:
    """The worth from `at` on of what was available then, at today's rates: a decimal string."""

    at: datetime
    worth: str


@dataclass(frozen=True, slots=True)
class LastTopUpView:
    """What was asked for in a top-up; `country` chooses between entries of one currency, else it is empty."""

    fiat_amount: str
    fiat_currency: str
    country: str
    asset: str
    network: str
    payment_method: str


@dataclass(frozen=True, slots=True)
class WalletView:
    """What a home page shows: `open_top_ups` and `recent` newest first, `history` oldest first.

    `last` is the last top-up that settled, None before the first.
    """

    balances: BalancesView
    open_top_ups: list[TopUpView]
    recent: list[TransactionView]
    history: list[WorthPoint]
    last: LastTopUpView | None
