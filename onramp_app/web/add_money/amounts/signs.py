"""The signs and codes that people write beside an amount for its currency, from CLDR: `₹`, `R$`, `EUR`."""

import unicodedata
from contextlib import suppress
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.numbers import get_currency_symbol

from onramp_app.texts import current_language


def plain_sign(text: str) -> str:
    """Return a sign in the form for comparing: no blanks, case or final point, so that `Rs.` equals `rs`."""
    # Cf: marks of the text direction, which CLDR puts into Arabic signs.
    letters = (character for character in text if unicodedata.category(character) not in ("Zs", "Cf"))
    return "".join(letters).casefold().rstrip(".")


@lru_cache(maxsize=256)
def own_signs(currency: str, country: str, language: str) -> frozenset[str]:
    """Return every sign that may stand beside an amount in this currency, as `plain_sign` returns them.

    Besides the code and the sign in `language`, that includes the country's own: a peso is `$` in Mexico.
    """
    found = {currency, get_currency_symbol(currency, language)}
    with suppress(UnknownLocaleError, ValueError):  # `EU` is not a country, so it has no locale.
        found.add(get_currency_symbol(currency, Locale.parse(f"und_{country}")))
    return frozenset(map(plain_sign, found))


@lru_cache(maxsize=8)
def _known_signs(language: str) -> frozenset[str]:
    locale = Locale.parse(language)
    return frozenset(map(plain_sign, (*locale.currency_symbols.values(), *locale.currencies)))


def is_sign(text: str) -> bool:
    """Return whether a text names any currency: by a currency character, or by a sign or code of CLDR."""
    has_character = any(unicodedata.category(character) == "Sc" for character in text)
    return has_character or plain_sign(text) in _known_signs(current_language())


def shown_sign(currency: str) -> tuple[str, bool]:
    """Return the sign of a currency in the reader's language, and whether it stands after the number."""
    language = current_language()
    pattern: str = Locale.parse(language).currency_formats["standard"].pattern
    return get_currency_symbol(currency, language), pattern.partition(";")[0].rstrip().endswith("\xa4")
