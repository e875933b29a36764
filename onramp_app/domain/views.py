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
    """One provider order of a top-up: its class, and what it delivered where that is known."""

    order_id: str
    status: str | None
    amount: str | None
    transaction_hash: str | None


@dataclass(frozen=True, slots=True)
class StepView:
    """One line of a top-up's timeline."""

    status: str
    at: datetime
    source: str
    detail: str


@dataclass(frozen=True, slots=True)
class TopUpView:
    """One top-up as its owner sees it.

    Amounts are decimal strings; `status`, `reason` and `charged` the words of `domain.top_up`.
    `received_amount` is in `asset`, and None when another asset arrived. `widget_url` is None once a
    payment was claimed, and when the offer has ended.
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


@dataclass(frozen=True, slots=True)
class TransactionView:
    """One line of a person's list: a top-up, or a ledger transfer beside it.

    `amount` is a decimal string of `asset` with its sign, None while nothing has arrived.
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


@dataclass(frozen=True, slots=True)
class AssetBalanceView:
    """One asset of a person's balance, in decimal strings; `pending` is an estimate."""

    asset: str
    available: str
    held: str
    owed: str
    pending: str


@dataclass(frozen=True, slots=True)
class BalancesView:
    """What a person has. `display_amount` is the worth of what is available, None without a rate."""

    display_amount: str | None
    display_currency: str
    items: tuple[AssetBalanceView, ...]
    as_of: datetime
    is_stale: bool
