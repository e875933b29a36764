"""Parses Onramp's configuration answers into views. An unreadable entry is left out, never guessed."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

from onramp_app.domain.exact_json import Json
from onramp_app.domain.payments import AmountLimits, PaymentKind
from onramp_app.providers.onramp.links import may_be_opened
from onramp_app.providers.onramp.orders import payment_kind_of
from onramp_app.providers.onramp.wire import amount_or_none, int_or_none, text_or_none
from onramp_app.providers.port import (
    Chain,
    Coin,
    CoinsAndChains,
    FiatConfig,
    IdMaps,
    OrderFlow,
    PairClosed,
    PublicConfig,
    Withdrawal,
)
from onramp_app.providers.status import Flow

T = TypeVar("T")
_MAX_PATTERN_CHARACTERS = 200

# Each flow was seen under two names: the limits answer says "onramp", the country configuration "buy".
_FLOW_NAMES: Mapping[Flow, tuple[str, str]] = {Flow.BUY: ("onramp", "buy"), Flow.SELL: ("offramp", "sell")}


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _of_flow(data: Mapping[str, Json], flow: OrderFlow) -> dict[str, Json]:
    return next((_object(data[name]) for name in _FLOW_NAMES[flow] if name in data), {})


def _by_id(value: Json) -> dict[int, Json]:
    ids = ((int_or_none(key), item) for key, item in _object(value).items())
    return {number: item for number, item in ids if number is not None and number >= 0}


def read_limits(data: Mapping[str, Json], flow: OrderFlow) -> dict[int, AmountLimits]:
    """Return the amount limits by fiat type, without those that the answer does not mention."""
    return {
        fiat_type: AmountLimits(
            amount_or_none(_object(item).get("min")), amount_or_none(_object(item).get("max"))
        )
        for fiat_type, item in _by_id(_of_flow(data, flow)).items()
    }


def read_methods(value: Json) -> dict[str, PaymentKind]:
    """Return payment methods by code."""
    return {
        code: kind
        for code, number in _object(value).items()
        if text_or_none(code, max_characters=64) and (kind := payment_kind_of(number)) is not None
    }


def read_payment_methods(data: Mapping[str, Json]) -> dict[int, dict[str, PaymentKind]]:
    """Return payment methods by fiat type and code."""
    return {fiat_type: read_methods(item) for fiat_type, item in _by_id(dict(data)).items()}


def read_country_config(data: Mapping[str, Json]) -> dict[Flow, dict[int, FiatConfig]]:
    """Return by flow and fiat type whether it is active, and its payment methods."""
    flows: tuple[OrderFlow, ...] = (Flow.BUY, Flow.SELL)
    return {
        flow: {
            fiat_type: FiatConfig(
                is_active=int_or_none(_object(item).get("isActive")) == 1
                or _object(item).get("isActive") is True,
                methods=read_methods(_object(item).get("paymentMethods")),
            )
            for fiat_type, item in _by_id(_of_flow(data, flow)).items()
        }
        for flow in flows
    }


def read_id_maps(data: Mapping[str, Json]) -> IdMaps:
    """Return the ids by symbol; the answer holds ids as numbers and as texts."""

    def ids(name: str) -> dict[str, int]:
        pairs = ((symbol, int_or_none(value)) for symbol, value in _object(data.get(name)).items())
        return {symbol: number for symbol, number in pairs if number is not None and number >= 0}

    return IdMaps(ids("fiatSymbolMapping"), ids("coinSymbolMapping"), ids("chainSymbolMapping"))


def read_coins_and_chains(data: Mapping[str, Json]) -> CoinsAndChains:
    """Return coins by lower-case symbol and networks by id."""
    coins: dict[str, Coin] = {}
    for code, item in _object(data.get("allCoinConfig")).items():
        fields = _object(item)
        coin_id = int_or_none(fields.get("coinId"))
        networks = fields.get("networks")
        chain_ids = (int_or_none(chain) for chain in (networks if isinstance(networks, list) else []))
        if coin_id is not None:
            coins[code.lower()] = Coin(
                coin_id=coin_id,
                symbol=code.lower(),
                name=text_or_none(fields.get("coinName")) or code.upper(),
                chain_ids=tuple(chain for chain in chain_ids if chain is not None),
            )
    chains = {
        chain_id: Chain(
            chain_id=chain_id,
            symbol=symbol,
            name=text_or_none(_object(item).get("chainName")) or symbol,
            transaction_url=_link_or_none(_object(item).get("hashLink")),
            address_pattern=_pattern_or_none(_object(item).get("addressRegex")),
            memo_pattern=_pattern_or_none(_object(item).get("memoRegex")),
            evm_id=_positive_or_none(_object(item).get("networkId")),
        )
        for chain_id, item in _by_id(data.get("networkConfig")).items()
        if (symbol := text_or_none(_object(item).get("chainSymbol"), max_characters=32))
    }
    return CoinsAndChains(coins, chains)


def _positive_or_none(value: Json) -> int | None:
    number = int_or_none(value)
    return number if number is not None and number > 0 else None


def _pattern_or_none(value: Json) -> str | None:
    """Return a regular expression that compiles, or None. One that is too long is no address pattern."""
    text = text_or_none(value, max_characters=_MAX_PATTERN_CHARACTERS)
    try:
        return text if text and re.compile(text) else None
    except re.error:
        return None


def _link_or_none(value: Json) -> str | None:
    text = text_or_none(value)
    return text if text and may_be_opened(text) else None


def read_minimums(value: Json) -> dict[int, dict[int, Decimal]]:
    """Return the smallest fiat amount that may be paid, by coin id and chain id."""
    return {
        coin_id: {
            chain_id: amount
            for chain_id, least in _by_id(chains).items()
            if (amount := amount_or_none(least)) is not None
        }
        for coin_id, chains in _by_id(value).items()
    }


def read_withdrawals(value: Json) -> dict[int, dict[int, Withdrawal]]:
    """Return what the answer says about sending each coin on each chain. Only 0 or false closes a pair."""
    return {
        coin_id: {
            chain_id: Withdrawal(amount_or_none(fields.get("minimumWithdrawal")), _closed(fields))
            for chain_id, item in _by_id(chains).items()
            if (fields := _object(item))
        }
        for coin_id, chains in _by_id(value).items()
    }


def _closed(fields: Mapping[str, Json]) -> PairClosed | None:
    for name, reason in (("nodeInSync", PairClosed.NODE_OUT_OF_SYNC), ("depositEnable", PairClosed.CLOSED)):
        if fields.get(name) is False or int_or_none(fields.get(name)) == 0:
            return reason
    return None


def read_public_config(data: Mapping[str, Json]) -> PublicConfig:
    """Return the public price list; a coin has one price for all networks, or one for each."""
    prices: dict[int, dict[int | None, Decimal]] = {}
    for coin_id, value in _by_id(data.get("coinData")).items():
        listed = list(_by_id(value).items()) if isinstance(value, dict) else [(None, value)]
        found = {chain: price for chain, item in listed if (price := amount_or_none(item))}
        if found:
            prices[coin_id] = found
    return PublicConfig(
        coins_and_chains=read_coins_and_chains(data),
        inr_prices=prices,
    )
