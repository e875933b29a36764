"""Reads the two-minute `form` cookie: what a person typed into a form that the API sent back.

The cookie comes from a browser, so anything may stand in it: what is not a short text is dropped.
"""

import base64
import binascii
import json

from onramp_app.accounts.cookies import read_cookie

FLASH_COOKIE = "form"
_MAX_COOKIE_LENGTH = 4096
_MAX_VALUE_LENGTH = 254


def read_flash(header: str) -> dict[str, str]:
    """Return the typed values by field name; never a password, which the API does not keep."""
    raw = read_cookie(header, FLASH_COOKIE) or ""
    if not raw or len(raw) > _MAX_COOKIE_LENGTH:
        return {}
    try:
        values = json.loads(base64.b64decode(raw + "=" * (-len(raw) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    if not isinstance(values, dict):
        return {}
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, str) and len(value) <= _MAX_VALUE_LENGTH and "password" not in name
    }
