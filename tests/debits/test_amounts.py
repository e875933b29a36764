"""Amounts in a currency are converted to an asset, to the nearest minor unit, at a fresh rate."""

from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp_app.debits.amounts import FiatAmount, taken_of_currency
from onramp_app.debits.debits import WantedDebit
from onramp_app.debits.errors import RateTooOld
from onramp_app.domain.errors import ValidationFailed
from onramp_app.pricing.rate_book import RateBook

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SCALES = {"USDT": 18, "USDC": 6, "BTC": 8}

prices = st.decimals("0.00000001", "1000000", places=8)
amounts = st.decimals("1", "999999999999", places=2)


def _fiat(amount: Decimal, price: Decimal, *, asset: str, age: timedelta = timedelta()) -> FiatAmount:
    book = RateBook({"USDT": Decimal(1), asset: Decimal(1), "INR": price}, NOW - age)
    return FiatAmount(amount, "INR", book, NOW)


@given(amounts, prices, st.sampled_from(sorted(SCALES)))
def test_what_is_taken_is_worth_what_was_asked_for(amount: Decimal, price: Decimal, asset: str) -> None:
    fiat = _fiat(amount, price, asset=asset)
    taken = taken_of_currency(fiat, asset, SCALES)
    assert taken.price is not None
    with localcontext(prec=100):
        unit = Decimal(1).scaleb(-SCALES[asset])
        exact = amount / taken.price.rate
        assert abs(taken.minor * unit - exact) <= unit / 2
        # The control: with a rate truncated to four decimals, the error is larger.
        cut = amount / Decimal("1.2345")
        assert abs(cut.quantize(unit, ROUND_HALF_UP) - amount / Decimal("1.23456789")) > unit / 2


def test_less_than_the_smallest_amount_is_refused() -> None:
    with pytest.raises(ValidationFailed):
        taken_of_currency(_fiat(Decimal("0.01"), Decimal(10_000_000), asset="BTC"), "BTC", SCALES)
    taken = taken_of_currency(_fiat(Decimal("0.1"), Decimal(10_000_000), asset="BTC"), "BTC", SCALES)
    assert taken.minor == 1


@given(st.integers(0, 3600))
def test_a_rate_is_used_for_fifteen_minutes(seconds: int) -> None:
    fiat = _fiat(Decimal(100), Decimal(80), asset="USDC", age=timedelta(seconds=seconds))
    if seconds > 15 * 60:
        with pytest.raises(RateTooOld):
            taken_of_currency(fiat, "USDC", SCALES)
    else:
        assert taken_of_currency(fiat, "USDC", SCALES).minor == 1_250_000


_wanted = st.builds(
    WantedDebit,
    user_id=st.sampled_from(["a", "b"]),
    amount=st.sampled_from([Decimal(1), Decimal("1.0"), Decimal("1E+1"), Decimal(10)]),
    reference=st.just("o"),
    asset=st.sampled_from([None, "USDT", "BTC"]),
    fiat_currency=st.sampled_from([None, "INR", "USD"]),
    description=st.sampled_from([None, "", "USDT", "a"]),
    hold=st.sampled_from([None, timedelta(hours=1), timedelta(minutes=60), timedelta(days=1)]),
    metadata=st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["", "1"])),
)


@given(_wanted, _wanted)
def test_two_requests_have_the_same_hash_exactly_where_they_ask_for_the_same(
    one: WantedDebit, other: WantedDebit
) -> None:
    assert (one.input_hash == other.input_hash) == (one == other)
