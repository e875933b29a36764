"""Which texts are accepted as tokens, and which are not."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

from onramp_app.accounts import tokens
from onramp_app.accounts.program_sessions import ACCESS_TOKEN_LIFE
from onramp_app.accounts.tokens import Claims, TokenType
from onramp_app.config import get_settings
from onramp_app.domain import clock
from onramp_app.domain.errors import Unauthenticated

KEY = "k" * 48
CLAIMS = Claims(user_id="u1", session_id="s1")
HEADER = {"alg": "HS256", "typ": "JWT"}
MISSING = "(left out)"


@pytest.fixture(autouse=True)
def set_key(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def change(key: str, previous: str = "") -> None:
        monkeypatch.setenv("APP_ENV", "test")
        monkeypatch.setenv("SECRET_KEY", key)
        monkeypatch.setenv("SECRET_KEY_PREVIOUS", previous)
        get_settings.cache_clear()

    change(KEY)
    return change


def _payload(**changes: object) -> dict[str, Any]:
    now = int(time.time())
    good = {
        "iss": "onramp-app",
        "aud": "onramp-app:access",
        "sub": "u1",
        "sid": "s1",
        "typ": "access",
        "iat": now,
        "exp": now + 600,
        "jti": "j1",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not MISSING}


def _by_hand(payload: dict[str, Any], header: dict[str, Any] = HEADER, key: bytes = KEY.encode()) -> str:
    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    body = f"{part(json.dumps(header).encode())}.{part(json.dumps(payload).encode())}"
    return f"{body}.{part(hmac.digest(key, body.encode(), hashlib.sha256)) if key else ''}"


def _issue(token_type: TokenType = TokenType.ACCESS) -> str:
    now = clock.now()
    return tokens.issue(token_type, CLAIMS, issued_at=now, expires_at=now + ACCESS_TOKEN_LIFE)


def test_a_token_names_its_user_and_session() -> None:
    assert tokens.verify(_issue(), TokenType.ACCESS) == CLAIMS
    assert tokens.verify(_issue(TokenType.SESSION), TokenType.SESSION) == CLAIMS


def test_a_token_made_by_hand_with_the_right_key_and_claims_is_accepted() -> None:
    # The control for everything below: each case fails only because of what it changes.
    assert tokens.verify(_by_hand(_payload()), TokenType.ACCESS) == CLAIMS


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "sid", "typ", "iat", "exp", "jti"])
@pytest.mark.parametrize("wrong", [MISSING, None, [], {}, ["onramp-app:access", "x"]], ids=repr)
def test_each_claim_is_demanded_in_its_type(claim: str, wrong: object) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(_by_hand(_payload(**{claim: wrong})), TokenType.ACCESS)


@pytest.mark.parametrize("claim", ["iss", "aud", "typ", "exp"])
@pytest.mark.parametrize("wrong", ["", "other", 5, True])
def test_each_claim_that_is_ours_to_judge_has_its_value(claim: str, wrong: object) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(_by_hand(_payload(**{claim: wrong})), TokenType.ACCESS)


@pytest.mark.parametrize("wrong", ["", "other", "1e9", float("nan"), float("inf")], ids=repr)
@pytest.mark.parametrize("claim", ["iat", "exp"])
def test_a_time_in_a_token_is_a_number(claim: str, wrong: object) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(_by_hand(_payload(**{claim: wrong})), TokenType.ACCESS)


@pytest.mark.parametrize("claim", ["sub", "sid", "jti"])
@pytest.mark.parametrize("wrong", [5, True, 1.5])
def test_names_in_a_token_are_text(claim: str, wrong: object) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(_by_hand(_payload(**{claim: wrong})), TokenType.ACCESS)


@pytest.mark.parametrize(
    "times", [{"exp": -6}, {"exp": -3600}, {"iat": 63, "exp": 600}, {"nbf": 60, "exp": 600}]
)
def test_a_token_outside_its_time_is_refused(times: dict[str, int]) -> None:
    changes = {name: int(time.time()) + seconds for name, seconds in times.items()}
    with pytest.raises(Unauthenticated):
        tokens.verify(_by_hand(_payload(**changes)), TokenType.ACCESS)


@pytest.mark.parametrize("ahead", [1, 7, 58])
def test_a_token_of_an_instance_whose_clock_is_ahead_is_accepted(ahead: int) -> None:
    changes = {"iat": int(time.time()) + ahead, "exp": int(time.time()) + ahead + 600}
    assert tokens.verify(_by_hand(_payload(**changes)), TokenType.ACCESS) == CLAIMS


def test_one_type_never_passes_for_another() -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(_issue(TokenType.SESSION), TokenType.ACCESS)
    with pytest.raises(Unauthenticated):
        tokens.verify(_issue(TokenType.ACCESS), TokenType.SESSION)
    for half in ({"typ": "session"}, {"aud": "onramp-app:session"}):
        for token_type in TokenType:
            with pytest.raises(Unauthenticated):
                tokens.verify(_by_hand(_payload(**half)), token_type)


@pytest.mark.parametrize("key", [b"", KEY.encode()], ids=["unsigned", "signed"])
@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "nOnE", "", "HS512", "HS384", "RS256", "ES256", "hs256", None]
)
def test_the_algorithm_is_not_the_callers_choice(algorithm: str | None, key: bytes) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(_by_hand(_payload(), {**HEADER, "alg": algorithm}, key), TokenType.ACCESS)


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_a_true_signature_of_another_algorithm_is_refused(algorithm: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(jwt.encode(_payload(), KEY, algorithm=algorithm), TokenType.ACCESS)


@pytest.mark.parametrize("key", ["x" * 48, "\0", KEY[:-1], KEY + "k", "null"])
def test_another_key_is_refused_whatever_the_header_says(key: str) -> None:
    header = {**HEADER, "kid": "../../dev/null", "jwk": {"kty": "oct", "k": "eA"}}
    with pytest.raises(Unauthenticated):
        tokens.verify(_by_hand(_payload(), header, key.encode()), TokenType.ACCESS)


@pytest.mark.parametrize(
    "token",
    [
        "", ".", "..", "a.b.c", "\0", "é.é.é", "x" * 100_000, "[" * 5000, "eyJhbGciOiJub25lIn0.e30.", " ",
        base64.urlsafe_b64encode(b"[" * 700).decode() + ".e30.eA",
        base64.urlsafe_b64encode(b"5").decode() + ".e30.eA",
    ],
    ids=lambda token: token[:12],
)  # fmt: skip
def test_what_is_no_token_at_all_is_refused(token: str) -> None:
    with pytest.raises(Unauthenticated):
        tokens.verify(token, TokenType.ACCESS)


def test_each_change_of_one_character_breaks_a_token() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token, accepted = _issue(), []
    for place, character in enumerate(token[:-1]):  # base64url leaves bits of the last character unused
        if character == ".":
            continue
        other = alphabet[(alphabet.index(character) + 32) % 64]
        try:
            accepted.append(tokens.verify(token[:place] + other + token[place + 1 :], TokenType.ACCESS))
        except Unauthenticated:
            continue
    assert accepted == []


def test_a_token_of_the_previous_key_is_accepted_until_that_key_is_gone(set_key: Callable[..., None]) -> None:
    old = _issue()
    set_key("n" * 48, KEY)
    assert tokens.verify(old, TokenType.ACCESS) == CLAIMS
    new = _issue()
    set_key("n" * 48)
    assert tokens.verify(new, TokenType.ACCESS) == CLAIMS
    with pytest.raises(Unauthenticated):
        tokens.verify(old, TokenType.ACCESS)


def test_an_expired_token_of_the_previous_key_stays_expired(set_key: Callable[..., None]) -> None:
    old = _by_hand(_payload(exp=int(time.time()) - 60))
    set_key("n" * 48, KEY)
    with pytest.raises(Unauthenticated):
        tokens.verify(old, TokenType.ACCESS)


def test_the_successor_depends_on_token_and_salt_and_on_no_key(set_key: Callable[..., None]) -> None:
    token, salt = tokens.new_refresh_token(), b"s" * 32
    successor = tokens.successor_of(token, salt)
    assert len(successor) == 43
    assert successor != token
    assert tokens.successor_of(token, b"t" * 32) != successor
    assert tokens.successor_of(tokens.new_refresh_token(), salt) != successor
    set_key("n" * 48)
    assert tokens.successor_of(token, salt) == successor
