"""Indicative exchange rates from a few prices: how much of one unit another unit buys. Pure.

Every currency and asset is priced in one stable asset; any pair follows from two of those prices. Nothing
here is an offer: a top-up is made at its own quote.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Self

STALE_AFTER = timedelta(minutes=15)
SIGNIFICANT_DIGITS = 12


class UnknownSymbol(ValueError):
    """There is no price for the symbol; `symbol` says which."""

    def __init__(self, symbol: str) -> None:
        super().__init__(f"There is no rate for {symbol}.")
        self.symbol = symbol


@dataclass(frozen=True, slots=True)
class RateBook:
    """What one unit of the stable asset costs, in each currency and asset, as of one moment.

    `per_stable["INR"]` is 88.5 when one USDT costs 88.5 rupees; the price of the stable asset itself is 1.
    All prices are above zero. `earlier` holds the time of each price that is older than `as_of`.
    """

    per_stable: Mapping[str, Decimal]
    as_of: datetime
    earlier: Mapping[str, datetime] = field(default_factory=dict)

    def of(self, symbols: Iterable[str]) -> Self:
        """Return a book of only these symbols, as of the oldest price among them.

        Raises:
            UnknownSymbol: for the first symbol that has no price.
        """
        known = {symbol: self._price(symbol) for symbol in symbols}
        return type(self)(known, min((self.earlier.get(s, self.as_of) for s in known), default=self.as_of))

    def is_stale(self, now: datetime) -> bool:
        """Whether the prices are older than 15 minutes."""
        return now - self.as_of > STALE_AFTER

    def rates(self, base: str, symbols: Iterable[str]) -> dict[str, Decimal]:
        """Return how many of each symbol one unit of base buys, with 12 significant digits.

        Raises:
            UnknownSymbol: for the base, or the first symbol, that has no price.
        """
        base_price = self._price(base)
        with localcontext(prec=SIGNIFICANT_DIGITS, rounding=ROUND_HALF_EVEN):
            return {symbol: self._price(symbol) / base_price for symbol in symbols}

    def _price(self, symbol: str) -> Decimal:
        price = self.per_stable.get(symbol)
        if price is None:
            raise UnknownSymbol(symbol)
        return price
