"""Amounts as pages show them, at the lengths that the books can hold."""

from onramp_app.domain.amounts import number_text


def test_an_amount_of_more_digits_than_python_reckons_with_is_written() -> None:
    assert number_text("402256751465", "") == "402,256,751,465"
    assert number_text("-402256751465.5", "USDT") == "\N{MINUS SIGN}402,256,751,465.50"
    assert number_text("12345678901234567890.123456789012345678", "ETH").endswith("567,890.12345678")
