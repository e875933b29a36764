"""The tail of a printed float is cut off an amount; digits that could be money are kept."""

from decimal import Decimal

import pytest

from onramp_app.domain.money import without_tail


@pytest.mark.parametrize(
    ("printed", "decimals", "kept"),
    [
        ("11.030000000000001", 6, "11.03"),
        ("11.029999999999999", 6, "11.03"),
        ("0.30000000000000004", 6, "0.3"),
        ("1.000000001", 6, "1"),  # just inside: 10⁻⁹ of 1.000000001 is slightly more than the tail
        ("0.999999999", 6, "0.999999999"),  # just outside, by the same measure
        ("1.0000000011", 6, "1.0000000011"),
        ("11.0300004", 6, "11.0300004"),
        ("0.0000000000001", 6, "0.0000000000001"),
        ("0", 6, "0"),
        ("11.03", 6, "11.03"),
        ("11.030000000000001", 18, "11.030000000000001"),
        ("1e70", 6, "1e70"),
        ("1e90", 6, "1e90"),
    ],
)
def test_only_a_tail_is_taken_off(printed: str, decimals: int, kept: str) -> None:
    assert without_tail(Decimal(printed), decimals=decimals) == Decimal(kept)
