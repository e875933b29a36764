"""The fields of an account, and the paths that people may be redirected to."""

import pytest

from onramp_app.accounts import fields
from onramp_app.accounts.words import countries, currencies, currency_of_country
from onramp_app.domain.errors import ValidationFailed
from onramp_app.domain.places import own_path


def test_the_lists_are_those_of_the_standards() -> None:
    assert len(countries()) == 249  # ISO 3166-1
    assert {"IN", "US", "TW", "ZA", "CG"} <= countries()
    assert {"INR", "USD", "ZAR", "TWD", "XAF", "EUR", "BRL"} <= currencies()
    assert not {"DEM", "XXX", "BTC", "RAND"} & currencies()


@pytest.mark.parametrize(
    ("country", "currency"), [("IN", "INR"), ("DE", "EUR"), ("AQ", "USD"), (None, "USD")]
)
def test_a_country_suggests_its_currency(country: str | None, currency: str) -> None:
    assert currency_of_country(country) == currency


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Ada@Example.com", "ada@example.com"),
        (" ada@example.test ", "ada@example.test"),
        ("ada+x@bücher.example.com", "ada+x@xn--bcher-kva.example.com"),
    ],
)
def test_an_email_is_kept_in_one_form(typed: str, kept: str) -> None:
    assert fields.clean_email(typed) == kept


def test_all_wrong_fields_are_named_at_once() -> None:
    given = {"email": "x", "country": "XX", "display_currency": "INR", "display_name": "", "language": None}
    with pytest.raises(ValidationFailed) as refusal:
        fields.clean(given)
    assert [error.field for error in refusal.value.errors] == ["email", "country", "display_name"]


@pytest.mark.parametrize(
    "name", ["Ada", "José Müller", "李小龍", "عائشة", "Nguyễn Thị Minh", "👩\u200d🚀 Ada", "O'Neil"]
)
def test_names_of_all_scripts_are_kept(name: str) -> None:
    assert fields.clean_display_name(name) == name


@pytest.mark.parametrize(
    "path", ["/home", "/add-money?asset=USDT&next=//x", "/activity/018f#top", "/hi/home", "/a%20b", "/"]
)
def test_a_path_of_this_site_is_followed(path: str) -> None:
    assert own_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        None, "", "home", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example",
        "/%5Cevil", "/%2F/evil.example", "/%2fevil.example", "%2F%2Fevil.example", "/%252Fevil.example",
        "/%25252525252Fevil", "https://evil.example", "https:evil.example", "javascript:alert(1)", "/\tevil",
        "/\n/evil", "/%09/evil", "/%0d%0aSet-Cookie:a=b", " /home", "/a//evil", "/home\0", "/" + "a" * 600,
        "/é", "data:text/html,x", "/.//evil.example", "/\u2028",
    ],
)  # fmt: skip
def test_any_other_address_becomes_home(path: str | None) -> None:
    assert own_path(path) == "/home"
