"""Judges a delivery: which asset arrived where, whether the address is ours, and how much arrived.

Pure: docs/money.md ("What was delivered", "What is ours") is the specification. Nothing is guessed, and
nothing is rounded except a float's trailing noise: an amount that cannot be read exactly is left to a person.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

from onramp_app.chain.evidence import Fit, fit_of, is_pending
from onramp_app.chain.tables import ChainEvidence
from onramp_app.chain.words import EvidenceState
from onramp_app.config import Settings
from onramp_app.domain.decimals import decimals_of
from onramp_app.domain.money import AmountUnreadable, decimal_text, from_minor, to_minor, without_tail
from onramp_app.provider_orders.tables import OrderRecord
from onramp_app.providers.connection import ADAPTER
from onramp_app.providers.port import IdMaps
from onramp_app.top_ups.transitions import Reason
from onramp_app.treasury.places import Place, own_form

_PRECISION = 80


@dataclass(frozen=True, slots=True)
class Symbols:
    """Our symbols for the provider's ids: coin ids to assets (`USDT`), chain ids to networks (`matic20`)."""

    assets: Mapping[int, str]
    networks: Mapping[int, str]


DOCUMENTED = Symbols(
    {coin_id: symbol.upper() for coin_id, symbol in ADAPTER.coin_symbols.items()}, dict(ADAPTER.chain_symbols)
)


def symbols_of(maps: IdMaps, settings: Settings) -> Symbols:
    """Return the documented symbols, and the provider's live symbols for ids that are not documented.

    Where several live symbols share an id, the one that `ASSETS` offers wins.
    """
    assets, networks = dict(DOCUMENTED.assets), dict(DOCUMENTED.networks)
    offered = {network for names in settings.assets.values() for network in names}
    for symbol, coin_id in maps.coin_ids.items():
        if coin_id not in DOCUMENTED.assets and (coin_id not in assets or symbol.upper() in settings.assets):
            assets[coin_id] = symbol.upper()
    for symbol, chain_id in maps.chain_ids.items():
        if chain_id not in DOCUMENTED.networks and (chain_id not in networks or symbol in offered):
            networks[chain_id] = symbol
    return Symbols(assets, networks)


@dataclass(frozen=True, slots=True)
class JudgedDelivery:
    """The judgement of one delivered order.

    `asset` and `network` are None where the provider's ids are unknown. `place` is the address of ours that
    received it, or None. `minor` is the amount in minor units, None when the delivery is not ours or its
    amount cannot be read; `reason` then says why nothing is booked. `printed` is the amount as the provider
    printed it, where a float's trailing noise was removed.

    Where we read the network ourselves, `minor` is what it shows and `fit` compares that with the provider's
    record; `is_awaited` while the network has not shown the delivery.
    """

    asset: str | None
    network: str | None
    place: Place | None = None
    minor: int | None = None
    reason: Reason | None = None
    printed: Decimal | None = None
    is_awaited: bool = False
    fit: Fit | None = None

    @property
    def note(self) -> str:
        """A note for the timeline, empty where nothing was rounded."""
        return "" if self.printed is None else f"rounded, since {decimal_text(self.printed)} was printed"


def judge_delivery(
    order: OrderRecord,
    *,
    settings: Settings,
    symbols: Symbols,
    scales: Mapping[str, int],
    places: Iterable[Place],
) -> JudgedDelivery:
    """Judge a delivered order.

    Args:
        order: an order whose status class is delivered.
        settings: for the rule of what was delivered, and whether this is production.
        symbols: our symbols for the provider's ids.
        scales: the decimals of each asset of the books.
        places: our addresses: `places_of` the settings, and the one that the widget was given.
    """
    asset = symbols.assets.get(order.coin_id) if order.coin_id is not None else None
    network = symbols.networks.get(order.chain_id) if order.chain_id is not None else None
    place = None
    if asset is not None and asset in scales and network is not None:
        place = _our_place(order, asset, network, among=places)
    is_refused_test = settings.is_production and (
        order.chain_id in ADAPTER.test_chain_ids or (network or "").endswith("-test")
    )
    if asset is None or network is None or place is None or is_refused_test:
        return JudgedDelivery(asset if asset in scales else None, network, reason=Reason.WRONG_ADDRESS)
    delivered = delivered_amount(
        order.bought_amount,
        order.gas_fee,
        rule=settings.onramp_delivered_rule,
        asset=asset,
        network=network,
    )
    minor = None if delivered is None else _minor(delivered.exact, scale=scales[asset])
    if delivered is None or minor is None:
        return JudgedDelivery(asset, network, place, reason=Reason.AMOUNT_UNREADABLE)
    tail = delivered.printed if delivered.printed != delivered.exact else None
    return JudgedDelivery(asset, network, place, minor, printed=tail)


def proven(
    judged: JudgedDelivery,
    order: OrderRecord,
    evidence: ChainEvidence,
    *,
    scale: int,
    tolerance_percent: Decimal,
) -> JudgedDelivery:
    """Return the judgement according to the network, whatever the provider's figures and our rule say.

    Args:
        judged: the judgement according to the provider's record; the delivery is ours.
        order: the order with the provider's figures.
        evidence: what the network has shown.
        scale: the decimals of the asset.
        tolerance_percent: by how much the network and the record may differ.
    """
    pure = replace(judged, minor=None, reason=None, printed=None)
    if is_pending(evidence):
        return replace(pure, is_awaited=True)
    if evidence.state == EvidenceState.MISSING:
        return replace(pure, reason=Reason.CHAIN_MISSING)
    if evidence.amount_minor is None:
        return replace(pure, reason=Reason.AMOUNT_UNREADABLE)
    fit = fit_of(
        from_minor(evidence.amount_minor, scale=scale),
        bought=order.bought_amount,
        fee=order.gas_fee,
        tolerance_percent=tolerance_percent,
    )
    return replace(pure, minor=evidence.amount_minor, fit=fit)


def _our_place(order: OrderRecord, asset: str, network: str, *, among: Iterable[Place]) -> Place | None:
    if order.wallet_address is None:
        return None
    address = own_form(order.wallet_address)
    for place in among:
        if (place.asset, place.network, own_form(place.address)) != (asset, network, address):
            continue
        # At a shared address the memo says whose money it is: without ours it may be somebody else's.
        if place.memo is None or place.memo == ADAPTER.memo_of(order.raw or ""):
            return place
    return None


@dataclass(frozen=True, slots=True)
class DeliveredAmount:
    """The delivered amount: `printed` with all its digits, `exact` without digits that no network carries."""

    printed: Decimal
    exact: Decimal


def delivered_amount(
    bought: Decimal | None, fee: Decimal | None, *, rule: str, asset: str, network: str
) -> DeliveredAmount | None:
    """Return what was delivered according to the rule, in whole units; None where a needed figure is missing.

    Args:
        bought: what was bought, in the coin.
        fee: the network fee in the same coin; the rule `actual` does not need it.
        rule: ONRAMP_DELIVERED_RULE, `actual` or `actual_minus_gas`.
        asset: the asset that was delivered.
        network: the network on which it was delivered.
    """
    if rule == "actual":
        fee = Decimal(0)
    if bought is None or fee is None:
        return None
    with localcontext(prec=_PRECISION):
        printed = bought - fee
    decimals = decimals_of(asset, network)
    return DeliveredAmount(printed, printed if decimals is None else without_tail(printed, decimals=decimals))


def _minor(delivered: Decimal, *, scale: int) -> int | None:
    try:
        return to_minor(delivered, scale=scale) or None
    except AmountUnreadable:
        return None


def is_over_delivery(order: OrderRecord, minor: int, *, scale: int, tolerance_percent: Decimal) -> bool:
    """Return whether more arrived than the provider itself expected, by more than the tolerance.

    True without an expected amount: there is nothing to compare with, so a person has to look.
    """
    if not order.expected_amount:
        return True
    with localcontext(prec=_PRECISION):
        most = order.expected_amount * (100 + tolerance_percent) / 100
        return from_minor(minor, scale=scale) > most
