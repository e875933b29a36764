"""Our cookies: their names, and finding one in what a browser sent."""

from onramp_app.config import get_settings

_MAX_HEADER_LENGTH = 16_384


def session_cookie_name() -> str:
    """Return the session cookie's name.

    In production the prefix makes browsers refuse one that another host of the domain has set
    (RFC 6265bis section 4.1.3.2); it demands Secure, which plain HTTP on localhost cannot give.
    """
    return _named("session")


def device_cookie_name() -> str:
    """Return the name of the cookie that outlives sessions (`accounts.devices`)."""
    return _named("device")


def _named(name: str) -> str:
    return f"__Host-{name}" if get_settings().is_production else name


def read_cookie(cookie_header: str, name: str) -> str | None:
    """Return the first cookie of that name from a `Cookie` header, however odd the rest of it is."""
    for pair in cookie_header[:_MAX_HEADER_LENGTH].split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return value.strip('"')
    return None
