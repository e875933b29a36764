"""The provider as the services see it: a Protocol, and frozen views in the product's own terms.

Amounts are exact decimals in whole units (rupees, USDT), never floats and never minor units: only the
ledger knows an asset's scale. None means that the provider sent no value, or an unreadable one.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Literal, Protocol

from onramp_app.domain.payments import AmountLimits, PaymentKind
from onramp_app.providers.status import Flow, HealthState, StatusClass

OrderFlow = Literal[Flow.BUY, Flow.SELL]


@dataclass(frozen=True, slots=True)
class ProviderOrder:
    """One of the provider's orders, as read from the provider.

    `bought_amount` is what was bought (Onramp's `actualCryptoAmount`) and `gas_fee` is in the same coin;
    ONRAMP_DELIVERED_RULE derives the delivered amount from the two (docs/money.md). `status_class` is None
    for sell and swap orders, which move nothing. `raw` is the untouched JSON text (keep it in a text column:
    PostgreSQL's jsonb refuses some of what JSON allows).
    """

    order_id: str
    flow: Flow
    status_number: int | None
    status_text: str | None
    status_class: StatusClass | None
    recognition_id: str | None
    reference_id: str | None
    wallet_address: str | None
    coin_id: int | None
    chain_id: int | None
    transaction_hash: str | None
    fiat_type: int | None
    currency: str | None
    fiat_amount: Decimal | None
    payment_kind: PaymentKind | None
    expected_price: Decimal | None
    expected_amount: Decimal | None
    actual_price: Decimal | None
    bought_amount: Decimal | None
    gas_fee: Decimal | None
    provider_fee: Decimal | None
    client_fee: Decimal | None
    gateway_fee: Decimal | None
    is_kyc_needed: bool | None
    created_at: datetime | None
    raw: str


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """One page of orders. `unreadable` holds the text of records without a usable order id.

    `number` counts from 1: after an error, a walk with the same arguments may resume at the next number.
    `is_last`: the walk asks for no page after this one. False promises nothing: the next may be empty.
    """

    number: int
    orders: tuple[ProviderOrder, ...]
    unreadable: tuple[str, ...]
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class ProviderQuote:
    """What the provider expects to deliver. All fees are fiat, and `expected_amount` is net of them.

    `expires_at` is an assumption (30 s): the provider publishes no lifetime for a quote.
    """

    rate: Decimal
    fiat_amount: Decimal
    expected_amount: Decimal
    provider_fee: Decimal
    gateway_fee: Decimal
    network_fee: Decimal
    client_fee: Decimal
    expires_at: datetime
    raw: str


@dataclass(frozen=True, slots=True)
class FiatType:
    """One currency in one country, under the provider's number for the pair.

    `symbol` is the provider's name for it and `currency` the ISO 4217 code, which several countries may
    share. `flows` holds what the provider does with this money; `decimals` is the number of digits that the
    currency has after the decimal point.
    """

    fiat_type: int
    symbol: str
    currency: str
    country: str
    name: str
    flows: frozenset[Flow] = frozenset()
    decimals: int = 2

    @property
    def can_buy(self) -> bool:
        """Whether the provider sells coins for this money."""
        return Flow.BUY in self.flows


@dataclass(frozen=True, slots=True)
class FiatConfig:
    """Whether a fiat type can be used at the moment, and its payment methods by code."""

    is_active: bool
    methods: Mapping[str, PaymentKind]


@dataclass(frozen=True, slots=True)
class Coin:
    """One coin and the networks it lives on."""

    coin_id: int
    symbol: str
    name: str
    chain_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """One network.

    `address_pattern` and `memo_pattern` are the provider's regular expressions for the addresses and memos
    it delivers to; `evm_id` is the EIP-155 chain id it gives. None: it gives none.
    """

    chain_id: int
    symbol: str
    name: str
    transaction_url: str | None
    address_pattern: str | None = None
    memo_pattern: str | None = None
    evm_id: int | None = None


@dataclass(frozen=True, slots=True)
class IdMaps:
    """The provider's ids by symbol. Several symbols may share one id (`matic20` and `matic` are both 3)."""

    fiat_types: Mapping[str, int]
    coin_ids: Mapping[str, int]
    chain_ids: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CoinsAndChains:
    """The configuration of coins (by lower-case symbol) and networks (by id)."""

    coins: Mapping[str, Coin]
    chains: Mapping[int, Chain]


class PairClosed(StrEnum):
    """Why a coin is not sent on a network at the moment."""

    NODE_OUT_OF_SYNC = "node_out_of_sync"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What the provider says about sending a coin on a network.

    `minimum` is the smallest amount it sends, in whole units of the coin; None: it does not say.
    """

    minimum: Decimal | None
    closed: PairClosed | None


@dataclass(frozen=True, slots=True)
class PublicConfig:
    """The public price list: prices in INR by coin and network (`None`: every network)."""

    coins_and_chains: CoinsAndChains
    inr_prices: Mapping[int, Mapping[int | None, Decimal]]


@dataclass(frozen=True, slots=True)
class ProviderHealth:
    """How the provider has answered this process lately; `since` is None while it is `ok`."""

    state: HealthState
    since: datetime | None


@dataclass(frozen=True, slots=True)
class WidgetSession:
    """The facts of one stored top-up that go into its widget address, and nothing else.

    `fiat_amount` is in whole units of the `fiat_type`'s currency; `address_tag` is the memo that some
    networks need.
    """

    recognition_id: str
    wallet_address: str
    coin_code: str
    network: str
    fiat_type: int
    fiat_amount: Decimal
    payment_kind: PaymentKind | None = None
    address_tag: str | None = None
    language: str | None = None
    phone_number: str | None = None
    redirect_url: str | None = None


@dataclass(frozen=True, slots=True)
class KycLink:
    """The address where a person verifies their identity, and the provider's id for that person.

    `client_customer_id` is our id for the person whom the provider's record was created for; None where the
    provider does not say.
    """

    url: str
    customer_id: str
    client_customer_id: str | None = None


class KycMeaning(StrEnum):
    """What a verification status of the provider's means to us."""

    STARTED = "started"
    IN_REVIEW = "in_review"
    APPROVED_BASIC = "approved_basic"
    APPROVED_FULL = "approved_full"
    RESUBMIT = "resubmit"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class KycReport:
    """A person's verification, read with a signed request: the provider's status and when it changed.

    `status` holds only capital letters and underscores; anything else became `UNREADABLE`, so that nothing
    personal is kept. `meaning` is None for a status that we do not know.
    """

    status: str
    updated_at: datetime | None
    meaning: KycMeaning | None = None


@dataclass(frozen=True, slots=True)
class PublishedLimits:
    """The limits that the provider publishes for a currency, in whole units; None: it publishes none.

    `first` applies to a first payment, `later` to one after a longer verification, `month` to a month. They
    promise nothing: the provider's own API contradicts them.
    """

    first: Decimal
    later: Decimal | None = None
    month: Decimal | None = None


@dataclass(frozen=True, slots=True)
class CustomerLimits:
    """What one verified person may still buy, in the currency that was asked about."""

    per_order: Decimal | None
    raw: str


class Provider(Protocol):
    """A connection to the payment provider.

    Every method that sends a request raises only errors from `providers.errors`. `ProviderUnavailable` and
    its subclasses say nothing about what happened at the provider.
    """

    async def quote(
        self, *, flow: OrderFlow, fiat_type: int, fiat_amount: Decimal, coin_code: str, network: str
    ) -> ProviderQuote:
        """Ask for a quote. Also raises `AmountOutOfLimits`, `UnsupportedAsset`, `ProviderPriceIrregular`."""
        ...

    def history(
        self,
        *,
        flow: OrderFlow,
        fiat_type: int,
        since: datetime,
        is_newest_first: bool = False,
        first_page: int = 1,
    ) -> AsyncIterator[HistoryPage]:
        """Walk the orders of one fiat type since a moment, oldest first by default, page by page to the end.

        Orders created during a newest-first walk push later pages back by their number: the walk then yields
        some orders twice, but misses none of those that were there.
        """
        ...

    async def limits(self, flow: OrderFlow) -> Mapping[int, AmountLimits]:
        """Return the amount limits by fiat type. The limits of a missing fiat type are unknown."""
        ...

    async def payment_methods(self) -> Mapping[int, Mapping[str, PaymentKind]]:
        """Return the payment methods by fiat type."""
        ...

    async def country_config(self) -> Mapping[Flow, Mapping[int, FiatConfig]]:
        """Return by flow and fiat type whether payments are possible now, and by which methods."""
        ...

    async def id_maps(self) -> IdMaps:
        """Return the provider's live ids by symbol."""
        ...

    async def coins_and_chains(self) -> CoinsAndChains:
        """Return the live configuration of coins and networks."""
        ...

    async def coin_minimums(self, fiat_type: int) -> Mapping[int, Mapping[int, Decimal]]:
        """Return the smallest fiat amount that may be paid, by coin id and chain id."""
        ...

    async def withdrawals(self) -> Mapping[int, Mapping[int, Withdrawal]]:
        """Return the smallest amount sent and whether sending is closed, by coin id and chain id."""
        ...

    async def public_config(self) -> PublicConfig:
        """Return the public price list."""
        ...

    async def widget_url(self, session: WidgetSession) -> str:
        """Return the widget address of a top-up. Raises `ValueError` for facts no top-up can have."""
        ...

    async def set_webhook_url(self, url: str) -> None:
        """Register the address for webhooks. Never retried: after an error the outcome is unknown."""
        ...

    async def send_dummy_webhook(self, url: str | None = None) -> None:
        """Ask the provider to send a test webhook to this address, or to the registered one."""
        ...

    async def resend_webhook(self, order_id: str) -> None:
        """Ask the provider to send an order's webhook again. Raises `ProviderOrderGone`."""
        ...

    def health(self) -> ProviderHealth:
        """Return how the provider has answered this process lately, without a request."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class KycProvider(Protocol):
    """The provider's own identity verification, available where ONRAMP_WHITE_LABEL is on."""

    async def kyc_link(
        self, *, email: str, phone_number: str, client_customer_id: str, redirect_url: str | None = None
    ) -> KycLink:
        """Begin a verification. Raises `ProviderRequestRefused` with `customer_id` for a known phone."""
        ...

    async def kyc_link_again(self, customer_id: str, *, redirect_url: str | None = None) -> KycLink:
        """Return a fresh verification address for a person whom the provider already knows."""
        ...

    async def kyc_report(self, customer_id: str) -> KycReport:
        """Return a person's verification status in the provider's words."""
        ...

    async def customer_limits(self, customer_id: str, *, fiat_type: int) -> CustomerLimits:
        """Return what a person may still buy. Raises `ProviderLoginRequired`."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
