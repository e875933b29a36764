"""Formats amounts in the reader's language: takes exact decimals, returns text, never rounds up."""

import re
from decimal import ROUND_DOWN, Decimal, localcontext

from babel import Locale
from babel.numbers import (
    format_compact_currency,
    format_decimal,
    format_percent,
    get_currency_precision,
    parse_pattern,
)

from onramp_app.texts import current_language

# Assets worth about a dollar or a euro are shown like money, with two decimals; others with up to eight.
_LIKE_MONEY = frozenset({"USDT", "USDC", "DAI", "BUSD", "TUSD", "USDP", "PYUSD", "EURC", "FDUSD"})
_LIKE_MONEY_DECIMALS, _DECIMALS = 2, 8
# CLDR puts a space between a symbol made of letters and the number; Babel leaves it out.
_BETWEEN_SYMBOL_AND_NUMBER, _BETWEEN_NUMBER_AND_SYMBOL = r"(?<=[^\W\d_])(?=\d)", r"(?<=\d)(?=[^\W\d_])"
_DIGITS = 60  # The books have 38, and patterns write up to 18 decimals; Python's own 28 raise beyond.


def fiat_text(amount: str | Decimal, currency: str) -> str:
    """Return `₹10,000` or `₹10,000.50`: decimals are left out if all of them are zero."""
    value = Decimal(amount)
    is_whole = value == value.to_integral_value()
    return _fiat(value, currency, 0 if is_whole else get_currency_precision(currency))


def bill_text(amount: str | Decimal, currency: str) -> str:
    """Return `₹10,000.00`, always with the currency's decimals, for amounts in a column."""
    return _fiat(Decimal(amount), currency, get_currency_precision(currency))


def short_fiat_text(amount: Decimal, currency: str) -> str:
    """Return `$1.5M`: the language's short form of large amounts, for the axis of a chart."""
    text: str = format_compact_currency(amount, currency, locale=current_language(), fraction_digits=1)
    return re.sub(_BETWEEN_SYMBOL_AND_NUMBER, "\N{NO-BREAK SPACE}", text)


def rate_text(rate: str | Decimal, currency: str) -> str:
    """Return a price with at least four figures: `₹88.14`, but `€0.9235`."""
    value = Decimal(rate)
    return _fiat(value, currency, _rate_decimals(value, currency))


def rate_number_text(rate: str | Decimal, currency: str) -> str:
    """Return the price of `rate_text` without its currency: `88.14`."""
    value = Decimal(rate)
    decimals = "0" * _rate_decimals(value, currency)
    exact = value.quantize(Decimal(1).scaleb(-len(decimals)), ROUND_DOWN)
    text: str = format_decimal(exact, f"#,##0.{decimals}", locale=current_language())
    return text


def _rate_decimals(value: Decimal, currency: str) -> int:
    return max(get_currency_precision(currency), min(8, 3 - value.adjusted()))


def _fiat(value: Decimal, currency: str, digits: int) -> str:
    pattern = Locale.parse(current_language()).currency_formats["standard"].pattern
    exact = value.quantize(Decimal(1).scaleb(-digits), ROUND_DOWN)
    parsed = parse_pattern(pattern)
    parsed.frac_prec = (digits, digits)
    text: str = parsed.apply(exact, current_language(), currency=currency, currency_digits=False)
    return re.sub(f"{_BETWEEN_SYMBOL_AND_NUMBER}|{_BETWEEN_NUMBER_AND_SYMBOL}", "\N{NO-BREAK SPACE}", text)


def fiat_number_text(amount: str | Decimal, currency: str) -> str:
    """Return `10,000` or `10,000.50`: the number of `fiat_text` without its symbol, for an input field."""
    value = Decimal(amount)
    digits = 0 if value == value.to_integral_value() else get_currency_precision(currency)
    pattern = f"#,##0.{'0' * digits}" if digits else "#,##0"
    exact = value.quantize(Decimal(1).scaleb(-digits), ROUND_DOWN)
    text: str = format_decimal(exact, pattern, locale=current_language())
    return text


def percent_text(percent: Decimal) -> str:
    """Return `1.3%` for 1.3, with one decimal."""
    text: str = format_percent(
        percent / 100, "#,##0.0%", locale=current_language(), decimal_quantization=False
    )
    return text


def shown_decimals(asset: str) -> int:
    """Return the greatest number of decimals with which pages show an asset."""
    return _LIKE_MONEY_DECIMALS if asset in _LIKE_MONEY else _DECIMALS


def number_text(amount: str | Decimal, asset: str) -> str:
    """Return an amount of an asset without its code, truncated to a readable length, such as `1,113.09`.

    An amount that truncation would turn into zero is returned in full.
    """
    cut = shown_amount(amount, asset)
    least = _LIKE_MONEY_DECIMALS if asset in _LIKE_MONEY else 0
    pattern = f"#,##0.{'0' * least}{'#' * (18 - least)}"
    with localcontext(prec=_DIGITS):
        text: str = format_decimal(cut, pattern, locale=current_language(), decimal_quantization=False)
    return text.replace("-", "\N{MINUS SIGN}")


def shown_amount(amount: str | Decimal, asset: str) -> Decimal:
    """Return an amount of an asset truncated to the decimals that pages show; in full if that were zero."""
    value = Decimal(amount)
    with localcontext(prec=_DIGITS):
        return value.quantize(Decimal(1).scaleb(-shown_decimals(asset)), ROUND_DOWN) or value


def asset_text(amount: str | Decimal, asset: str) -> str:
    """Return an amount with its asset's code, such as `113.09 USDT`."""
    return f"{number_text(amount, asset)} {asset}"


def exact_text(amount: str, asset: str) -> str:
    """Return an amount with all of its decimals and its asset's code, such as `1,113.094617 USDT`."""
    with localcontext(prec=_DIGITS):
        text: str = format_decimal(
            Decimal(amount), "#,##0.##################", locale=current_language(), decimal_quantization=False
        )
    text = text.replace("-", "\N{MINUS SIGN}")
    return f"{text} {asset}"
