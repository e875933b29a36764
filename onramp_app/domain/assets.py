"""Assets and networks: their names, and how many decimals an asset has on each. Facts of the chains. Pure."""

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
}

_ASSETS: Mapping[str, str] = {
    "USDT": "Tether",
    "USDC": "USD Coin",
    "BTC": "Bitcoin",
    "ETH": "Ether",
    "BNB": "BNB",
    "MATIC": "Polygon",
    "SOL": "Solana",
    "TON": "Toncoin",
    "XRP": "XRP",
}
_NETWORKS: Mapping[str, str] = {
    "erc20": "Ethereum",
    "trc20": "Tron",
    "matic20": "Polygon",
    "matic20-test": "Polygon test network",
    "bep20": "BNB Smart Chain",
    "spl": "Solana",
    "arbitrum": "Arbitrum",
    "ton": "TON",
    "btc": "Bitcoin",
}


def asset_name(code: str) -> str:
    """Return what people call an asset, `Tether` for `USDT`; one we have no name for goes by its code."""
    return _ASSETS.get(code, code)


def network_name(network: str) -> str:
    """Return what people call a network, `Polygon` for `matic20`; one we have no name for by its code."""
    return _NETWORKS.get(network, network)


def decimals_of(asset: str, network: str) -> int | None:
    """Return the decimals of `USDT` on `matic20` (6), or None for a pair we know nothing of."""
    listed = _BY_NETWORK.get(asset)
    return _SAME_EVERYWHERE.get(asset) if listed is None else listed.get(network)


def scale_of(asset: str, networks: Iterable[str]) -> int | None:
    """Return the asset's one scale, the largest of its networks; None when any of them is unknown."""
    known = [decimals_of(asset, network) for network in networks]
    return max((n for n in known if n is not None), default=None) if None not in known else None
