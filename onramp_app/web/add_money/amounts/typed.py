"""Reads amounts as people type them. All are decimals, never floats."""

import unicodedata
from collections.abc import Collection
from decimal import Decimal

from babel.numbers import get_decimal_symbol

from onramp_app.texts import current_language
from onramp_app.web.add_money.amounts.signs import is_sign, plain_sign

MAX_TYPED = 64
_MAX_DIGITS = 15
_WRITTEN_DECIMALS = 2  # People write `.00` even where a currency has no decimals.
_GROUP = 3  # digits
_POINTS = ",.\u066b\u066c"
_MINUS = "-\N{MINUS SIGN}\N{EN DASH}\N{HYPHEN}\N{NON-BREAKING HYPHEN}\N{SMALL HYPHEN-MINUS}"


class AmountNotUnderstood(ValueError):
    """The text is not an amount, or is ambiguous."""


class TooManyDecimals(ValueError):
    """The amount has more decimals than its currency."""


class NegativeAmount(ValueError):
    """The amount has a minus sign."""


class ForeignSign(ValueError):
    """The amount carries the sign of another currency; `sign` is what the person wrote."""

    def __init__(self, sign: str) -> None:
        super().__init__(sign)
        self.sign = sign


def read_amount(text: str, *, decimals: int, signs: Collection[str]) -> Decimal | None:
    """Return typed text as an amount with at most `decimals` decimals, or None where it holds no number.

    `10,000`, `10 000`, `1,00,000`, `10'000.50`, `1.000,50` and `₹ 500` are understood, in any script's
    digits. A lone comma or point before three digits groups thousands. Where three decimals are possible, as
    in `1.234 ETH`, the one that the page's language writes before decimals does not group.
    Blanks and apostrophes only group, so `10 50` is ambiguous. A currency sign may stand at either end.

    Args:
        text: what the field holds.
        decimals: how many decimals the currency or asset has.
        signs: the signs of the field's own currency, as `plain_sign` returns them.

    Raises:
        ForeignSign: the sign or code of another currency stands at either end.
        NegativeAmount: the amount has a minus sign.
        AmountNotUnderstood: the text is not an amount, or is ambiguous.
        TooManyDecimals: the amount has more than `decimals` decimals.
    """
    if len(text) > MAX_TYPED:
        raise AmountNotUnderstood
    before, number, after = _split(text)
    is_negative = _take_signs(before, after, signs)
    if not number:
        if is_negative:
            raise AmountNotUnderstood
        return None
    whole, fraction = _parts("".join(map(_plain, number)), never_groups=_decimal_sign(decimals))
    if len(whole) > _MAX_DIGITS:
        raise AmountNotUnderstood
    if is_negative:
        raise NegativeAmount
    fraction = fraction if len(fraction) > _WRITTEN_DECIMALS else fraction.rstrip("0")
    if len(fraction) > decimals:
        raise TooManyDecimals
    return Decimal(f"{whole}.{fraction}" if fraction else whole)


def _split(text: str) -> tuple[str, str, str]:
    """Split a text into what precedes its number, the number, and what follows it."""
    digits = [at for at, character in enumerate(text) if character.isdecimal()]
    if not digits:
        return text, "", ""
    first, last = digits[0], digits[-1] + 1
    # The point of `.5` belongs to the number, that of `Rs.5` to the sign.
    if first and text[first - 1] in _POINTS and not text[first - 2 : first - 1].isalpha():
        first -= 1
    if text[last : last + 1] and text[last] in _POINTS:
        last += 1
    return text[:first], text[first:last], text[last:]


def _take_signs(before: str, after: str, signs: Collection[str]) -> bool:
    """Check the signs, and return whether a minus precedes the number. Raises as `read_amount`."""
    is_negative = any(character in _MINUS for character in before)
    for end in ("".join(one for one in before if one not in _MINUS), after):
        sign = end.strip()
        if plain_sign(sign) in ("", *signs):
            continue
        if is_sign(sign):
            raise ForeignSign(sign)
        raise AmountNotUnderstood
    return is_negative


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


def _decimal_sign(decimals: int) -> str | None:
    """Return the sign before decimals in the page's language, or None where three decimals are too many."""
    return _plain(get_decimal_symbol(current_language())) if decimals >= _GROUP else None


def _parts(plain: str, *, never_groups: str | None) -> tuple[str, str]:
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
    is_group = len(after) == _GROUP and before.lstrip("0") and sign != never_groups
    if other not in plain and (not is_alone or is_group):
        return _ungrouped(plain, sign), ""
    if not is_alone:
        raise AmountNotUnderstood
    return _ungrouped(before, other) or "0", after


def _ungrouped(text: str, sign: str) -> str:
    first, *groups = text.split(sign)
    # Lakhs and crores are grouped in twos; the last group has three digits everywhere.
    sizes = [len(group) for group in groups]
    if sizes and (not 1 <= len(first) <= 3 or sizes[-1] != 3 or not {2, 3}.issuperset(sizes)):
        raise AmountNotUnderstood
    return first + "".join(groups)
