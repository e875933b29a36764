"""Limits in words, for the wizard and the page of verification."""

from decimal import ROUND_DOWN, Decimal

from onramp_app.domain.amounts import fiat_text
from onramp_app.texts import _
from onramp_app.top_ups.meter import LimitPeriod, LimitRule, MeterLine

_MANY = 100


def left_text(amount: str | Decimal, currency: str) -> str:
    """Return what is left of our limits, cut to whole units where there are many.

    Our limits are in another currency, so the last digits would change with every exchange rate.
    """
    return fiat_text(shown_left(Decimal(amount)), currency)


def shown_left(amount: Decimal) -> Decimal:
    """Return an amount cut to whole units where there are many."""
    return amount.to_integral_value(ROUND_DOWN) if amount >= _MANY else amount


def period_text(line: MeterLine) -> str:
    """Return what a limit counts, such as `Each month`."""
    if line.rule is LimitRule.PROVIDER and line.period is LimitPeriod.TOP_UP:
        return _("First payment")
    return {
        LimitPeriod.TOP_UP: _("Each top-up"),
        LimitPeriod.DAY: _("Each day"),
        LimitPeriod.MONTH: _("Each month"),
    }[line.period]
