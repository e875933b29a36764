"""The suggested amounts are round in their currency and within the limits."""

from decimal import Decimal

import pytest

from onramp_app.domain.payments import AmountLimits
from onramp_app.web.add_money.amounts.round import round_amounts

ANY = AmountLimits(None, None)


def amounts(price: str | None, least: str | None, most: str | None, *, decimals: int = 2) -> list[str]:
    bounds = AmountLimits(Decimal(least) if least else None, Decimal(most) if most else None)
    found = round_amounts(price=Decimal(price) if price else None, decimals=decimals, bounds=bounds)
    return [format(amount, "f") for amount in found]


@pytest.mark.parametrize(
    ("price", "found"),
    [
        ("88.14", ["2000", "5000", "10000", "20000"]),
        ("0.92", ["25", "50", "100", "250"]),
        ("25400", ["500000", "1000000", "2500000", "5000000"]),
        ("1550", ["50000", "100000", "200000", "500000"]),
    ],
)
def test_they_are_round_in_the_currency_itself(price, found):
    assert amounts(price, None, None, decimals=0) == found


def test_they_are_within_the_limits():
    assert amounts("88", "2500", "12000") == ["5000", "10000"]


def test_without_a_rate_they_follow_from_the_least_amount():
    assert amounts(None, "100", None) == ["500", "1000", "2500", "5000"]


def test_where_little_is_left_they_follow_from_that():
    assert amounts("88", "100", "1300") == ["100", "250", "500", "1000"]
    assert amounts("88", "100", "60") == []


def test_no_amount_has_more_decimals_than_its_currency():
    assert amounts("0.001", None, None, decimals=0) == []


def test_nothing_known_is_nothing_offered():
    assert round_amounts(price=None, decimals=2, bounds=ANY) == []
