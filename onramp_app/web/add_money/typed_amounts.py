"""Reads amounts as people type them, and finds round amounts to offer. All are decimals, never floats."""

import unicodedata
from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal

_MAX_TYPED = 64
_MAX_DIGITS = 15
_WRITTEN_DECIMALS = 2  # People write `.00` even where a currency has none.
_ROUND = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))


class AmountNotUnderstood(ValueError):
    """The text is no amount, or could mean more than one."""


class TooManyDecimals(ValueError):
    """The amount has more decimals than its currency."""


def read_amount(text: str, *, decimals: int) -> Decimal | None:
    """Return a typed text as an amount with at most `decimals` decimals, or None for an empty one.

    `10,000`, `10 000`, `1,00,000`, `10'000.50`, `1.000,50` and `₹ 500` are understood, in any script's
    digits. A lone comma or point before three digits groups thousands, since no currency has three decimals.
    Blanks and apostrophes only group, and a currency's sign stands at an end: `10 50` could mean two things.

    Raises:
        AmountNotUnderstood: the text is no amount, or could mean more than one.
        TooManyDecimals: the amount has more than `decimals` decimals.
    """
    if len(text) > _MAX_TYPED:
        raise AmountNotUnderstood
    first, last = 0, len(text)
    while first < last and _stands_outside(text[first]):
        first += 1
    while first < last and _stands_outside(text[last - 1]):
        last -= 1
    plain = "".join(_plain(character) for character in text[first:last])
    if not plain:
        return None
    whole, fraction = _parts(plain)
    if len(whole) > _MAX_DIGITS:
        raise AmountNotUnderstood
    fraction = fraction if len(fraction) > _WRITTEN_DECIMALS else fraction.rstrip("0")
    if len(fraction) > decimals:
        raise TooManyDecimals
    return Decimal(f"{whole}.{fraction}" if fraction else whole)


def _stands_outside(character: str) -> bool:
    return unicodedata.category(character) in ("Zs", "Sc")


def _plain(character: str) -> str:
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if character in ",\u066c":
        return ","
    if character in ".\u066b":
        return "."
    if character in "'\N{RIGHT SINGLE QUOTATION MARK}" or unicodedata.category(character) == "Zs":
        return "'"
    raise AmountNotUnderstood


def _parts(plain: str) -> tuple[str, str]:
    """Split digits with commas, points and apostrophes into whole digits and decimals."""
    last = max(plain.rfind(","), plain.rfind("."))
    if last < 0:
        return _ungrouped(plain, "'"), ""
    sign = plain[last]
    if "'" in plain:
        if plain.count(",") + plain.count(".") > 1 or "'" in plain[last:]:
            raise AmountNotUnderstood
        return _ungrouped(plain[:last], "'"), plain[last + 1 :]
    other = "." if sign == "," else ","
    before, after = plain[:last], plain[last + 1 :]
    is_alone = plain.count(sign) == 1
    if other not in plain and (not is_alone or (len(after) == 3 and before.lstrip("0"))):
        return _ungrouped(plain, sign), ""
    if not is_alone:
        raise AmountNotUnderstood
    return _ungrouped(before, other) or "0", after


def _ungrouped(text: str, sign: str) -> str:
    first, *groups = text.split(sign)
    # Lakhs and crores are grouped by two, the last three digits are a group everywhere.
    sizes = [len(group) for group in groups]
    if sizes and (not 1 <= len(first) <= 3 or sizes[-1] != 3 or not {2, 3}.issuperset(sizes)):
        raise AmountNotUnderstood
    return first + "".join(groups)


def round_amounts(
    about: Iterable[Decimal], *, decimals: int, least: Decimal | None, most: Decimal | None
) -> list[Decimal]:
    """Return amounts near those given that are easy to say (1, 2, 2.5 or 5 times a power of ten).

    In ascending order and without repeats, within the limits and with no more decimals than the currency.
    """
    found: list[Decimal] = []
    for amount in about:
        unit = Decimal(1).scaleb(amount.adjusted())
        nearest = min((factor * unit for factor in _ROUND), key=lambda one: abs(one - amount))
        is_whole = nearest == nearest.quantize(Decimal(1).scaleb(-decimals), ROUND_DOWN)
        is_within = (least is None or nearest >= least) and (most is None or nearest <= most)
        if is_whole and is_within and nearest not in found:
            found.append(nearest)
    return sorted(found)
