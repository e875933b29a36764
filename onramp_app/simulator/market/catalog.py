"""What the provider offers: currencies, methods, limits, coins, networks, fees. Read once, never changed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from onramp_app.simulator.wire import parse_json

_DATA = Path(__file__).parent / "data"

BUY, SELL, SWAP = 1, 2, 4
_FLOW_NAMES = {"onramp": BUY, "offramp": SELL, "swap": SWAP}


@dataclass(frozen=True)
class Fiat:
    """One currency entry; several may carry the same symbol."""

    fiat_type: int
    symbol: str
    name: str
    buy: bool
    sell: bool
    per_usd: Decimal


@dataclass(frozen=True)
class Token:
    """The contract of a coin on one chain, and how many decimals its amounts have there."""

    address: str
    decimals: int


@dataclass(frozen=True)
class Coin:
    """One coin. `places` is where printed amounts are cut; fees are in the coin, by chain id.

    A chain of `fees` without an entry in `tokens` carries the coin as its native one.
    """

    coin_id: int
    code: str
    name: str
    usd: Decimal
    places: int
    fees: dict[int, Decimal]
    minimums: dict[int, Decimal]
    tokens: dict[int, Token]


@dataclass(frozen=True)
class Network:
    """One chain; `memo` is None where addresses carry no memo.

    `evm_id` is the chain id of EIP-155; None for a chain that is not an EVM's.
    """

    chain_id: int
    symbol: str
    name: str
    address: re.Pattern[str]
    memo: re.Pattern[str] | None
    evm_id: int | None
    raw: dict[str, Any]


@dataclass(frozen=True)
class Catalog:
    """Everything by the number or symbol that the provider uses for it."""

    fiats: dict[int, Fiat]
    coins: dict[str, Coin]
    networks: dict[int, Network]
    methods: dict[int, dict[str, int]]
    limits: dict[int, tuple[Decimal, Decimal]]
    statuses: dict[int, dict[int, str]]
    onramp_fee_percent: Decimal
    gateway_fee_percent: dict[int, Decimal]
    sold_for: dict[str, dict[str, list[int]]]
    whole_units: frozenset[str]

    def is_sold(self, coin: Coin, chain_id: int, fiat: Fiat) -> bool:
        """Whether a coin on a chain can be bought with a currency; some currencies buy a few coins only."""
        sold = self.sold_for.get(fiat.symbol)
        return chain_id in coin.fees and (sold is None or chain_id in sold.get(coin.code, ()))

    def network_by_symbol(self, symbol: str) -> Network | None:
        """Find a chain by its symbol or one of its other names."""
        wanted = symbol.lower()
        for network in self.networks.values():
            if wanted == network.symbol or wanted in network.raw["aliases"]:
                return network
        return None

    def coin_by_id(self, coin_id: int) -> Coin | None:
        """Find a coin by its number."""
        return next((coin for coin in self.coins.values() if coin.coin_id == coin_id), None)

    def pairs(self) -> Iterator[tuple[Coin, Network]]:
        """Yield every coin with every chain it is delivered on."""
        for coin in self.coins.values():
            for chain_id in coin.fees:
                yield coin, self.networks[chain_id]


def _read(name: str) -> Any:
    return parse_json((_DATA / name).read_bytes())


def _fiats(rates: dict[str, str]) -> dict[int, Fiat]:
    return {
        row["fiat_type"]: Fiat(**row, per_usd=Decimal(rates[row["symbol"]]))
        for row in _read("fiat_types.json")
    }


def _coins(rows: dict[str, Any]) -> dict[str, Coin]:
    return {
        code: Coin(
            coin_id=row["coinId"],
            code=code,
            name=row["coinName"],
            usd=Decimal(row["usd"]),
            places=row["places"],
            fees={int(chain): Decimal(n["withdrawalFee"]) for chain, n in row["networks"].items()},
            minimums={int(chain): Decimal(n["minimumWithdrawal"]) for chain, n in row["networks"].items()},
            tokens={int(chain): Token(**n["token"]) for chain, n in row["networks"].items() if "token" in n},
        )
        for code, row in rows.items()
    }


def _networks(rows: dict[str, Any]) -> dict[int, Network]:
    return {
        int(chain): Network(
            chain_id=int(chain),
            symbol=row["chainSymbol"],
            name=row["chainName"],
            address=re.compile(row["addressRegex"]),
            memo=re.compile(row["memoRegex"]) if row["memoRegex"] else None,
            evm_id=row["networkId"] if row["networkId"] > 0 else None,
            raw=row,
        )
        for chain, row in rows.items()
    }


@lru_cache(maxsize=1)
def catalog() -> Catalog:
    """Return the catalog of the package's data files."""
    raw = _read("catalog.json")
    limits = _read("limits.response.json")["data"]["onramp"]
    statuses = _read("order_statuses.json")
    return Catalog(
        fiats=_fiats(raw["fiat_per_usd"]),
        coins=_coins(raw["coins"]),
        networks=_networks(raw["networks"]),
        methods={
            int(fiat): {**methods, **raw["more_methods"].get(fiat, {})}
            for fiat, methods in _read("payment_methods.json").items()
        },
        limits={int(fiat): (Decimal(row["min"]), Decimal(row["max"])) for fiat, row in limits.items()},
        statuses={
            flow: {code: row["name"] for row in statuses[name] for code in row["codes"]}
            for name, flow in _FLOW_NAMES.items()
        },
        onramp_fee_percent=Decimal(raw["onramp_fee_percent"]),
        gateway_fee_percent={int(k): Decimal(v) for k, v in raw["gateway_fee_percent"].items()},
        sold_for=raw["sold_for"],
        whole_units=frozenset(raw["whole_units"]),
    )


def sample_webhook() -> dict[str, Any]:
    """Return the documented example of a purchase, which a dummy webhook carries."""
    sample: dict[str, Any] = _read("webhook_buy.json")
    return sample
