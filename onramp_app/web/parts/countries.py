"""Options of countries, currencies and languages, named in the language of the page being built (CLDR)."""

from babel import Locale

from onramp_app.accounts.words import countries, currencies
from onramp_app.texts import LANGUAGES, current_language


def country_options() -> list[tuple[str, str]]:
    """Return `(ISO 3166-1 alpha-2 code, name)`, sorted by name."""
    names = Locale(current_language()).territories
    return sorted(((code, names[code]) for code in countries()), key=lambda option: option[1])


def currency_options() -> list[tuple[str, str]]:
    """Return `(ISO 4217 code, code and name)`, sorted by code."""
    names = Locale(current_language()).currencies
    return [(code, f"{code} · {names.get(code, code)}") for code in sorted(currencies())]


def language_options() -> list[tuple[str, str]]:
    """Return `(code, name in that language)` of every language of the pages."""
    return list(LANGUAGES.items())
