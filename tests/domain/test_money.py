"""Conversion between decimal amounts and the ledger's integers."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp_app.domain.money import MAX_MINOR, AmountUnreadable, amount_text, from_minor, to_minor

scales = st.integers(min_value=0, max_value=18)


@given(minor=st.integers(min_value=0, max_value=MAX_MINOR), scale=scales)
def test_every_amount_of_the_ledger_comes_back_exactly(minor: int, scale: int) -> None:
    assert to_minor(from_minor(minor, scale=scale), scale=scale) == minor
    assert to_minor(Decimal(amount_text(minor, scale=scale)), scale=scale) == minor


@given(amount=st.decimals(allow_nan=True, allow_infinity=True), scale=scales)
def test_an_amount_is_taken_exactly_or_refused(amount: Decimal, scale: int) -> None:
    try:
        minor = to_minor(amount, scale=scale)
    except AmountUnreadable:
        return
    assert from_minor(minor, scale=scale) == amount


@pytest.mark.parametrize("text", ["-0.01", "NaN", "Infinity", "1E+400", "0.0000001", "1E-7"])
def test_what_cannot_be_booked_is_refused(text: str) -> None:
    with pytest.raises(AmountUnreadable):
        to_minor(Decimal(text), scale=6)


def test_the_largest_amount_fits_and_one_more_does_not() -> None:
    assert to_minor(Decimal(MAX_MINOR), scale=0) == MAX_MINOR
    with pytest.raises(AmountUnreadable):
        to_minor(Decimal(MAX_MINOR + 1), scale=0)


@pytest.mark.parametrize(
    ("minor", "scale", "text"),
    [
        (0, 18, "0"),
        (113090000, 6, "113.09"),
        (100, 0, "100"),
        (1, 18, "0.000000000000000001"),
        (5 * 10**18, 18, "5"),
    ],
)
def test_amounts_are_written_without_exponent_and_idle_zeros(minor: int, scale: int, text: str) -> None:
    assert amount_text(minor, scale=scale) == text
