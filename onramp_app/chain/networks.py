"""The EVM networks that can be read, and the contract of each asset on them. Pure facts of the chains.

Sources: the ids of https://chainlist.org (EIP-155); for each contract its issuer's own list
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
    """A network: its id of EIP-155, how deep a block counts as final, and the explorer's page of a hash.

    `confirmations` is how many blocks have to stand on top of a transaction's own; the documents of the
    provider (`networkConfig`) name the same numbers.
    """

    name: str
    chain_id: int
    confirmations: int
    explorer: str


@dataclass(frozen=True, slots=True)
class Token:
    """An asset on a network: its contract in small letters, None for the network's own coin."""

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
    """Return how an asset is found on a network; None for a pair that cannot be read."""
    return _TOKENS.get(asset, {}).get(network)


def tokens() -> Iterator[tuple[str, str, Token]]:
    """Yield every pair that can be read: asset, network, token."""
    for asset, networks in _TOKENS.items():
        for network, token in networks.items():
            yield asset, network, token


def is_hash(name: str | None) -> bool:
    """Return whether a text is the hash of a transaction, in small letters."""
    return name is not None and _HASH.fullmatch(name) is not None


def transaction_page(network: str, name: str) -> str | None:
    """Return the address of the explorer's page of a transaction; None where either is not known."""
    known = NETWORKS.get(network)
    return known.explorer + name if known is not None and is_hash(name) else None


def confirmations_of(network: EvmNetwork, settings: Settings) -> int:
    """Return how many blocks have to stand on top of a transaction's own (`CHAIN_CONFIRMATIONS`)."""
    return settings.chain_confirmations.get(network.name, network.confirmations)


def refuse_unreadable(settings: Settings) -> None:
    """Stop the start where `CHAIN_RPC` or `CHAIN_CONFIRMATIONS` asks for what cannot be read.

    Raises:
        ConfigurationError: a network that is not a known EVM network, or an asset that `ASSETS` offers on a
            network of `CHAIN_RPC` and whose contract there is not known.
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
