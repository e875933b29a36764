"""The provider as the services see it: frozen views in the words of the product, and a Protocol.

Amounts are exact decimals in whole units (rupees, USDT), never floats and never minor units: only the
ledger knows an asset's scale. None means that the provider did not say, or said something unreadable.
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
    """One of the provider's orders, as a read or a webhook shows it.

    `bought_amount` is what was bought (Onramp's `actualCryptoAmount`) and `gas_fee` is in the same coin: what
    was delivered follows from both by ONRAMP_DELIVERED_RULE (docs/money.md). `status_class` is None for
    sell and swap orders, which move nothing. `raw` is the untouched JSON text (keep it in a text column:
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

    `number` counts from 1: after an error a walk of the same arguments may go on at the next one. `is_last`:
    no further page is asked for; one that is not the last may still turn out to be.
    """

    number: int
    orders: tuple[ProviderOrder, ...]
    unreadable: tuple[str, ...]
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class ProviderQuote:
    """What the provider expects to deliver. All fees are fiat, and `expected_amount` is net of them.

    `expires_at` is assumed (30 s): the provider publishes no lifetime.
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
    """One kind of money in one country, by the provider's number for it.

    `symbol` is the provider's word and `currency` the ISO 4217 code, which several countries may share.
    `flows` holds what the provider does with this money; `decimals` is how many digits after the point the
    currency has.
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
        """Whether coins can be bought with this money."""
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

    `address_pattern` and `memo_pattern` are the provider's regular expressions for what it delivers to,
    `evm_id` the id of EIP-155 that it names; None: it names none.
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
    """Symbols to the provider's ids. Several symbols may name one id (`matic20` and `matic` are both 3)."""

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

    `minimum` is the least amount it sends, in whole units of the coin; None: it does not say.
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

    `fiat_amount` in whole units of the currency of `fiat_type`; `address_tag` is the memo some networks need.
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
    """Where a person verifies themselves, and the provider's id of that person.

    `client_customer_id` is our id of whom the provider's record was made for; None where it does not say.
    """

    url: str
    customer_id: str
    client_customer_id: str | None = None


class KycMeaning(StrEnum):
    """What the provider's word for a verification means to us."""

    STARTED = "started"
    IN_REVIEW = "in_review"
    APPROVED_BASIC = "approved_basic"
    APPROVED_FULL = "approved_full"
    RESUBMIT = "resubmit"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class KycReport:
    """The verification of a person, read with a signature: the provider's word and when it changed.

    `status` consists of capital letters and underscores, `UNREADABLE` where it did not: nothing personal is
    kept of it. `meaning` is None for a word that we do not know.
    """

    status: str
    updated_at: datetime | None
    meaning: KycMeaning | None = None


@dataclass(frozen=True, slots=True)
class PublishedLimits:
    """The limits that the provider publishes for a currency, in whole units; None: it publishes none.

    `first` is for a first payment, `later` for one after a longer verification, `month` for a month. They are
    no promise: its own answers contradict them.
    """

    first: Decimal
    later: Decimal | None = None
    month: Decimal | None = None


@dataclass(frozen=True, slots=True)
class CustomerLimits:
    """What one verified person may still buy, in the asked currency."""

    per_order: Decimal | None
    raw: str


class Provider(Protocol):
    """A connection to the payment provider.

    Every method that asks raises only errors of `providers.errors`; `ProviderUnavailable` and its
    kinds say nothing about what happened at the provider.
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

        Orders that are made meanwhile move a walk that begins with the newest by their number: it shows some
        orders twice and leaves none out.
        """
        ...

    async def limits(self, flow: OrderFlow) -> Mapping[int, AmountLimits]:
        """Return the limits by fiat type. A fiat type that is missing has an unknown limit."""
        ...

    async def payment_methods(self) -> Mapping[int, Mapping[str, PaymentKind]]:
        """Return the payment methods by fiat type."""
        ...

    async def country_config(self) -> Mapping[Flow, Mapping[int, FiatConfig]]:
        """Return what is active by flow and fiat type."""
        ...

    async def id_maps(self) -> IdMaps:
        """Return the live maps of symbols to ids."""
        ...

    async def coins_and_chains(self) -> CoinsAndChains:
        """Return the live configuration of coins and networks."""
        ...

    async def coin_minimums(self, fiat_type: int) -> Mapping[int, Mapping[int, Decimal]]:
        """Return the least fiat amount by coin id and chain id."""
        ...

    async def withdrawals(self) -> Mapping[int, Mapping[int, Withdrawal]]:
        """Return the least amounts sent, and what is closed, by coin id and chain id."""
        ...

    async def public_config(self) -> PublicConfig:
        """Return the public price list."""
        ...

    async def widget_url(self, session: WidgetSession) -> str:
        """Return the widget address of a top-up. Raises `ValueError` for facts no top-up can have."""
        ...

    async def set_webhook_url(self, url: str) -> None:
        """Register where webhooks go. Never retried: after an error the outcome is not known."""
        ...

    async def send_dummy_webhook(self, url: str | None = None) -> None:
        """Have a test webhook sent to the address, or to the registered one."""
        ...

    async def resend_webhook(self, order_id: str) -> None:
        """Have the webhook of an order sent again. Raises `ProviderOrderGone`."""
        ...

    def health(self) -> ProviderHealth:
        """Return how the provider has answered this process lately. Asks nothing."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class KycProvider(Protocol):
    """The provider's own verification of people, where ONRAMP_WHITE_LABEL allows it."""

    async def kyc_link(
        self, *, email: str, phone_number: str, client_customer_id: str, redirect_url: str | None = None
    ) -> KycLink:
        """Begin a verification. Raises `ProviderRequestRefused` with `customer_id` for a known phone."""
        ...

    async def kyc_link_again(self, customer_id: str, *, redirect_url: str | None = None) -> KycLink:
        """Return a fresh address for a person whom the provider knows."""
        ...

    async def kyc_report(self, customer_id: str) -> KycReport:
        """Return the verification status of a person in the provider's words."""
        ...

    async def customer_limits(self, customer_id: str, *, fiat_type: int) -> CustomerLimits:
        """Return what a person may still buy. Raises `ProviderLoginRequired`."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
