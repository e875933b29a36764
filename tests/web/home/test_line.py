"""The balance chart: its scale is round, its table has the same values, and nothing is drawn outside it."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from onramp_app.wallet.views import WorthPoint
from onramp_app.web.home.line import draw

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def points(*worths: str, apart: timedelta = timedelta(days=5)) -> list[WorthPoint]:
    return [WorthPoint(NOW - apart * (len(worths) - n), worth) for n, worth in enumerate(worths)]


@pytest.mark.parametrize(
    ("most", "currency", "scale"),
    [
        ("12000", "INR", ("₹15,000", "₹7,500", "₹0")),
        ("8000", "INR", ("₹8,000", "₹4,000", "₹0")),
        ("482.16", "USD", ("$500", "$250", "$0")),
        ("0.07", "USD", ("$0.08", "$0.04", "$0")),
        ("0", "USD", ("$0.02", "$0.01", "$0")),
        ("3", "JPY", ("¥4", "¥2", "¥0")),
        ("99", "JPY", ("¥100", "¥50", "¥0")),
        (
            "4200000",
            "IDR",
            ("IDR\N{NO-BREAK SPACE}5M", "IDR\N{NO-BREAK SPACE}2.5M", "IDR\N{NO-BREAK SPACE}0"),
        ),
    ],
)
def test_the_scale_is_round_and_reaches_above_everything(most, currency, scale):
    line = draw(points("0", most), now=NOW, currency=currency)
    assert (line.top, line.half, line.zero) == scale
    heights = [int(y) for y in re.findall(r"(?:M\d+ |V)(\d+)", line.line)]
    assert all(0 <= y <= 100 for y in heights)


def test_half_the_scale_is_half_the_height():
    line = draw(points("0", "10000"), now=NOW, currency="INR")
    assert (line.half, line.line) == ("₹5,000", "M0 100H300V0H600")


def test_the_table_has_a_row_a_day_and_the_moments_stand_at_the_ends_and_in_the_middle():
    two_a_day = points(*(str(n) for n in range(60)), apart=timedelta(hours=12))
    line = draw(two_a_day, now=NOW, currency="INR")
    assert len(line.rows) in (30, 31)
    assert line.rows[-1].worth == "₹59"
    assert (line.begins, line.middle) == ("2026-10-31T12:00:00Z", "2026-11-15T12:00:00Z")
    assert not line.is_short


def test_what_happened_within_a_day_is_told_by_the_time_of_day():
    line = draw(points("1", "2", "3", apart=timedelta(hours=1)), now=NOW, currency="INR")
    assert line.is_short
    assert [row.worth for row in line.rows] == ["₹1", "₹2", "₹3"]
