"""The fields of an account: what each may hold, in one place for the API, the pages and the commands."""

import unicodedata
from collections.abc import Callable, Mapping

from email_validator import EmailNotValidError, validate_email

from onramp_app.accounts.words import LANGUAGES, countries, currencies
from onramp_app.config import get_settings
from onramp_app.domain.errors import FieldError, ValidationFailed

MAX_EMAIL_LENGTH = 254  # RFC 5321 section 4.5.3.1.3, without the angle brackets
MAX_DISPLAY_NAME_LENGTH = 80


def clean_email(text: str) -> str:
    """Return the address as accounts are found by it: ASCII, lower case. Raises `ValueError`.

    Nothing is looked up. Reserved names such as `.test` are for development and tests only.
    """
    if len(text) > MAX_EMAIL_LENGTH:
        raise ValueError(f"Use at most {MAX_EMAIL_LENGTH} characters.")
    try:
        checked = validate_email(
            text.strip(),
            allow_smtputf8=False,
            check_deliverability=False,
            test_environment=not get_settings().is_production,
        )
    except EmailNotValidError:
        raise ValueError("This is not an email address.") from None
    address = (checked.ascii_email or "").lower()
    if not 0 < len(address) <= MAX_EMAIL_LENGTH:
        raise ValueError("This is not an email address.")
    return address


def _is_refused_in_names(character: str) -> bool:
    # Controls, lone surrogates, line and paragraph separators, and what turns the writing direction
    # around, because it makes the text beside a name look like something else.
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(
        character
    ) in ("LRE", "RLE", "LRO", "RLO", "PDF")


def clean_display_name(text: str) -> str:
    """Return the name trimmed and composed. Raises `ValueError`."""
    name = unicodedata.normalize("NFC", text).strip()
    if any(_is_refused_in_names(character) for character in name):
        raise ValueError("Leave out control characters.")
    if all(unicodedata.category(character)[0] in "CZ" for character in name):
        raise ValueError("Use at least one visible character.")
    if not 1 <= len(name) <= MAX_DISPLAY_NAME_LENGTH:
        raise ValueError(f"Use 1 to {MAX_DISPLAY_NAME_LENGTH} characters.")
    return name


def clean_country(text: str) -> str:
    """Return an ISO 3166-1 alpha-2 code. Raises `ValueError`."""
    if (code := text.strip().upper()) not in countries():
        raise ValueError("Use a two-letter country code, such as IN.")
    return code


def clean_currency(text: str) -> str:
    """Return an ISO 4217 code. Raises `ValueError`."""
    if (code := text.strip().upper()) not in currencies():
        raise ValueError("Use a three-letter currency code, such as INR.")
    return code


def clean_language(text: str) -> str:
    """Return the code of a language that the pages support. Raises `ValueError`."""
    if text not in LANGUAGES:
        raise ValueError(f"Use one of: {', '.join(LANGUAGES)}.")
    return text


_CLEANERS: Mapping[str, Callable[[str], str]] = {
    "email": clean_email,
    "display_name": clean_display_name,
    "country": clean_country,
    "display_currency": clean_currency,
    "language": clean_language,
}


def clean(given: Mapping[str, str | None]) -> dict[str, str]:
    """Return the given fields (those that are not None), each in the form to store.

    Raises:
        ValidationFailed: with one error for each field that cannot be used.
    """
    cleaned: dict[str, str] = {}
    errors: list[FieldError] = []
    for name, text in given.items():
        if text is None:
            continue
        try:
            cleaned[name] = _CLEANERS[name](text)
        except ValueError as error:
            errors.append(FieldError(name, str(error)))
    if errors:
        raise ValidationFailed("One or more fields cannot be used.", errors=tuple(errors))
    return cleaned
