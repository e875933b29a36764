"""The session cookie: its name, and finding it in what a browser sent."""

from onramp_app.config import get_settings

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
