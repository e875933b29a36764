"""What can be chosen when adding money: currencies, payment methods, assets and their limits.

Everything is derived from the provider's live configuration, which is cached because the provider allows only
ten requests a minute. The limits of a tier are in `top_ups`.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Protocol, TypeVar

from onramp_app.config import get_settings
from onramp_app.domain.clock import now
from onramp_app.domain.decimals import decimals_of
from onramp_app.domain.payments import AmountLimits, PaymentKind, PublishedTime
from onramp_app.providers.connection import ADAPTER, get_provider
from onramp_app.providers.errors import ProviderUnavailable, UnsupportedAsset, UnsupportedCurrency
from onramp_app.providers.port import (
    CoinsAndChains,
    FiatConfig,
    FiatType,
    PairClosed,
    Provider,
    Withdrawal,
)
from onramp_app.providers.status import Flow
from onramp_app.texts import _

FRESH = timedelta(minutes=5)
# An older configuration may promise what is long gone; "unavailable" is the better answer.
USABLE = timedelta(hours=24)
# The smallest amounts of one fiat type that may be paid, by coin id and chain id.
Minimums = Mapping[int, Mapping[int, Decimal]]
_BY_SPEED = (PaymentKind.INSTANT, PaymentKind.E_WALLET, PaymentKind.BANK_TRANSFER, PaymentKind.OTHER)


@dataclass(frozen=True, slots=True)
class CurrencyOption:
    """A currency as used in one country. `reason` says why it is not active, and is None when it is."""

    code: str
    country: str
    name: str
    decimals: int
    is_active: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class MethodOption:
    """A payment method and what may be paid with it, in whole units; None: the provider does not say.

    `kind` is the provider's kind, with which its page is opened. `published_time`: how long a payment takes
    according to published sources.
    """

    code: str
    kind: PaymentKind
    min: Decimal | None
    max: Decimal | None
    published_time: PublishedTime | None = None


@dataclass(frozen=True, slots=True)
class AssetOption:
    """An asset on a network; `min` is the smallest fiat amount for it, `decimals` are those of the chain."""

    asset: str
    network: str
    min: Decimal | None
    decimals: int


@dataclass(frozen=True, slots=True)
class ClosedAsset:
    """An asset on a network that cannot be bought now with the chosen currency, and why."""

    asset: str
    network: str
    reason: str


@dataclass(frozen=True, slots=True)
class PausedPair:
    """An asset on a network that the provider currently sends to nobody, whatever the currency.

    `network_name` is the provider's name for the network; `is_whole_network`: every asset that we offer on
    the network is paused.
    """

    asset: str
    network_name: str
    is_whole_network: bool


@dataclass(frozen=True, slots=True)
class Options:
    """All that can be chosen. Methods and assets belong to the chosen currency, and are empty without one.

    `closed_methods` and `closed_assets` exist for the currency, but cannot be used at the moment. Methods are
    sorted from fast to slow.
    """

    currencies: tuple[CurrencyOption, ...]
    methods: tuple[MethodOption, ...]
    closed_methods: tuple[MethodOption, ...]
    assets: tuple[AssetOption, ...]
    closed_assets: tuple[ClosedAsset, ...]
    limits: AmountLimits | None
    as_of: datetime
    is_stale: bool


class _InCountry(Protocol):
    @property
    def country(self) -> str: ...


_Row = TypeVar("_Row", bound=_InCountry)


def preferred(rows: Sequence[_Row], country: str | None, *, is_usable: Callable[[_Row], bool]) -> _Row:
    """Return which entry of a currency to use: that of the country, else a usable one, else the first.

    Args:
        rows: at least one entry, all of the same currency.
        country: ISO 3166-1, or None.
        is_usable: whether an entry can be used.
    """
    own = [row for row in rows if row.country == country]
    usable = [row for row in rows if is_usable(row)]
    return (own or usable or rows)[0]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The provider's configuration as of one moment."""

    buying: Mapping[int, FiatConfig]
    methods: Mapping[int, Mapping[str, PaymentKind]]
    limits: Mapping[int, AmountLimits]
    coins_and_chains: CoinsAndChains
    withdrawals: Mapping[int, Mapping[int, Withdrawal]]
    read_at: datetime

    @property
    def is_stale(self) -> bool:
        """Whether the configuration is older than five minutes."""
        return now() - self.read_at > FRESH

    def reason_against(self, row: FiatType) -> str | None:
        """Return why payments in this fiat type are not possible now, or None."""
        config = self.buying.get(row.fiat_type)
        if config is None or not config.is_active:
            return _("{provider} doesn't accept this currency at the moment.").format(
                provider=get_settings().provider_name
            )
        if config.methods:
            return None
        return _("There's no payment method for this currency at the moment.")

    def fiat_type(self, currency: str, country: str | None) -> FiatType:
        """Return the fiat type for a currency; of several, the country's, else an active one, else the first.

        Raises:
            UnsupportedCurrency: the provider does not know the currency.
        """
        rows = [row for row in ADAPTER.fiat_types.values() if row.currency == currency]
        if not rows:
            raise UnsupportedCurrency("This currency is not supported.")
        return preferred(rows, country, is_usable=lambda row: self.reason_against(row) is None)

    def pair(self, asset: str, network: str) -> tuple[int, int]:
        """Return the provider's coin id and chain id. Raises `UnsupportedAsset` where it has no such pair."""
        coin = self.coins_and_chains.coins.get(asset.lower())
        chains = self.coins_and_chains.chains.values()
        chain = next((chain for chain in chains if chain.symbol == network), None)
        if coin is None or chain is None or chain.chain_id not in coin.chain_ids:
            raise UnsupportedAsset("This asset is not offered on this network.")
        return coin.coin_id, chain.chain_id

    def reason_against_pair(self, pair: tuple[int, int], *, row: FiatType, minimums: Minimums) -> str | None:
        """Return why a pair of coin id and chain id cannot be bought with a fiat type now, or None.

        Args:
            pair: the coin id and the chain id.
            row: the fiat type.
            minimums: those of the fiat type. A pair that is not among them is not sold for it; if they are
                empty, nothing is known.
        """
        coin_id, chain_id = pair
        if minimums and chain_id not in minimums.get(coin_id, {}):
            return _("Not sold for {currency}").format(currency=row.currency)
        found = self.withdrawals.get(coin_id, {}).get(chain_id)
        if found is None or found.closed is None:
            return None
        name = get_settings().provider_name
        if found.closed is PairClosed.NODE_OUT_OF_SYNC:
            return _("{provider} has lost touch with this network for now").format(provider=name)
        return _("Closed by {provider} at the moment").format(provider=name)

    def least_sent(self, pair: tuple[int, int]) -> Decimal | None:
        """Return the smallest amount of a coin that is sent on a chain, in whole units; None: unknown."""
        found = self.withdrawals.get(pair[0], {}).get(pair[1])
        return found.minimum if found else None


class OptionsReader:
    """Caches the catalogue and answers from it. One for each process; belongs to one event loop."""

    def __init__(self, provider: Provider, assets: Mapping[str, tuple[str, ...]]) -> None:
        self._provider = provider
        self._assets = assets
        self._catalogue: Catalogue | None = None
        self._minimums: dict[int, tuple[datetime, Minimums]] = {}

    async def refresh(self) -> Catalogue:
        """Read the provider's configuration, cache it and return it. Raises `ProviderUnavailable`."""
        countries, methods, limits, coins, withdrawals = await asyncio.gather(
            self._provider.country_config(),
            self._listed_methods(),
            self._provider.limits(Flow.BUY),
            self._provider.coins_and_chains(),
            self._withdrawals(),
        )
        self._catalogue = Catalogue(
            buying=countries.get(Flow.BUY, {}),
            methods=methods,
            limits=limits,
            coins_and_chains=coins,
            withdrawals=withdrawals,
            read_at=now(),
        )
        return self._catalogue

    async def _listed_methods(self) -> Mapping[int, Mapping[str, PaymentKind]]:
        # These methods only show what exists beyond what is offered, so nothing fails without them.
        try:
            return await self._provider.payment_methods()
        except ProviderUnavailable:
            return {}

    async def _withdrawals(self) -> Mapping[int, Mapping[int, Withdrawal]]:
        # The provider itself refuses what it cannot send, so nothing fails while this is unavailable.
        try:
            return await self._provider.withdrawals()
        except ProviderUnavailable:
            return {}

    async def catalogue(self) -> Catalogue:
        """Return the cached catalogue, read again after five minutes; the old one while that fails.

        Raises:
            ProviderUnavailable: no catalogue from the last 24 hours is known.
        """
        kept = self._catalogue
        if kept is not None and not kept.is_stale:
            return kept
        try:
            return await self.refresh()
        except ProviderUnavailable:
            if kept is None or now() - kept.read_at > USABLE:
                raise
            return kept

    async def minimums(self, fiat_type: int) -> Minimums:
        """Return the smallest fiat amounts that may be paid, by coin id and chain id; empty if unavailable.

        Nothing fails without them: the provider itself refuses to quote a smaller amount.
        """
        kept = self._minimums.get(fiat_type)
        if kept is not None and now() - kept[0] < FRESH:
            return kept[1]
        try:
            found = await self._provider.coin_minimums(fiat_type)
        except ProviderUnavailable:
            return kept[1] if kept is not None else {}
        self._minimums[fiat_type] = (now(), found)
        return found

    async def options(self, currency: str | None, *, country: str | None = None) -> Options:
        """Return what can be chosen: the currencies, and for one of them its methods and assets.

        Args:
            currency: the chosen currency (ISO 4217), or None.
            country: which entry of the currency to use, where the provider has one for several countries.

        Raises:
            UnsupportedCurrency: the provider does not know the currency.
            ProviderUnavailable: no configuration from the last 24 hours is known.
        """
        catalogue = await self.catalogue()
        row = None if currency is None else catalogue.fiat_type(currency, country)
        assets: tuple[AssetOption, ...] = ()
        closed: tuple[ClosedAsset, ...] = ()
        if row is not None:
            assets, closed = self._asset_options(catalogue, row, await self.minimums(row.fiat_type))
        return Options(
            currencies=tuple(_currency(catalogue, row) for row in ADAPTER.fiat_types.values()),
            methods=() if row is None else methods_of(catalogue, row),
            closed_methods=() if row is None else _closed_methods_of(catalogue, row),
            assets=assets,
            closed_assets=closed,
            limits=None if row is None else catalogue.limits.get(row.fiat_type),
            as_of=catalogue.read_at,
            is_stale=catalogue.is_stale,
        )

    def _asset_options(
        self, catalogue: Catalogue, row: FiatType, minimums: Minimums
    ) -> tuple[tuple[AssetOption, ...], tuple[ClosedAsset, ...]]:
        options: list[AssetOption] = []
        closed: list[ClosedAsset] = []
        for asset, network in self.enabled_pairs():
            decimals = decimals_of(asset, network)
            try:
                pair = catalogue.pair(asset, network)
            except UnsupportedAsset:
                continue
            reason = catalogue.reason_against_pair(pair, row=row, minimums=minimums)
            if reason is not None:
                closed.append(ClosedAsset(asset, network, reason))
            elif decimals is not None:
                least = minimums.get(pair[0], {}).get(pair[1])
                options.append(AssetOption(asset, network, least, decimals))
        return tuple(options), tuple(closed)

    def paused(self) -> tuple[PausedPair, ...]:
        """Return what the provider has paused, as last read; nothing before the first read."""
        if self._catalogue is None:
            return ()
        by_network: dict[int, dict[str, bool]] = {}
        for asset, network in self.enabled_pairs():
            try:
                coin_id, chain_id = self._catalogue.pair(asset, network)
            except UnsupportedAsset:
                continue
            found = self._catalogue.withdrawals.get(coin_id, {}).get(chain_id)
            by_network.setdefault(chain_id, {})[asset] = found is not None and found.closed is not None
        names = self._catalogue.coins_and_chains.chains
        return tuple(
            PausedPair(asset, names[chain_id].name, all(assets.values()))
            for chain_id, assets in by_network.items()
            for asset, is_paused in assets.items()
            if is_paused
        )

    def enabled_pairs(self) -> tuple[tuple[str, str], ...]:
        """Return the pairs of asset and network that the operator offers (`ASSETS`)."""
        return tuple((asset, network) for asset, networks in self._assets.items() for network in networks)


def _currency(catalogue: Catalogue, row: FiatType) -> CurrencyOption:
    reason = catalogue.reason_against(row)
    return CurrencyOption(row.currency, row.country, row.name, row.decimals, reason is None, reason)


def methods_of(catalogue: Catalogue, row: FiatType) -> tuple[MethodOption, ...]:
    """Return the payment methods of a fiat type; none while the fiat type is not active."""
    config = catalogue.buying.get(row.fiat_type)
    if config is None or catalogue.reason_against(row) is not None:
        return ()
    limits = catalogue.limits.get(row.fiat_type, AmountLimits(None, None))
    return _methods(config.methods, limits)


def _closed_methods_of(catalogue: Catalogue, row: FiatType) -> tuple[MethodOption, ...]:
    """Return the methods that the provider lists for a fiat type but does not offer now."""
    offered = {method.code for method in methods_of(catalogue, row)}
    listed = catalogue.methods.get(row.fiat_type, {})
    closed = {code: kind for code, kind in listed.items() if code not in offered}
    return _methods(closed, AmountLimits(None, None))


def _methods(kinds: Mapping[str, PaymentKind], limits: AmountLimits) -> tuple[MethodOption, ...]:
    options = (
        MethodOption(code, kind, limits.min, limits.max, ADAPTER.published_time(code, kind))
        for code, kind in kinds.items()
    )
    return tuple(sorted(options, key=_slowness))


def _slowness(method: MethodOption) -> tuple[int, int]:
    days = method.published_time.bank_days if method.published_time else None
    return (days[1] if days else 0), _BY_SPEED.index(method.kind)


@lru_cache(maxsize=1)
def get_options() -> OptionsReader:
    """Return this process's reader of options."""
    return OptionsReader(get_provider(), get_settings().assets)


def forget() -> None:
    """Clear the cached configuration, together with the reader and its connection to the provider."""
    get_options.cache_clear()
