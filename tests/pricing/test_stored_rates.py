"""The stored exchange rates: what is newest stays."""

from datetime import timedelta
from decimal import Decimal

import pytest

from onramp_app.domain.clock import now
from onramp_app.pricing.rate_book import RateBook
from onramp_app.pricing.rates import _store, stored_book


@pytest.mark.usefixtures("database")
async def test_older_rates_replace_no_newer_ones() -> None:
    at = now()
    await _store(RateBook({"USDT": Decimal(1), "INR": Decimal(88)}, at))
    await _store(RateBook({"USDT": Decimal(1), "INR": Decimal(70)}, at - timedelta(minutes=3)))
    kept = await stored_book()
    assert kept is not None
    assert (kept.as_of, kept.per_stable["INR"]) == (at, Decimal(88))
