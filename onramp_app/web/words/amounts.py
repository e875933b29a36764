"""Rates, parts of amounts and moments as pages show them."""

from datetime import UTC, datetime

from babel import Locale

from onramp_app.domain.amounts import rate_text
from onramp_app.pricing.quotes import QuoteView
from onramp_app.texts import current_language


def rate_words(quote: QuoteView, *, currency: str, asset: str) -> str:
    """Return the price of one unit: `1 USDT = ₹88.14`."""
    return f"1\N{NO-BREAK SPACE}{asset} = {rate_text(quote.rate, currency)}"


def split_decimals(text: str) -> tuple[str, str]:
    """Split a text into what stands before the decimals, and the decimals with their sign: `("$482", ".16")`.

    Pages draw the decimals of a large amount smaller. Without decimals the second part is empty.
    """
    symbol = Locale.parse(current_language()).number_symbols["latn"]["decimal"]
    head, sign, tail = text.rpartition(symbol)
    return (head, f"{sign}{tail}") if sign and tail.isdigit() else (text, "")


def moment_text(at: datetime | None) -> str:
    """Return a moment as RFC 3339 in UTC, or "" for None. The browser shows it in the reader's zone."""
    return "" if at is None else at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
