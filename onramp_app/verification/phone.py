"""Phone numbers as the provider takes them: `+91-9999999999`. They are passed on and kept nowhere."""

import re
from collections.abc import Iterator

from onramp_app.domain.errors import FieldError, ValidationFailed

# Country codes that ITU-T E.164 assigns to countries; they are prefix-free, so a number names its own.
_ASSIGNED = (
    "1 7 20 27 30-34 36 39-41 43-49 51-58 60-66 81 82 84 86 90-95 98 211-213 216 218 220-258 260-269 290 291"
    " 297-299 350-359 370-378 380-383 385-387 389 420 421 423 500-509 590-599 670 672-683 685-692 850 852 853"
    " 855 856 880 886 960-968 970-977 992-996 998"
)
_NUMBER = re.compile(r"[0-9][0-9 ()./-]{2,30}")
_MAX_DIGITS = 15  # E.164, with the country code
_MIN_NATIONAL_DIGITS = 4


def _codes() -> Iterator[str]:
    for part in _ASSIGNED.split():
        first, _, last = part.partition("-")
        yield from (str(code) for code in range(int(first), int(last or first) + 1))


COUNTRY_CODES = frozenset(_codes())
# What the page proposes, for the countries whose money the provider takes.
_BY_COUNTRY = {
    "AE": "971", "AR": "54", "AT": "43", "BE": "32", "BR": "55", "CL": "56", "CM": "237", "CO": "57",
    "DE": "49", "EG": "20", "ES": "34", "FI": "358", "FR": "33", "GA": "241", "GB": "44", "GH": "233",
    "GR": "30", "ID": "62", "IE": "353", "IN": "91", "IT": "39", "KE": "254", "MX": "52", "MY": "60",
    "NG": "234", "NL": "31", "PE": "51", "PH": "63", "PT": "351", "TH": "66", "TR": "90", "TW": "886",
    "US": "1", "VN": "84", "ZA": "27",
}  # fmt: skip


def code_of_country(country: str | None) -> str:
    """Return the country code to propose, such as `91`; nothing where none is known."""
    return _BY_COUNTRY.get(country or "", "")


def provider_phone(text: str) -> str:
    """Return a phone number as the provider takes it.

    Args:
        text: with its country code and `+` or `00` before it, such as `+91 99999 99999`.

    Raises:
        ValidationFailed: it is no such number. The message does not repeat it.
    """
    typed = text.strip() if text.isascii() and len(text) <= 40 else ""
    international = "+" + typed[2:] if typed.startswith("00") else typed
    number = international.removeprefix("+")
    digits = re.sub(r"[^0-9]", "", number)
    code = next((digits[:n] for n in (1, 2, 3) if digits[:n] in COUNTRY_CODES), None)
    is_number = international.startswith("+") and _NUMBER.fullmatch(number) is not None
    # Within a country numbers are written with a 0 in front that is not dialled from abroad, except in Italy.
    national = digits[len(code or "") :]
    if code != "39":
        national = national.removeprefix("0")
    if not is_number or code is None or not _fits(code, national):
        message = "Use the country code and the number, such as +91 99999 99999."
        raise ValidationFailed(
            "This is no phone number that can be used.", errors=(FieldError("phone", message),)
        )
    return f"+{code}-{national}"


def _fits(code: str, national: str) -> bool:
    return len(national) >= _MIN_NATIONAL_DIGITS and len(code) + len(national) <= _MAX_DIGITS
