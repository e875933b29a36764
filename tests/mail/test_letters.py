"""Every kind of mail reads the same as text and HTML, has its link, and loads nothing."""

import re
from html import unescape

import pytest

from onramp_app.config import get_settings
from onramp_app.mail.letters import letter_of
from onramp_app.mail.messages import read
from onramp_app.mail.words import CHOICE_OF, WORTH_SENDING, MailKind

SECRET = "s" * 43
DETAILS = {
    "at": "2026-03-01T09:00:00+00:00",
    "browser": "Firefox",
    "system": "Linux",
    "address": "203.0.113.7",
    "new_address": "b•••@example.com",
    "old_address": "a•••@example.com",
    "top_up_id": "0190000000000000000000009f3c21ab",
    "fiat_amount": "10000",
    "fiat_currency": "INR",
    "charged": "yes",
    "change": "added",
    "due_at": "2026-03-02T09:00:00+00:00",
    "amount": "113.091234",
    "asset": "USDT",
    "program": "Corner shop",
    "endpoint": "0190000000000000000000009f3c21ac",
    "because": "failing",
}


@pytest.mark.parametrize("kind", list(MailKind))
def test_each_mail_reads_the_same_in_both_forms(kind: MailKind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPPORT_EMAIL", "help@hafen.example")
    monkeypatch.setenv("PUBLIC_URL", "https://hafen.example")
    get_settings.cache_clear()
    letter = letter_of(kind, DETAILS, secret=SECRET)
    text = read(letter)
    for words in (*letter.paragraphs, *letter.after):
        assert words in " ".join(text.plain.split())
        assert words in unescape(text.html)
    addresses = set(re.findall(r'(?:href|src)="([^"]*)"|url\(([^)]*)\)', text.html))
    shown = {one.address for one in (letter.action, letter.help) if one}
    assert {unescape(address) for address, _ in addresses} == shown
    assert letter.action is None or letter.action.address.startswith("https://hafen.example/")
    assert letter.action is None or f"\n{letter.action.address}\n" in text.plain
    assert "color-scheme: light dark" in text.html
    assert "<img" not in text.html
    assert "!" not in text.plain
    assert kind in WORTH_SENDING


@pytest.mark.parametrize("kind", list(MailKind))
def test_who_wants_no_notices_reads_how_and_security_mails_have_no_switch(kind: MailKind) -> None:
    letter = letter_of(kind, DETAILS, secret=SECRET)
    has_switch = any("/profile" in text for text in letter.about_mails)
    assert has_switch == (kind in CHOICE_OF)


@pytest.mark.parametrize("kind", [kind for kind in MailKind if kind.value.startswith("top_up")])
def test_a_mail_about_a_payment_begins_the_question_about_it(
    kind: MailKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUPPORT_EMAIL", "help@hafen.example")
    get_settings.cache_clear()
    letter = letter_of(kind, DETAILS)
    assert letter.help is not None
    assert letter.help.address.startswith("mailto:help@hafen.example?subject=Top-up%209F3C-21AB&body=")
    assert any("help@hafen.example and quote 9F3C-21AB" in text for text in letter.after)
    monkeypatch.delenv("SUPPORT_EMAIL")
    get_settings.cache_clear()
    nobody = letter_of(kind, DETAILS)
    assert (nobody.help, nobody.after) == (None, ())


def test_what_a_device_calls_itself_is_text() -> None:
    text = read(letter_of(MailKind.NEW_DEVICE, {**DETAILS, "browser": "<b>", "system": "&"}, secret=SECRET))
    assert "&lt;b&gt; on &amp;" in text.html
    assert "<b>" not in text.html


def test_amounts_and_references_are_those_of_the_pages() -> None:
    letter = letter_of(MailKind.TOP_UP_SETTLED, DETAILS)
    assert letter.subject == "113.09 USDT is in your balance"
    assert ("Reference", "9F3C-21AB") in letter.facts
    assert ("Top-up", "₹10,000") in letter.facts
