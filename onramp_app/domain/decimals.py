"""How many decimals an asset has on each network: constants of the chains, not of the provider."""

from collections.abc import Iterable, Mapping

_SAME_EVERYWHERE: Mapping[str, int] = {
    "BTC": 8,
    "ETH": 18,
    "BNB": 18,
    "MATIC": 18,
    "SOL": 9,
    "TON": 9,
    "XRP": 6,
}
# Stable coins follow their issuer's contract on each network: 6 decimals, but 18 on BNB Smart Chain.
_BY_NETWORK: Mapping[str, Mapping[str, int]] = {
    "USDT": {
        "erc20": 6,
        "trc20": 6,
        "matic20": 6,
        "matic20-test": 6,
        "spl": 6,
        "arbitrum": 6,
        "ton": 6,
        "bep20": 18,
    },
    "USDC": {"erc20": 6, "matic20": 6, "spl": 6, "arbitrum": 6, "bep20": 18},
    "PYUSD": {"erc20": 6},
}


def decimals_of(asset: str, network: str) -> int | None:
    """Return how many decimals an asset has on a network (`USDT`, `matic20`: 6); None for an unknown pair."""
    listed = _BY_NETWORK.get(asset)
    return _SAME_EVERYWHERE.get(asset) if listed is None else listed.get(network)


def scale_of(asset: str, networks: Iterable[str]) -> int | None:
    """Return the asset's largest number of decimals among the networks; None when one is unknown."""
    known = [decimals_of(asset, network) for network in networks]
    return max((n for n in known if n is not None), default=None) if None not in known else None
