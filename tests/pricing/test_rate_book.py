"""The book of exchange rates: conversions both ways, unknown symbols, and rates that are stale."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp_app.pricing.rate_book import RateBook, UnknownSymbol

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BOOK = RateBook(
    {"USDT": Decimal(1), "INR": Decimal("88.5"), "USD": Decimal("1.01"), "BTC": Decimal("0.00001")}, NOW
)
prices = st.decimals(Decimal("1e-9"), Decimal("1e9"), places=9).filter(lambda price: price > 0)


def test_one_unit_of_the_base_buys_so_many_of_the_others() -> None:
    rates = BOOK.rates("INR", ["USDT", "USD", "INR", "BTC"])
    assert rates["USDT"] == Decimal("0.0112994350282")
    assert rates["INR"] == 1
    assert rates["USD"] == Decimal("0.0114124293785")
    assert rates["BTC"] == Decimal("1.12994350282E-7")
    assert BOOK.rates("USDT", ["INR"]) == {"INR": Decimal("88.5")}


@pytest.mark.parametrize(("base", "symbol"), [("EUR", "INR"), ("INR", "EUR")])
def test_a_symbol_without_a_price_is_named(base: str, symbol: str) -> None:
    with pytest.raises(UnknownSymbol) as unknown:
        BOOK.rates(base, [symbol])
    assert unknown.value.symbol == "EUR"


def test_rates_are_stale_after_fifteen_minutes() -> None:
    assert not BOOK.is_stale(NOW + timedelta(minutes=15))
    assert BOOK.is_stale(NOW + timedelta(minutes=15, seconds=1))


@given(prices, prices)
def test_there_and_back_again_is_one(first: Decimal, second: Decimal) -> None:
    book = RateBook({"A": first, "B": second}, NOW)
    there, back = book.rates("A", ["B"])["B"], book.rates("B", ["A"])["A"]
    assert abs(there * back - 1) < Decimal("1e-10")
