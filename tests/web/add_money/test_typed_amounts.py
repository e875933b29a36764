"""Amounts as people type them are understood or refused with a reason, and never pass through a float."""

from dataclasses import replace
from decimal import Decimal
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onramp_app.domain.amounts import number_text
from onramp_app.texts import language_of_texts
from onramp_app.web.add_money.amounts.signs import own_signs
from onramp_app.web.add_money.amounts.typed import (
    AmountNotUnderstood,
    ForeignSign,
    NegativeAmount,
    TooManyDecimals,
    read_amount,
)
from onramp_app.web.add_money.choices import STEPS, choices_of
from tests.made_up_language import LANGUAGE, Framing, make_up

RUPEE = own_signs("INR", "IN", "en")


@pytest.mark.parametrize(
    ("typed", "amount"),
    [
        ("10000", "10000"),
        ("10,000", "10000"),
        ("10 000", "10000"),
        ("10\N{NO-BREAK SPACE}000", "10000"),
        ("1,00,000", "100000"),
        ("1,00,000.5", "100000.5"),
        ("10'000.50", "10000.5"),
        ("1.000,50", "1000.5"),
        ("1.234.567,89", "1234567.89"),
        ("1,234,567.89", "1234567.89"),
        ("1.000", "1000"),
        ("1,5", "1.5"),
        (".5", "0.5"),
        ("5.", "5"),
        ("5.00", "5"),
        (" \N{INDIAN RUPEE SIGN} 500 ", "500"),
        ("\u0661\u0660\u066c\u0660\u0660\u0660\u066b\u0665", "10000.5"),
        ("\u0967\u0968", "12"),
        ("1 00 000,5 ₹", "100000.5"),
        ("INR 500", "500"),
        ("500 inr.", "500"),
    ],
)
def test_what_people_type_is_understood(typed, amount):
    assert read_amount(typed, decimals=2, signs=RUPEE) == Decimal(amount)


@pytest.mark.parametrize("typed", ["", " ", "\N{INDIAN RUPEE SIGN}"])
def test_nothing_typed_is_nothing(typed):
    assert read_amount(typed, decimals=2, signs=RUPEE) is None


@pytest.mark.parametrize(
    "typed",
    [
        "abc",
        "1e3",
        "-",
        "a-5",
        "+5",
        "1,2,3",
        "1.5.6",
        "12,34.5.6",
        "5o0",
        "NaN",
        "10 50",
        "1 2 3",
        "1'5",
        "1€50",
        "1" * 16,
        "1" * 65,
        "\x00",
    ],
)
def test_what_is_no_amount_is_refused(typed):
    with pytest.raises(AmountNotUnderstood):
        read_amount(typed, decimals=2, signs=RUPEE)


@pytest.mark.parametrize(
    ("typed", "decimals"), [("1.2345", 2), ("0.500", 2), ("100,0000", 2), ("1.5", 0), ("1,25", 0)]
)
def test_too_many_decimals_are_refused_and_never_rounded(typed, decimals):
    with pytest.raises(TooManyDecimals):
        read_amount(typed, decimals=decimals, signs=RUPEE)


def test_written_decimals_that_say_nothing_are_taken_where_a_currency_has_none():
    assert read_amount("1000.00", decimals=0, signs=RUPEE) == 1000


@pytest.mark.parametrize(
    ("typed", "amount"),
    [
        ("1.234", "1.234"),
        ("12.125", "12.125"),
        ("1,234", "1234"),
        ("1,234.567", "1234.567"),
        ("1.234.567", "1234567"),
        ("1.2345", "1.2345"),
        ("0.125", "0.125"),
        ("ETH 1.234", "1.234"),
    ],
)
def test_three_decimals_are_no_thousands_where_an_asset_has_them(typed, amount):
    assert read_amount(typed, decimals=8, signs=frozenset({"eth"})) == Decimal(amount)


def test_the_sign_before_decimals_is_the_one_of_the_language(monkeypatch):
    make_up(monkeypatch, Framing())
    with language_of_texts(LANGUAGE):
        assert number_text("1.234", "ETH") == "1,234"
        assert read_amount("1,234", decimals=8, signs=RUPEE) == Decimal("1.234")
        assert read_amount("1.234", decimals=8, signs=RUPEE) == 1234


@given(
    st.integers(0, 8).flatmap(
        lambda places: st.decimals(min_value=0, max_value=10**12, places=places),
    )
)
def test_an_amount_of_an_asset_is_read_back_as_it_is_written(amount):
    assert read_amount(number_text(amount, "ETH"), decimals=8, signs=frozenset()) == amount


@given(st.text(max_size=80))
def test_any_text_is_an_amount_or_a_refusal(text):
    try:
        amount = read_amount(text, decimals=2, signs=RUPEE)
    except (AmountNotUnderstood, TooManyDecimals, NegativeAmount, ForeignSign):
        return
    assert amount is None or (amount >= 0 and amount == amount.quantize(Decimal("0.01")))


@given(st.decimals(min_value=0, max_value=10**15 - 1, places=2))
def test_an_amount_is_read_back_as_it_is_shown(amount):
    assert read_amount(f"{amount:,}", decimals=2, signs=RUPEE) == amount


@pytest.mark.parametrize(
    ("typed", "currency", "country", "amount"),
    [
        ("$500", "MXN", "MX", "500"),
        ("MX$500", "MXN", "MX", "500"),
        ("R$ 25", "BRL", "BR", "25"),
        ("Rp50.000", "IDR", "ID", "50000"),
        ("5.000 ₫", "VND", "VN", "5000"),
        ("20 €", "EUR", "EU", "20"),
        ("FCFA 5 000", "XAF", "CM", "5000"),
        ("د.إ. 50", "AED", "AE", "50"),
    ],
)
def test_a_currency_has_the_sign_of_its_country_too(typed, currency, country, amount):
    assert read_amount(typed, decimals=2, signs=own_signs(currency, country, "en")) == Decimal(amount)


@pytest.mark.parametrize("typed", ["€50", "50 €", "EUR 50", "$500", "500 usd", "£", "₿1"])
def test_another_currencys_sign_is_no_part_of_an_amount(typed):
    with pytest.raises(ForeignSign) as refused:
        read_amount(typed, decimals=2, signs=RUPEE)
    assert refused.value.sign in typed


@pytest.mark.parametrize("typed", ["-50", "₹-50", "-₹ 50", "\N{MINUS SIGN}50", "-0.5"])
def test_a_negative_amount_is_one(typed):
    with pytest.raises(NegativeAmount):
        read_amount(typed, decimals=2, signs=RUPEE)


_QUERIES = st.fixed_dictionaries(
    {},
    optional={
        "step": st.sampled_from([*STEPS, "paid", ""]),
        "amount": st.one_of(st.text(), st.from_regex(r"[0-9]{1,5}(\.[0-9]{1,2})?", fullmatch=True)),
        "currency": st.one_of(st.text(), st.just("INR")),
        "method": st.one_of(st.text(), st.just("NG-BANK-TRANSFER")),
        "another": st.sampled_from(["yes", "no"]),
    },
)


@given(_QUERIES)
def test_choices_survive_the_address_and_nothing_else_does(query):
    choices = choices_of(query)
    assert choices.step in STEPS
    # An emptied field is not kept in the URL: the next visit proposes an amount.
    assert choices_of(dict(parse_qsl(choices.search()[1:]))) == replace(
        choices, amount=choices.amount or None
    )
