"""The two cookies of the browser: the session, and what was typed into a form that was refused."""

import base64
import json
from collections.abc import Mapping

from onramp_app.config import get_settings

FORM_COOKIE = "form"
FORM_SECONDS = 120
_FORM_FIELDS = frozenset({"email", "display_name", "country", "display_currency"})
_MAX_FIELD_LENGTH = 254
_MAX_HEADER_LENGTH = 16_384


def session_cookie_name() -> str:
    """Return the session cookie's name.

    In production the prefix makes browsers refuse one that another host of the domain has set
    (RFC 6265bis section 4.1.3.2); it demands Secure, which plain HTTP on localhost cannot give.
    """
    return "__Host-session" if get_settings().is_production else "session"


def read_cookie(cookie_header: str, name: str) -> str | None:
    """Return the first cookie of that name from a `Cookie` header, however odd the rest of it is."""
    for pair in cookie_header[:_MAX_HEADER_LENGTH].split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return value.strip('"')
    return None


def encode_form(typed: Mapping[str, str]) -> str:
    """Return the value of the form cookie: what was typed, never a password."""
    kept = {name: text[:_MAX_FIELD_LENGTH] for name, text in typed.items() if name in _FORM_FIELDS and text}
    return base64.urlsafe_b64encode(json.dumps(kept, ensure_ascii=False).encode()).decode().rstrip("=")


def read_form(cookie_header: str) -> dict[str, str]:
    """Return what was typed into the refused form, by field; empty when there is nothing usable."""
    value = read_cookie(cookie_header, FORM_COOKIE) or ""
    try:
        typed = json.loads(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(typed, dict):
        return {}
    return {
        name: text[:_MAX_FIELD_LENGTH]
        for name, text in typed.items()
        if name in _FORM_FIELDS and isinstance(text, str)
    }
