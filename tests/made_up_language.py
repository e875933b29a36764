"""A made-up translation: it puts each text into a frame. What has letters outside of one is untranslated."""

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
    """The translation. `frame` is what stands before and after each text."""

    def __init__(self, frame: str = "⟦⟧") -> None:
        super().__init__()
        self._begin, self._end = frame

    def gettext(self, message: str) -> str:
        return f"{self._begin}{message}{self._end}"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


def make_up(monkeypatch: pytest.MonkeyPatch, catalogue: gettext.NullTranslations) -> None:
    """Let there be that language, with this catalogue."""
    english = texts._catalogue
    monkeypatch.setattr(texts, "_catalogue", lambda code: catalogue if code == LANGUAGE else english(code))
    monkeypatch.setitem(texts.LANGUAGES, LANGUAGE, "Esperanto")


def untranslated(shown: str) -> str:
    """Return what of a text stands in no frame."""
    while (rest := _FRAMED.sub("", shown)) != shown:
        shown = rest
    # A component, such as a time, may stand inside of a frame and divide it.
    return re.sub(r"⟦[^⟦⟧]*$|^[^⟦⟧]*⟧", "", shown)


def unframed(values: Iterable[str], *allowed: str) -> set[str]:
    """Return the texts that have letters outside of a frame, apart from what is allowed there."""
    found = set()
    for value in values:
        rest = untranslated(value)
        for one in allowed:
            rest = rest.replace(one, "")
        if re.search(r"[^\W\d_]{2,}", rest):
            found.add(value)
    return found
