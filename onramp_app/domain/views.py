"""Frozen views of rows, made of primitives only: what pages remember and the API answers with.

Pages keep them pickled between events, so this module and the names in it never move, and nothing
secret may stand in them.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Viewer:
    """The signed-in person, as of one read of the session and the account.

    `country` is ISO 3166-1 alpha-2 or None when not told; `display_currency` is ISO 4217; `role`,
    `kyc_status` and `kyc_tier` are the words of `domain.accounts`.
    """

    user_id: str
    session_id: str
    email: str
    display_name: str
    country: str | None
    display_currency: str
    language: str
    role: str
    kyc_status: str
    kyc_tier: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SessionView:
    """One place where an account is signed in. `device` is what it calls itself, not a proof."""

    session_id: str
    kind: str
    device: str
    address: str
    created_at: datetime
    last_seen_at: datetime
    is_current: bool


@dataclass(frozen=True, slots=True)
class SecurityEventView:
    """One thing that happened to an account; `kind` is a word of `SecurityEventKind`.

    `device` and `address` are empty where no session of the account did it, or it is no longer kept.
    """

    kind: str
    at: datetime
    device: str
    address: str


@dataclass(frozen=True, slots=True)
class QuoteView:
    """What the provider expected to deliver. Amounts are decimal strings; fees in the fiat currency."""

    rate: str
    fiat_amount: str
    expected_amount: str
    provider_fee: str
    gateway_fee: str
    network_fee: str
    client_fee: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ProviderOrderView:
    """One provider order of a top-up: its class, what it delivered and what was paid, where known."""

    order_id: str
    status: str | None
    amount: str | None
    transaction_hash: str | None
    fiat_amount: str | None = None
    fiat_currency: str | None = None


@dataclass(frozen=True, slots=True)
class StepView:
    """One line of a top-up's timeline.

    `status_class` is what the provider said of order `order_id`; both None where it was not the provider.
    """

    status: str
    at: datetime
    source: str
    detail: str
    status_class: str | None
    order_id: str | None


@dataclass(frozen=True, slots=True)
class LinkedView:
    """A top-up that was made of a second delivery; `amount` of `asset`, None where it was not booked."""

    id: str
    status: str
    asset: str
    amount: str | None


@dataclass(frozen=True, slots=True)
class TopUpView:
    """One top-up as its owner sees it.

    Amounts are decimal strings; `status`, `reason` and `charged` the words of `domain.top_up`.
    `received_amount` is in `asset`, and None when another asset arrived. `widget_url` is None once a
    payment was claimed, and when the offer has ended.

    `booked_amount` of `booked_asset` is what arrived and is in the books, whichever asset it is, and
    `has_entry` says that there is such an amount; `recovered_amount` of it paid what the person owed.
    `rank` is the highest progress of `domain.provider_status`. A top-up made of a second delivery has the
    first one's id in `linked_to`; the first one has those made of it in `linked`.
    """

    id: str
    status: str
    reason: str | None
    charged: str
    fiat_amount: str
    fiat_currency: str
    asset: str
    network: str
    payment_method: str
    quote: QuoteView | None
    received_amount: str | None
    provider_order_id: str | None
    provider_orders: tuple[ProviderOrderView, ...]
    transaction_hash: str | None
    widget_url: str | None
    created_at: datetime
    updated_at: datetime
    settled_at: datetime | None
    timeline: tuple[StepView, ...]
    rank: int
    has_entry: bool
    booked_amount: str | None
    booked_asset: str | None
    recovered_amount: str | None
    linked_to: str | None
    linked: tuple[LinkedView, ...]


@dataclass(frozen=True, slots=True)
class TransactionView:
    """One line of a person's list: a top-up, or a ledger transfer beside it.

    `amount` is a decimal string of `asset` with its sign, None while nothing has arrived. `fiat_amount` is
    what was asked for and `paid_amount` of `paid_currency` what the provider says was paid, None while it
    does not say so; `charged` is a word of `domain.top_up`, None for a ledger transfer.
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


@dataclass(frozen=True, slots=True)
class TransferView:
    """One ledger transfer of a person's, in the words of `domain.ledger`; `amount` with its sign.

    `top_up_id` is the top-up it belongs to, if any.
    """

    id: str
    kind: str
    asset: str
    amount: str
    created_at: datetime
    top_up_id: str | None


@dataclass(frozen=True, slots=True)
class AssetBalanceView:
    """One asset of a person's balance, in decimal strings; `pending` is an estimate.

    `worth` is that of what is available, in the display currency; None without a rate.
    """

    asset: str
    available: str
    held: str
    owed: str
    pending: str
    worth: str | None = None


@dataclass(frozen=True, slots=True)
class BalancesView:
    """What a person has. `display_amount` is the worth of what is available, None without a rate.

    `dollar_amount` is the same in US dollars.
    """

    display_amount: str | None
    display_currency: str
    items: tuple[AssetBalanceView, ...]
    as_of: datetime
    is_stale: bool
    dollar_amount: str | None = None


@dataclass(frozen=True, slots=True)
class WorthPoint:
    """From `at` on, what was available was worth `worth` at today's rates: a decimal string."""

    at: datetime
    worth: str


@dataclass(frozen=True, slots=True)
class WalletView:
    """What somebody's home page shows: `open_top_ups` and `recent` newest first, `history` oldest first."""

    balances: BalancesView
    open_top_ups: list[TopUpView]
    recent: list[TransactionView]
    history: list[WorthPoint]
