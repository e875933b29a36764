"""A made-up translation that frames each text in ⟦ ⟧: letters outside a frame were never translated."""

import gettext
import re
from collections.abc import Iterable

import pytest

from onramp_app import texts

LANGUAGE = "eo"  # Esperanto, which CLDR knows, so that amounts and dates can be written
_FRAMED = re.compile(r"⟦[^⟦⟧]*⟧")
# Names and codes, the same in every language.
NAMES = (
    "Wallet", "Onramp", "Esperanto", "English", "Tether", "USDT", "USD Coin", "USDC", "Ethereum", "ETH",
    "Polygon", "UPI",
)  # fmt: skip


class Framing(gettext.NullTranslations):
    """The made-up translation. `frame` is the pair of characters put before and after each text."""

    def __init__(self, frame: str = "⟦⟧") -> None:
        super().__init__()
        self._begin, self._end = frame

    def gettext(self, message: str) -> str:
        return f"{self._begin}{message}{self._end}"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


def make_up(monkeypatch: pytest.MonkeyPatch, catalogue: gettext.NullTranslations) -> None:
    """Register the made-up language with this catalogue."""
    english = texts._catalogue
    monkeypatch.setattr(texts, "_catalogue", lambda code: catalogue if code == LANGUAGE else english(code))
    monkeypatch.setitem(texts.LANGUAGES, LANGUAGE, "Esperanto")


def untranslated(shown: str) -> str:
    """Return the parts of a text that are outside every frame."""
    while (rest := _FRAMED.sub("", shown)) != shown:
        shown = rest
    # A component, such as a time, may be inside a frame and split it.
    return re.sub(r"⟦[^⟦⟧]*$|^[^⟦⟧]*⟧", "", shown)


def unframed(values: Iterable[str], *allowed: str) -> set[str]:
    """Return the texts that have letters outside their frames, ignoring the `allowed` words."""
    found = set()
    for value in values:
        rest = untranslated(value)
        for one in allowed:
            rest = rest.replace(one, "")
        if re.search(r"[^\W\d_]{2,}", rest):
            found.add(value)
    return found
