"""Phone numbers as people type them, and as the provider accepts them."""

import pytest

from onramp_app.domain.errors import ValidationFailed
from onramp_app.verification.phone import COUNTRY_CODES, code_of_country, provider_phone


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("+91-9999999999", "+91-9999999999"),
        ("+91 99999 99999", "+91-9999999999"),
        (" 0091 (99999) 99999 ", "+91-9999999999"),
        ("+919999999999", "+91-9999999999"),
        ("+49 0170 1234567", "+49-1701234567"),
        ("+39 06 1234567", "+39-061234567"),
        ("+1 202-555-0100", "+1-2025550100"),
        ("+234 803 123 4567", "+234-8031234567"),
    ],
)
def test_a_number_goes_out_in_the_providers_form(typed: str, sent: str) -> None:
    assert provider_phone(typed) == sent


@pytest.mark.parametrize(
    "typed",
    [
        "", "+", "9999999999", "+999 12345678", "+91", "+91 123", "+91 12345678901234", "+91 99999x99999",
        "+91\n9999999999", "+9१ 9999999999",
        "+91 99999 99999; DROP TABLE users", "+" + "9" * 100, "+0 12345678",
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused_without_being_repeated(typed: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        provider_phone(typed)
    (field,) = refused.value.errors
    assert field.field == "phone"
    assert typed.strip() in ("", "+", "+91") or typed not in refused.value.detail + field.message


def test_no_country_code_begins_with_another() -> None:
    assert [(a, b) for a in COUNTRY_CODES for b in COUNTRY_CODES if a != b and b.startswith(a)] == []


def test_the_proposed_codes_are_assigned_ones() -> None:
    assert (code_of_country("IN"), code_of_country("XX"), code_of_country(None)) == ("91", "", "")
    assert code_of_country("AE") in COUNTRY_CODES
