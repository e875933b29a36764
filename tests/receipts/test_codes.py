"""Codes of receipts: the same for the same facts, verifiable only here, and good for nothing else."""

import base64
import hashlib
import hmac
from collections.abc import Iterator

import jwt
import pytest

from onramp_app.accounts.tokens import Claims, TokenType, issue, verify
from onramp_app.config import get_settings
from onramp_app.domain.errors import Unauthenticated
from onramp_app.factors import sealing
from onramp_app.mail import links
from onramp_app.receipts import codes
from onramp_app.receipts.codes import LENGTH, code_of, read_code
from onramp_app.receipts.facts import Amount, Holder
from tests.receipts.made import AT, top_up_facts, transfer_facts

FACTS = top_up_facts()


@pytest.fixture(autouse=True)
def _fresh_settings() -> Iterator[None]:
    yield
    get_settings.cache_clear()


def test_a_code_says_of_which_transaction_it_is_and_what_that_was() -> None:
    code = code_of(FACTS)
    assert len(code) == LENGTH == 64
    claim = read_code(code)
    assert claim is not None
    assert (claim.transaction_id, claim.digest) == (FACTS.id, FACTS.digest())
    assert code_of(top_up_facts()) == code


def test_a_code_copied_from_paper_is_known_whatever_its_case_and_breaks() -> None:
    code = code_of(FACTS)
    typed = "-".join(code.upper()[n : n + 8] for n in range(0, LENGTH, 8))
    assert read_code(typed) == read_code(code) == read_code(f" {code[:30]} {code[30:]}\n")


def test_no_other_code_is_known() -> None:
    code = code_of(FACTS)
    for place in range(LENGTH):
        other = "a" if code[place] != "a" else "b"
        assert read_code(code[:place] + other + code[place + 1 :]) is None, place


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "",
        " ",
        "a" * LENGTH,
        "a" * 10_000,
        "\x00" * LENGTH,
        "\u0661" * LENGTH,
        "../" * 20,
        b"x",
        ["a"],
    ],
)
def test_what_is_no_code_is_refused_whatever_it_is(text: object) -> None:
    assert read_code(text) is None


def test_cut_and_lengthened_codes_are_refused() -> None:
    code = code_of(FACTS)
    for length in range(LENGTH):
        assert read_code(code[:length]) is None
    assert read_code(code + "a") is None
    assert read_code(code + code) is None


def test_a_code_of_the_key_before_is_known_and_one_of_an_older_key_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second, third = ("first-key-" * 4, "second-key-" * 4, "third-key-" * 4)
    monkeypatch.setenv("SECRET_KEY", first)
    get_settings.cache_clear()
    code = code_of(FACTS)
    monkeypatch.setenv("SECRET_KEY", second)
    monkeypatch.setenv("SECRET_KEY_PREVIOUS", first)
    get_settings.cache_clear()
    assert read_code(code) is not None
    assert code_of(FACTS) != code
    monkeypatch.setenv("SECRET_KEY", third)
    monkeypatch.setenv("SECRET_KEY_PREVIOUS", second)
    get_settings.cache_clear()
    assert read_code(code) is None


def test_what_else_is_signed_with_the_key_is_no_code_and_a_code_is_none_of_it() -> None:
    code = code_of(FACTS)
    for token_type in TokenType:
        with pytest.raises(Unauthenticated):
            verify(code, token_type)
        assert read_code(issue(token_type, Claims("u", "s"), issued_at=AT, expires_at=AT)) is None
    assert not links.is_secret(code)
    assert read_code(links.secret_of(links.new_link())) is None
    assert sealing.unseal(base64.b32decode(code.upper()), row="any") is None
    with pytest.raises(jwt.PyJWTError):
        jwt.decode(code, options={"verify_signature": False})


def test_control_a_code_signed_with_the_bare_key_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature obtained from another use of `SECRET_KEY` must not be usable as a code."""
    key = get_settings().secret_key.get_secret_value().encode()
    content = b"\x01" + bytes.fromhex(FACTS.id) + FACTS.digest()
    forged = base64.b32encode(content + hmac.digest(key, content, hashlib.sha256)[:16]).decode().lower()
    assert read_code(forged) is None
    monkeypatch.setattr(codes, "_mac", lambda key, content: hmac.digest(key, content, hashlib.sha256)[:16])
    assert read_code(forged) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "reversed"},
        {"charged": "unknown"},
        {"paid": Amount("999", "INR")},
        {"paid": None},
        {"amount": Amount("11.24", "USDT")},
        {"reason": "returned"},
        {"environment": "simulator"},
    ],
)
def test_what_a_receipt_states_changes_its_code(changes: dict[str, object]) -> None:
    assert top_up_facts(**changes).digest() != FACTS.digest()


def test_what_may_come_later_or_be_renamed_does_not() -> None:
    later = top_up_facts(provider_order="", transaction_hash="", holder=Holder("Bo", "b@c.de"))
    assert code_of(later) == code_of(FACTS)
    assert code_of(transfer_facts("reverse")) != code_of(transfer_facts("return"))
