"""The cookies of this application: their names, how to find one in a header, and what a typed form keeps."""

import base64
import binascii
import json
from collections.abc import Mapping

from onramp_app.config import get_settings

# What a person typed into a form that was sent back: read by the page that shows the form once more.
FORM_COOKIE = "form"
FORM_SECONDS = 120
_FORM_FIELDS = {"email": 254, "display_name": 80, "country": 2, "display_currency": 3}  # never a password
_MAX_FORM_LENGTH = 4096
_MAX_HEADER_LENGTH = 16_384


def session_cookie_name() -> str:
    """Return the session cookie's name.

    In production the prefix makes browsers refuse one that another host of the domain has set
    (RFC 6265bis section 4.1.3.2); it demands Secure, which plain HTTP on localhost cannot give.
    """
    return _named("session")


def link_cookie_name() -> str:
    """Return the name of the cookie of a browser that opened an add-money link (`links.sessions`)."""
    return _named("link")


def device_cookie_name() -> str:
    """Return the name of the cookie that outlives sessions (`accounts.devices`)."""
    return _named("device")


def first_step_cookie_name() -> str:
    """Return the name of the cookie that says that the password was right, and a code is still missing."""
    return _named("first-step")


def _named(name: str) -> str:
    return f"__Host-{name}" if get_settings().is_production else name


def read_cookie(cookie_header: str, name: str) -> str | None:
    """Return the first cookie called `name` in a `Cookie` header, even where the rest is malformed."""
    for pair in cookie_header[:_MAX_HEADER_LENGTH].split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return value.strip('"')
    return None


def form_cookie_value(typed: Mapping[str, str]) -> str:
    """Return the value of the `form` cookie: the typed fields that may be kept, each cut to its length."""
    kept = {name: typed[name][:length] for name, length in _FORM_FIELDS.items() if name in typed}
    return base64.urlsafe_b64encode(json.dumps(kept, ensure_ascii=False).encode()).decode().rstrip("=")


def read_form_cookie(cookie_header: str) -> dict[str, str]:
    """Return the typed fields of the `form` cookie by name.

    A browser sent the cookie, so anything may stand in it: only a known field with a text of bearable length
    is returned.
    """
    value = read_cookie(cookie_header, FORM_COOKIE) or ""
    if not value or len(value) > _MAX_FORM_LENGTH:
        return {}
    try:
        typed = json.loads(base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    if not isinstance(typed, dict):
        return {}
    return {
        name: typed[name]
        for name, length in _FORM_FIELDS.items()
        if isinstance(typed.get(name), str) and len(typed[name]) <= length
    }
