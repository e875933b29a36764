"""Draws the balance over time, with a scale and a table. It moves in steps: money arrives all at once."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count

from babel.numbers import get_currency_precision

from onramp_app.domain.amounts import fiat_text, short_fiat_text
from onramp_app.texts import _
from onramp_app.wallet.views import WorthPoint
from onramp_app.web.home.shapes import BalanceLine, WorthOnDay
from onramp_app.web.words.amounts import moment_text

WIDTH, HEIGHT = 600, 100
# The top of the scale is one of these times a power of ten. Half of each is round too, for the middle line.
_ROUND = tuple(map(Decimal, ("1", "1.5", "2", "3", "4", "5", "6", "8")))
_LONG = Decimal(1_000_000)  # From here on, the scale abbreviates amounts.
_SHORT = timedelta(days=2)
_MOST_ROWS = 40  # The table is sent with every push. 30 days, at a row a day, stay below this.


def draw(points: Sequence[WorthPoint], *, now: datetime, currency: str) -> BalanceLine:
    """Return the line and the area below it. The bottom of the box is zero, so heights can be compared."""
    if not points:
        return BalanceLine()
    begins = points[0].at
    seconds = max(int((now - begins).total_seconds()), 1)
    top = _top(max(Decimal(point.worth) for point in points), currency)
    line, last_x, last_y = "", -1, -1
    for point in points:
        x = min(WIDTH, max(0, int((point.at - begins).total_seconds()) * WIDTH // seconds))
        y = HEIGHT - int(Decimal(point.worth) * HEIGHT / top)
        if last_x < 0:
            line = f"M{x} {y}"
        elif y != last_y:
            line += f"V{y}" if x == last_x else f"H{x}V{y}"
        last_x, last_y = x, y
    line += f"H{WIDTH}"
    is_short = now - begins < _SHORT
    return BalanceLine(
        line=line,
        area=f"{line}V{HEIGHT}H0Z",
        words=_("Your balance went from {first} to {last}.").format(
            first=fiat_text(points[0].worth, currency), last=fiat_text(points[-1].worth, currency)
        ),
        begins=moment_text(begins),
        middle=moment_text(begins + (now - begins) / 2),
        top=_scale_text(top, currency),
        half=_scale_text(top / 2, currency),
        zero=_scale_text(Decimal(0), currency),
        is_short=is_short,
        rows=tuple(
            WorthOnDay(moment_text(point.at), fiat_text(point.worth, currency))
            for point in (points if is_short else _last_of_each_day(points))[-_MOST_ROWS:]
        ),
    )


def _top(most: Decimal, currency: str) -> Decimal:
    """Return the smallest round amount that is at least `most` and whose half the currency can express."""
    least = Decimal(2).scaleb(-get_currency_precision(currency))
    wanted = max(most, least)
    return next(
        top
        for power in count(least.adjusted())
        for top in (times.scaleb(power) for times in _ROUND)
        if top >= wanted and (top / 2) % (least / 2) == 0
    )


def _scale_text(amount: Decimal, currency: str) -> str:
    if amount < _LONG:
        return fiat_text(amount, currency)
    return short_fiat_text(amount, currency)


def _last_of_each_day(points: Sequence[WorthPoint]) -> list[WorthPoint]:
    """Return the last point of each UTC day: the balance at its end."""
    return list({point.at.date(): point for point in points}.values())
