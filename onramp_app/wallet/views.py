"""Views of a person's balances and transactions.

Pages pickle views between events, so views are frozen, made of primitives only, and hold no secret.
"""

from dataclasses import dataclass
from datetime import datetime

from onramp_app.pricing.quotes import QuoteView
from onramp_app.top_ups.views import TopUpView


@dataclass(frozen=True, slots=True)
class TransactionView:
    """One line of a person's list of transactions: a top-up or a ledger transfer.

    `amount` is a signed decimal string in `asset`, None while nothing has arrived. `fiat_amount` is what was
    asked for; `paid_amount` in `paid_currency` is what the provider says was paid, None while it does not say
    so. `charged` is a word of `top_ups.transitions`, None for a ledger transfer. `quote` is what the provider
    expected to deliver, None where there was no quote. `transfer` is the word of `ledger.words.TransferKind`
    for a ledger transfer. For a debit, `description` is the program's text and `asked_amount` the unsigned
    amount that it took or set aside.
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

    `top_up_id` is the top-up that the transfer belongs to, if any. The `amount` of a hold is what it set
    aside. For a debit, `debit_status` is its status, `expires_at` is when its hold expires, and `price` is
    the amount asked for in a currency, that currency, and the rate that was applied.
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

    `worth` is the worth of what is available, in the display currency; None without a rate. `reserved` is the
    part of `held` that is on hold for a purchase; the rest is held for review.
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

    `dollar_amount` is the same in US dollars. `as_of` and `is_stale` describe the rates.
    """

    display_amount: str | None
    display_currency: str
    items: tuple[AssetBalanceView, ...]
    as_of: datetime
    is_stale: bool
    dollar_amount: str | None = None


@dataclass(frozen=True, slots=True)
class WorthPoint:
    """The worth, from `at` on, of what was available then: a decimal string, at today's rates."""

    at: datetime
    worth: str


@dataclass(frozen=True, slots=True)
class LastTopUpView:
    """What a top-up asked for; `country` distinguishes entries of the same currency, and may be empty."""

    fiat_amount: str
    fiat_currency: str
    country: str
    asset: str
    network: str
    payment_method: str


@dataclass(frozen=True, slots=True)
class WalletView:
    """What the home page shows: `open_top_ups` and `recent` newest first, `history` oldest first.

    `last` is the last top-up that settled, None before the first.
    """

    balances: BalancesView
    open_top_ups: list[TopUpView]
    recent: list[TransactionView]
    history: list[WorthPoint]
    last: LastTopUpView | None
