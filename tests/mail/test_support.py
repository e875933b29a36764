"""Mails to support name their subject, and no value in them can inject a header, line or recipient."""

from urllib.parse import parse_qs, urlsplit

import pytest

from onramp_app.config import get_settings
from onramp_app.mail import support

TOP_UP = "0190000000000000000000009f3c21ab"
HOSTILE = (
    "1\r\nBcc: eve@evil.example",
    "1&bcc=eve@evil.example",
    "?bcc=eve@evil.example#",
    "%0D%0ABcc:eve@evil.example",
    "\u2028Bcc: eve@evil.example\x00\x1b\ud800",
    "x" * 100_000,
)


@pytest.fixture(autouse=True)
def _address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPPORT_EMAIL", "help@wallet.example")
    get_settings.cache_clear()


def _read(address: str) -> tuple[str, str, str]:
    """Return recipient, subject and text as mail programs parse them (RFC 6068); anything else fails."""
    parts = urlsplit(address)
    headers = parse_qs(parts.query, strict_parsing=True)
    assert (parts.scheme, parts.fragment, set(headers)) == ("mailto", "", {"subject", "body"})
    (subject,), (text,) = headers["subject"], headers["body"]
    return parts.path, subject, text


def test_a_mail_names_its_payment() -> None:
    recipient, subject, text = _read(
        support.about_top_up(TOP_UP, provider_order="4711", state="In review & held")
    )
    assert (recipient, subject) == ("help@wallet.example", "Top-up 9F3C-21AB")
    assert text.split("\r\n") == [
        "What happened:",
        "",
        "",
        "Reference: 9F3C-21AB",
        f"Technical id: {TOP_UP}",
        "Provider order: 4711",
        "Status: In review & held",
    ]


@pytest.mark.parametrize("value", HOSTILE, ids=["lines", "and", "query", "encoded", "unicode", "long"])
def test_a_value_stays_one_line_of_the_text(value: str) -> None:
    for address in (
        support.about_top_up(TOP_UP, provider_order=value, state=value),
        support.about_transfer(TOP_UP, title=value),
        support.about_account(value, value),
    ):
        recipient, subject, text = _read(address)
        assert recipient == "help@wallet.example"
        assert subject.isprintable()
        assert all(line.isprintable() for line in text.split("\r\n"))
        assert len(text.split("\r\n")) <= 7
        assert len(address) < 2_000, "longer ones are cut by programs for mails"


@pytest.mark.parametrize("value", HOSTILE[:3])
def test_the_check_sees_what_a_value_smuggles_in_where_nothing_is_encoded(value: str) -> None:
    naive = f"mailto:help@wallet.example?subject={value}&body=text"
    headers = parse_qs(urlsplit(naive).query)
    assert set(headers) != {"subject", "body"} or headers["subject"] != [value]


def test_a_setting_names_one_recipient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPPORT_EMAIL", "help@wallet.example?bcc=eve&subject=x")
    get_settings.cache_clear()
    assert _read(support.mail_to_support("Hello"))[1] == "Hello"


def test_where_nobody_is_named_there_is_no_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUPPORT_EMAIL")
    get_settings.cache_clear()
    assert support.about_top_up(TOP_UP) == ""
