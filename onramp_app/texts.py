"""Every visible word goes through here: gettext, with the language chosen while a page is built.

Each language has its own routes, so a page is built once per language inside `language_of_texts` and
the browser is never sent a catalogue. The template is `locale/messages.pot`; renew it with
`pybabel extract --omit-header --no-location --sort-output -o onramp_app/locale/messages.pot onramp_app`.
"""

import gettext
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

from babel.lists import format_list

LOCALE_DIR = Path(__file__).parent / "locale"
DEFAULT_LANGUAGE = "en"
LANGUAGES = {"en": "English"}
"""Languages with a complete catalogue, by code, each named in itself."""

_language: ContextVar[str] = ContextVar("language", default=DEFAULT_LANGUAGE)


@lru_cache
def _catalogue(language: str) -> gettext.NullTranslations:
    if language == DEFAULT_LANGUAGE:
        return gettext.NullTranslations()  # The texts in the code are the English ones.
    return gettext.translation("messages", LOCALE_DIR, [language])


@contextmanager
def language_of_texts(language: str) -> Iterator[None]:
    """Let `_` and `ngettext` answer in `language` (a key of `LANGUAGES`) inside the block."""
    token = _language.set(language)
    try:
        yield
    finally:
        _language.reset(token)


def speak(language: str) -> None:
    """Let `_` and `ngettext` answer in `language` from here on in this task; in English if it is no key."""
    _language.set(language if language in LANGUAGES else DEFAULT_LANGUAGE)


def language_of_path(path: str) -> tuple[str, str]:
    """Return the language of an address, and the route in it: of `/hi/home` these are `hi` and `/home`."""
    language, _slash, rest = path.removeprefix("/").partition("/")
    if language in LANGUAGES and language != DEFAULT_LANGUAGE:
        return language, f"/{rest}"
    return DEFAULT_LANGUAGE, path


def path_in(language: str, route: str) -> str:
    """Return the address of `route` (such as `/home`) in a language; English has no prefix."""
    return route if language == DEFAULT_LANGUAGE else f"/{language}{route}".rstrip("/")


def current_language() -> str:
    """Return the language that `_` answers in, a key of `LANGUAGES`."""
    return _language.get()


def _(message: str) -> str:
    """Return `message` in the current language. Values are put in afterwards with `str.format`."""
    return _catalogue(_language.get()).gettext(message)


def sentences(*whole: str) -> str:
    """Return whole sentences one after the other, without those that are empty.

    Only for sentences that stand for themselves: parts of one would need another order in other languages.
    """
    return " ".join(one for one in whole if one)


def listed(items: Sequence[str]) -> str:
    """Return a list as the current language writes one: `a, b and c`."""
    text: str = format_list(list(items), locale=current_language())
    return text


def ngettext(singular: str, plural: str, n: int) -> str:
    """Return the form of the message that fits `n` in the current language."""
    return _catalogue(_language.get()).ngettext(singular, plural, n)
