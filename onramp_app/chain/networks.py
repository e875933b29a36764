"""The EVM networks that can be read, and each asset's contract on them. Constants of the chains.

Sources: the chain ids from https://chainlist.org (EIP-155); for each contract its issuer's own list
(https://tether.to/en/supported-protocols, https://developers.circle.com/stablecoins/usdc-contract-addresses,
https://www.paxos.com/pyusd), for BTC and ETH on BNB Smart Chain Binance's list of pegged tokens
(https://www.binance.com/en/collateral-btokens), for MATIC on Ethereum that of Polygon.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from onramp_app.config import ConfigurationError, Settings

_HASH = re.compile(r"0x[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class EvmNetwork:
    """A network: its EIP-155 chain id, the depth at which a block counts as final, and its explorer.

    `confirmations` is how many blocks must be on top of the transaction's own; the provider's documentation
    (`networkConfig`) gives the same numbers. `explorer` is the explorer's URL up to the hash.
    """

    name: str
    chain_id: int
    confirmations: int
    explorer: str


@dataclass(frozen=True, slots=True)
class Token:
    """An asset on a network: its contract in lower case, None for the network's own coin."""

    contract: str | None
    decimals: int


NETWORKS: Mapping[str, EvmNetwork] = {
    network.name: network
    for network in (
        EvmNetwork("erc20", 1, 12, "https://etherscan.io/tx/"),
        EvmNetwork("bep20", 56, 15, "https://bscscan.com/tx/"),
        EvmNetwork("matic20", 137, 64, "https://polygonscan.com/tx/"),
        EvmNetwork("arbitrum", 42161, 20, "https://arbiscan.io/tx/"),
    )
}
_COIN = Token(None, 18)
_TOKENS: Mapping[str, Mapping[str, Token]] = {
    "USDT": {
        "erc20": Token("0xdac17f958d2ee523a2206206994597c13d831ec7", 6),
        "bep20": Token("0x55d398326f99059ff775485246999027b3197955", 18),
        "matic20": Token("0xc2132d05d31c914a87c6611c10748aeb04b58e8f", 6),
        "arbitrum": Token("0xfd086bc7cd5c481dcc9c85ebe478a1c0b69fcbb9", 6),
    },
    "USDC": {
        "erc20": Token("0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48", 6),
        "bep20": Token("0x8ac76a51cc950d9822d68b83fe1ad97b32cd580d", 18),
        "matic20": Token("0x3c499c542cef5e3811e1192ce70d8cc03d5c3359", 6),
        "arbitrum": Token("0xaf88d065e77c8cc2239327c5edb3a432268e5831", 6),
    },
    "PYUSD": {"erc20": Token("0x6c3ea9036406852006290770bedfcaba0e23a0e8", 6)},
    "BTC": {"bep20": Token("0x7130d2a12b9bcbfae4f2634d864a1ee1ce3ead9c", 18)},
    "ETH": {
        "erc20": _COIN,
        "arbitrum": _COIN,
        "bep20": Token("0x2170ed0880ac9a755fd29b2688956bd959f933f8", 18),
    },
    "BNB": {"bep20": _COIN},
    "MATIC": {"matic20": _COIN, "erc20": Token("0x7d1afa7b718fb893db30a3abc0cfc608aacfebb0", 18)},
}


def token_of(asset: str, network: str) -> Token | None:
    """Return the token of an asset on a network; None for a pair that cannot be read."""
    return _TOKENS.get(asset, {}).get(network)


def tokens() -> Iterator[tuple[str, str, Token]]:
    """Yield every asset and network that can be read, with its token."""
    for asset, networks in _TOKENS.items():
        for network, token in networks.items():
            yield asset, network, token


def is_hash(name: str | None) -> bool:
    """Return whether a text has the form of a transaction hash, in lower case."""
    return name is not None and _HASH.fullmatch(name) is not None


def transaction_page(network: str, name: str) -> str | None:
    """Return the URL of a transaction in the network's explorer; None for an unknown network or no hash."""
    known = NETWORKS.get(network)
    return known.explorer + name if known is not None and is_hash(name) else None


def confirmations_of(network: EvmNetwork, settings: Settings) -> int:
    """Return how many blocks must be on top of a transaction's own, by `CHAIN_CONFIRMATIONS` or default."""
    return settings.chain_confirmations.get(network.name, network.confirmations)


def refuse_unreadable(settings: Settings) -> None:
    """Refuse settings in which `CHAIN_RPC` or `CHAIN_CONFIRMATIONS` asks for what cannot be read.

    Raises:
        ConfigurationError: one names a network that is not a known EVM network, or `ASSETS` offers, on a
            network of `CHAIN_RPC`, an asset whose contract there is unknown.
    """
    for setting, names in (
        ("CHAIN_RPC", settings.chain_rpc),
        ("CHAIN_CONFIRMATIONS", settings.chain_confirmations),
    ):
        for name in names:
            if name not in NETWORKS:
                known = ", ".join(sorted(NETWORKS))
                raise ConfigurationError(f"{setting} names {name}; the networks it can name are {known}.")
    for asset, networks in settings.assets.items():
        for name in networks:
            if name in settings.chain_rpc and token_of(asset, name) is None:
                raise ConfigurationError(
                    f"CHAIN_RPC names {name}, where ASSETS offers {asset}, whose contract there is not known:"
                    " leave one of the two out."
                )
