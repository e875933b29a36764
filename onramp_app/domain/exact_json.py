"""JSON with exact numbers: parses untrusted text within bounds, and writes numbers without loss.

No float is ever created: a number with a fraction or an exponent is parsed from its text into a `Decimal`.
"""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NoReturn, TypeAlias

Json: TypeAlias = "bool | int | Decimal | str | list[Json] | dict[str, Json] | None"
JsonOut: TypeAlias = "bool | int | Decimal | str | Sequence[JsonOut] | Mapping[str, JsonOut] | None"

MAX_NUMBER_CHARACTERS = 80
MAX_EXPONENT = 60


class NotJson(ValueError):
    """The text is not JSON, or contains a number, a constant or a nesting depth that is refused."""


def bounded_decimal(text: str) -> Decimal:
    """Return a JSON number's text as a decimal. Raises `NotJson`: it or its exponent is too large."""
    # A short text such as 1e999999999 can denote a number that takes gigabytes as an integer.
    if len(text) > MAX_NUMBER_CHARACTERS:
        raise NotJson("a number is too long")
    _, _, exponent = text.lower().partition("e")
    if exponent and (len(exponent) > 4 or abs(int(exponent)) > MAX_EXPONENT):
        raise NotJson("a number has too large an exponent")
    return Decimal(text)


def _read_int(text: str) -> int:
    if len(text) > MAX_NUMBER_CHARACTERS:
        raise NotJson("a number is too long")
    return int(text)


def _refuse_constant(text: str) -> NoReturn:
    raise NotJson(f"{text} is not a JSON number")


_DECODER = json.JSONDecoder(parse_float=bounded_decimal, parse_int=_read_int, parse_constant=_refuse_constant)


def read_json(text: str) -> Json:
    """Parse JSON; numbers become `int` or `Decimal`. Raises `NotJson`, whatever the input."""
    try:
        value: Json = _DECODER.decode(text)
    except NotJson:
        raise
    except (ValueError, RecursionError) as error:
        raise NotJson("not JSON") from error
    return value


def read_json_bytes(data: bytes) -> Json:
    """Parse UTF-8 JSON as `read_json` does. Raises `NotJson`."""
    try:
        return read_json(data.decode())
    except UnicodeDecodeError as error:
        raise NotJson("not UTF-8") from error


def write_json(value: JsonOut) -> str:
    """Return compact JSON, with members in their given order and decimals as exact JSON numbers."""
    match value:
        case None | bool() | int() | str():
            return json.dumps(value, ensure_ascii=False)
        case Decimal():
            if not value.is_finite():
                raise ValueError("JSON has no number for this decimal")
            return plain_decimal(value)
        case Mapping():
            members = (
                f"{json.dumps(key, ensure_ascii=False)}:{write_json(item)}" for key, item in value.items()
            )
            return "{" + ",".join(members) + "}"
        case _:
            return "[" + ",".join(write_json(item) for item in value) + "]"


def plain_decimal(value: Decimal) -> str:
    """Return the decimal without exponent or trailing zeros: `200`, `0.05`."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def array_items(text: str, member: str) -> list[tuple[str, Json]]:
    """Return the elements of one top-level array member, each as its original text and as a parsed value.

    Evidence is kept as its author wrote it, so the text is cut out and never serialized again.
    Raises `NotJson` when the text is not an object whose member is an array.
    """
    try:
        start = _member_start(text, member)
        if text[start] != "[":
            raise NotJson(f"{member} is not an array")
        items: list[tuple[str, Json]] = []
        position = _after_space(text, start + 1)
        while text[position] != "]":
            value, end = _DECODER.raw_decode(text, position)
            items.append((text[position:end], value))
            position = _after_space(text, end)
            if text[position] == ",":
                position = _after_space(text, position + 1)
    except NotJson:
        raise
    except (ValueError, IndexError, RecursionError) as error:
        raise NotJson("not JSON") from error
    return items


def member_text(text: str, member: str) -> str:
    """Return the original text of a top-level member of a JSON object that `read_json` accepts."""
    start = _member_start(text, member)
    _, end = _DECODER.raw_decode(text, start)
    return text[start:end]


def _member_start(text: str, member: str) -> int:
    position = _after_space(text, _after_space(text, 0) + 1)
    found = -1
    while text[position] != "}":
        key, position = _DECODER.raw_decode(text, position)
        value_start = _after_space(text, _after_space(text, position) + 1)
        if key == member:
            found = value_start  # the last one of duplicate members counts, as in read_json
        _, position = _DECODER.raw_decode(text, value_start)
        position = _after_space(text, position)
        if text[position] == ",":
            position = _after_space(text, position + 1)
    if found < 0:
        raise NotJson(f"{member} is missing")
    return found


def _after_space(text: str, position: int) -> int:
    while text[position] in " \t\r\n":
        position += 1
    return position
