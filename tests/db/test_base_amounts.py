"""Old top-ups get their amount in the currency of the limits, at the rate nearest to their day."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from onramp_app.db.migrate import downgrade, migrate
from tests import rows


@pytest.fixture
def before(empty_database: str) -> Any:
    migrate(empty_database, "0011")
    with psycopg.connect(empty_database, autocommit=True) as owner:
        owner.execute("INSERT INTO assets VALUES ('USDT', 18, now())")
        yield empty_database, owner


def _made(owner: psycopg.Connection, day: int, amount: int, **columns: Any) -> str:
    created = datetime(2026, 3, day, 12, tzinfo=UTC)
    return rows.top_up(owner, rows.user(owner), created_at=created, fiat_amount=amount, **columns)


def _base_of(owner: psycopg.Connection, top_up_id: str) -> Any:
    found = owner.execute("SELECT base_amount, base_currency FROM top_ups WHERE id = %s", (top_up_id,))
    return found.fetchone()


def test_old_top_ups_get_the_rate_that_is_nearest_to_their_day(before: Any) -> None:
    url, owner = before
    for day, base in ((2, "10"), (20, "20")):
        _made(owner, day, 1000, base_amount=base, base_currency="USD")
    for symbol, price in (("USD", "1"), ("INR", "40"), ("BRL", "5")):
        owner.execute(
            "INSERT INTO exchange_rates VALUES ('simulator', %s, %s, '2026-03-28')", (symbol, price)
        )
    early, late, latest = (_made(owner, day, 400) for day in (3, 19, 28))
    reals = _made(owner, 1, 100, fiat_currency="BRL", fiat_type=7)
    dollars = _made(owner, 1, 7, fiat_currency="USD", fiat_type=21)
    unknown = _made(owner, 1, 100, fiat_currency="VND", fiat_type=5)
    elsewhere = _made(owner, 3, 400, environment="sandbox")
    migrate(url)
    found = [_base_of(owner, one) for one in (early, late, latest, reals, dollars, unknown, elsewhere)]
    amounts = [4, 8, 10, 20, 7]
    assert found == [(Decimal(amount), "USD") for amount in amounts] + [(None, None)] * 2


def test_the_currency_that_limits_counted_in_lately_is_kept(before: Any) -> None:
    url, owner = before
    _made(owner, 2, 1000, base_amount="9", base_currency="EUR")
    old = _made(owner, 2, 500)
    migrate(url)
    assert _base_of(owner, old) == (Decimal("4.5"), "EUR")
    downgrade(url, "0011")
    assert _base_of(owner, old) == (Decimal("4.5"), "EUR")
