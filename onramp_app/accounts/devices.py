"""Devices on which somebody has signed in before, known by a cookie that outlives the session.

The cookie grants no access. Attempts that come with the cookie are counted separately, so that somebody who
guesses from elsewhere never locks the owner out (OWASP: device cookies against guessing). The server stores
nothing. Each entry is a keyed hash of the device, the account and the account's password hash, so a change
of the password ends all entries, and nobody can make an entry without `SECRET_KEY`.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from jwt.utils import base64url_encode

from onramp_app.accounts import cookies
from onramp_app.config import get_settings
from onramp_app.domain import clock

LIFE = timedelta(days=180)
MAX_ACCOUNTS = 5
_SHAPE = re.compile(rf"[\w-]{{22}}(~[0-9a-f]{{1,10}}\.[\w-]{{22}}){{1,{MAX_ACCOUNTS}}}", re.ASCII)
_CODE_BYTES = 16


@dataclass(frozen=True, slots=True)
class Device:
    """One browser as its cookie presents it: a random id, and an entry for each account, newest first."""

    id: str
    entries: tuple[str, ...] = ()

    def is_known_to(self, user_id: str, password_hash: str, *, since: datetime | None = None) -> bool:
        """Return whether the account signed in on this device within `LIFE`, with its present password.

        With `since` only a sign-in of that second or later counts.
        """
        keys = [get_settings().secret_key, get_settings().secret_key_previous]
        texts = [key.get_secret_value() for key in keys if key is not None]
        oldest = int(max(clock.now() - LIFE, since or datetime.min.replace(tzinfo=UTC)).timestamp())
        return any(
            int(entry.partition(".")[0], 16) >= oldest
            and any(
                hmac.compare_digest(entry, self._entry(key, entry.partition(".")[0], user_id, password_hash))
                for key in texts
            )
            for entry in self.entries
        )

    def with_account(self, user_id: str, password_hash: str, *, at: datetime) -> str:
        """Return the cookie's value after a sign-in: the account's entry first, the oldest dropped."""
        key, since = get_settings().secret_key.get_secret_value(), f"{int(at.timestamp()):x}"
        others = [
            entry
            for entry in self.entries
            if not Device(self.id, (entry,)).is_known_to(user_id, password_hash)
        ]
        entries = [self._entry(key, since, user_id, password_hash), *others]
        return "~".join((self.id, *entries[:MAX_ACCOUNTS]))

    def _entry(self, key: str, since: str, user_id: str, password_hash: str) -> str:
        # The beginning keeps it apart from everything else that is signed with this key.
        content = "\0".join(("known device", self.id, since, user_id, password_hash))
        code = hmac.digest(key.encode(), content.encode(), hashlib.sha256)[:_CODE_BYTES]
        return f"{since}.{base64url_encode(code).decode()}"


def read_device(cookie_header: str) -> Device | None:
    """Return the device that a browser's cookies name, or None. No account may know the device."""
    value = cookies.read_cookie(cookie_header, cookies.device_cookie_name()) or ""
    if not _SHAPE.fullmatch(value):
        return None
    device_id, *entries = value.split("~")
    return Device(device_id, tuple(entries))


def new_device() -> Device:
    """Return a new device, which no account knows yet."""
    return Device(secrets.token_urlsafe(16))


# A User-Agent names other browsers too, for the sake of old sites. The first name here that occurs is meant.
_BROWSERS = {"Edg": "Edge", "OPR": "Opera", "Firefox": "Firefox", "Chrome": "Chrome", "Safari": "Safari"}
_SYSTEMS = {
    "Windows": "Windows",
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Mac OS X": "Mac",
    "Linux": "Linux",
}


def device_words(user_agent: str) -> tuple[str | None, str | None]:
    """Return the browser and the system that a User-Agent names, each None where we know no name for it."""
    return (
        next((name for sign, name in _BROWSERS.items() if sign in user_agent), None),
        next((name for sign, name in _SYSTEMS.items() if sign in user_agent), None),
    )


def kept_words(user_agent: str) -> str:
    """Return what is kept of a User-Agent for good: the names of browser and system that are in it."""
    return " ".join(name for name in device_words(user_agent) if name)
