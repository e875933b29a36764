"""Which amounts may be paid in a single top-up."""

from decimal import Decimal

import pytest

from onramp_app.domain.payments import AmountLimits
from onramp_app.pricing.bounds import AmountFault, bounds_of, fault_of

BOUNDS = AmountLimits(Decimal(100), Decimal(500))


@pytest.mark.parametrize(
    ("amount", "fault"),
    [
        ("100", None),
        ("500.00", None),
        ("99.99", AmountFault.TOO_LITTLE),
        ("500.01", AmountFault.TOO_MUCH),
        ("100.001", AmountFault.TOO_PRECISE),
        ("0", AmountFault.INVALID),
        ("-100", AmountFault.INVALID),
        ("NaN", AmountFault.INVALID),
        ("Infinity", AmountFault.INVALID),
        ("1e16", AmountFault.INVALID),
    ],
)
def test_an_amount_is_within_its_bounds_or_has_a_fault(amount: str, fault: AmountFault | None):
    assert fault_of(Decimal(amount), decimals=2, bounds=BOUNDS) is fault


def test_the_tighter_bound_counts_and_one_that_is_not_known_bounds_nothing():
    assert bounds_of(BOUNDS, least=Decimal(150), most=Decimal(900)) == AmountLimits(
        Decimal(150), Decimal(500)
    )
    assert bounds_of(BOUNDS, least=Decimal(50), most=Decimal(0)) == AmountLimits(Decimal(100), Decimal(0))
    assert bounds_of(None) == AmountLimits(None, None)
    assert fault_of(Decimal("0.01"), decimals=2, bounds=bounds_of(None)) is None
