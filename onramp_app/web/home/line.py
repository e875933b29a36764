"""Draws the balance over time, in steps: money arrives all at once, not gradually."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from onramp_app.domain.amounts import fiat_text
from onramp_app.texts import _
from onramp_app.wallet.views import WorthPoint
from onramp_app.web.home.shapes import BalanceLine
from onramp_app.web.words.amounts import moment_text

WIDTH, HEIGHT, _TOP = 600, 100, 6  # Room for the upper half of the stroke, which would be cut off otherwise.


def draw(points: Sequence[WorthPoint], *, now: datetime, currency: str) -> BalanceLine:
    """Return the line and the area below it. The bottom of the box is zero, so heights can be compared."""
    if not points:
        return BalanceLine()
    begins = points[0].at
    seconds = max(int((now - begins).total_seconds()), 1)
    most = max(Decimal(point.worth) for point in points)
    line, last_x, last_y = "", -1, -1
    for point in points:
        x = min(WIDTH, max(0, int((point.at - begins).total_seconds()) * WIDTH // seconds))
        y = HEIGHT - (int(Decimal(point.worth) * (HEIGHT - _TOP) / most) if most else 0)
        if last_x < 0:
            line = f"M{x} {y}"
        elif y != last_y:
            line += f"V{y}" if x == last_x else f"H{x}V{y}"
        last_x, last_y = x, y
    line += f"H{WIDTH}"
    first, last = (fiat_text(point.worth, currency) for point in (points[0], points[-1]))
    words = _("Your balance went from {first} to {last}.").format(first=first, last=last)
    return BalanceLine(line, f"{line}V{HEIGHT}H0Z", words, moment_text(begins))
