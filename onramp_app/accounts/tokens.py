"""Signed tokens, which name an account and a session, nothing more. The row says what a session may do.

HS256 is the only algorithm and every claim is demanded (RFC 8725 sections 3.1, 3.8 to 3.12). A token is
signed with `SECRET_KEY`; one signed with `SECRET_KEY_PREVIOUS` is still accepted, so that a change of the
key signs nobody out.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import jwt

from onramp_app.config import get_settings
from onramp_app.domain import clock
from onramp_app.domain.errors import Unauthenticated
from onramp_app.domain.ids import new_id

_ALGORITHM = "HS256"
_ISSUER = "onramp-app"
_CLAIMS = ("iss", "aud", "sub", "sid", "typ", "iat", "exp", "jti")
_MAX_LENGTH = 1024  # tokens of this application have about 350 characters
_CLOCK_SKEW_SECONDS = 5  # between instances
# A moment of issue ends nothing, so instances whose clocks differ more may still read each other's tokens.
_ISSUED_AHEAD_SECONDS = 60


class TokenType(StrEnum):
    """What a token is for. One type is never accepted as another: the audience differs too."""

    ACCESS = "access"
    SESSION = "session"
    # The password was right, and the second factor is still missing. It opens nothing.
    FIRST_STEP = "first_step"
    # A narrow session of an add-money link. It opens that link and nothing else.
    LINK = "link"


@dataclass(frozen=True, slots=True)
class Claims:
    """The account and the session that a token names."""

    user_id: str
    session_id: str


def issue(
    token_type: TokenType, claims: Claims, *, issued_at: datetime, expires_at: datetime, token_id: str = ""
) -> str:
    """Return a signed token. Times are cut to whole seconds; `token_id` is a new one unless given."""
    payload = {
        "iss": _ISSUER,
        "aud": f"{_ISSUER}:{token_type}",
        "sub": claims.user_id,
        "sid": claims.session_id,
        "typ": token_type.value,
        "iat": int(issued_at.timestamp()),
        "exp": int(expires_at.timestamp()),
        "jti": token_id or new_id(),
    }
    return jwt.encode(payload, get_settings().secret_key.get_secret_value(), algorithm=_ALGORITHM)


def verify(token: str, token_type: TokenType) -> Claims:
    """Return the account and the session that a token names.

    Raises:
        Unauthenticated: the text is not a valid token of this type; the error does not say why.
    """
    settings = get_settings()
    keys = [settings.secret_key, settings.secret_key_previous]
    for key in (key.get_secret_value() for key in keys if key is not None):
        try:
            return _decode(token, key, token_type)
        except jwt.InvalidSignatureError:
            continue
        except (jwt.PyJWTError, ValueError):
            break
    raise Unauthenticated("Sign in to continue.")


def _decode(token: str, key: str, token_type: TokenType) -> Claims:
    if len(token) > _MAX_LENGTH:
        raise ValueError("too long")
    payload = jwt.decode(
        token,
        key,
        algorithms=[_ALGORITHM],
        issuer=_ISSUER,
        audience=f"{_ISSUER}:{token_type}",
        leeway=_CLOCK_SKEW_SECONDS,
        options={"require": list(_CLAIMS), "strict_aud": True, "verify_iat": False},
    )
    issued_at = payload["iat"]
    if type(issued_at) is not int or issued_at > clock.now().timestamp() + _ISSUED_AHEAD_SECONDS:
        raise ValueError("issued in the future")
    if payload["typ"] != token_type.value or not isinstance(payload["sid"], str):
        raise ValueError("another type")
    return Claims(user_id=payload["sub"], session_id=payload["sid"])


def new_refresh_token() -> str:
    """Return an opaque token of 256 random bits."""
    return secrets.token_urlsafe(32)


def refresh_token_hash(token: str) -> bytes:
    """Return the hash to store of a refresh token. Tokens are random, so a plain hash cannot be searched."""
    return hashlib.sha256(token.encode()).digest()


def successor_of(token: str, salt: bytes) -> str:
    """Return the refresh token that follows `token`, the same one each time.

    The salt is random and kept in the row of the spent token. So neither the database alone nor a stolen
    token alone yields the successor, and a change of `SECRET_KEY` does not alter it.
    """
    digest = hmac.digest(token.encode(), b"refresh token successor\0" + salt, "sha256")
    return jwt.utils.base64url_encode(digest).decode()
