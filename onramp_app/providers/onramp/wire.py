"""Reads Onramp's answers: amounts, ids and texts from members that may hold anything, and the envelope."""

import re
from dataclasses import dataclass
from decimal import Decimal

from onramp_app.domain.exact_json import MAX_NUMBER_CHARACTERS, Json, NotJson, array_items, bounded_decimal
from onramp_app.providers.errors import ProviderAnswerUnreadable

_NUMBER_TEXT = re.compile(r"\s*([+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)\s*", re.ASCII)


def decimal_or_none(value: Json) -> Decimal | None:
    """Return a number or numeric text exactly, or None when it is neither. Never raises."""
    match value:
        case bool() | None:
            return None
        case int() | Decimal():
            return Decimal(value)
        case str():
            found = _NUMBER_TEXT.fullmatch(value[: MAX_NUMBER_CHARACTERS + 1])
            try:
                return bounded_decimal(found[1]) if found and len(value) <= MAX_NUMBER_CHARACTERS else None
            except NotJson:
                return None
        case _:
            return None


def amount_or_none(value: Json) -> Decimal | None:
    """Return a number that is not negative, or None: an amount below zero counts as unreadable."""
    number = decimal_or_none(value)
    # copy_abs makes 0 of -0; abs() would round to the context's 28 digits.
    return None if number is None or number < 0 else number.copy_abs()


def int_or_none(value: Json) -> int | None:
    """Return a whole number of at most 18 digits (to fit a bigint column), or None. Accepts `"54"` too."""
    if type(value) is int:  # the usual case; a `bool` does not pass this test
        return value if -(10**18) < value < 10**18 else None
    number = decimal_or_none(value)
    if number is None or number.copy_abs() >= 10**18 or number != number.to_integral_value():
        return None
    return int(number)


def text_or_none(value: Json, *, max_characters: int = 256) -> str | None:
    """Return text that a database can store and a page can show, or None. Whole numbers become text.

    JSON allows NUL and lone surrogates but PostgreSQL refuses them, so such text counts as unreadable.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value or len(value) > max_characters:
        return None
    return value if value.isprintable() else None


def unreadable_answer() -> ProviderAnswerUnreadable:
    """Return the error for an answer that is not what the documentation describes."""
    return ProviderAnswerUnreadable("The payment provider's answer could not be read.", retry_after_seconds=5)


@dataclass(frozen=True, slots=True)
class Answer:
    """One successful answer: `data` is parsed, `text` is the whole envelope as received."""

    data: Json
    text: str

    def object(self) -> dict[str, Json]:
        """Return `data` as an object. Raises `ProviderAnswerUnreadable`."""
        if not isinstance(self.data, dict):
            raise unreadable_answer()
        return self.data

    def items(self) -> list[tuple[str, Json]]:
        """Return the elements of the array `data`, each after its raw text.

        Raises:
            ProviderAnswerUnreadable: `data` is no array.
        """
        try:
            return array_items(self.text, "data")
        except NotJson as error:
            raise unreadable_answer() from error
