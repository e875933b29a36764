"""Where an add-money link leads back to, with a result that the program can verify.

Only addresses of `RETURN_ORIGINS` are led back to. The text of an address has to begin with such an origin,
letter by letter, and go on with `/` or `?`: what another program reads into the rest cannot change the host
(OWASP: unvalidated redirects and forwards).
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urlsplit

from onramp_app.config import get_settings
from onramp_app.domain.errors import FieldError, ValidationFailed
from onramp_app.links.words import MAX_RETURN_URL

# In the order in which they are signed.
SIGNED = ("link_id", "top_up_id", "status", "amount", "asset", "at")
SIGNATURE = "signature"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a link as of `at`.

    `status` is the top-up's, `canceled` where the person left before there was one. `amount` of `asset` is
    what arrived, in whole units; both are empty before.
    """

    link_id: str
    status: str
    at: datetime
    top_up_id: str = ""
    amount: str = ""
    asset: str = ""

    def members(self) -> dict[str, str]:
        """Return what is signed by its names, in the order in which it is signed."""
        values = (
            self.link_id,
            self.top_up_id,
            self.status,
            self.amount,
            self.asset,
            str(int(self.at.timestamp())),
        )
        return dict(zip(SIGNED, values, strict=True))


def check_return_url(url: str) -> None:
    """Refuse an address that a link may not lead back to.

    Raises:
        ValidationFailed: it is none of `RETURN_ORIGINS`, or not in a form that all programs read alike.
    """
    if (problem := _problem_of(url)) is not None:
        raise ValidationFailed(
            "One or more fields cannot be used.", errors=(FieldError("return_url", problem),)
        )


def is_allowed(url: str) -> bool:
    """Return whether an address is of `RETURN_ORIGINS`, which may have changed since a link was made."""
    return any(
        url == origin or url.startswith((f"{origin}/", f"{origin}?"))
        for origin in get_settings().return_origins
    )


def host_of(url: str) -> str:
    """Return the host of an allowed address, with its port where it has one, as people read it."""
    return urlsplit(url).netloc


def return_address(url: str, result: Result, *, secret: str) -> str:
    """Return the address with the result and its signature added to its query."""
    members = result.members()
    members[SIGNATURE] = signature_of(members, secret=secret)
    return f"{url}{'&' if '?' in url else '?'}{urlencode(members)}"


def signature_of(members: dict[str, str], *, secret: str) -> str:
    """Return HMAC-SHA256 over the values with a bar between them, in small hexadecimal digits."""
    text = "|".join(members[name] for name in SIGNED)
    return hmac.digest(secret.encode(), text.encode(), hashlib.sha256).hex()


def _problem_of(url: str) -> str | None:
    if len(url) > MAX_RETURN_URL:
        return f"Use at most {MAX_RETURN_URL} characters."
    if not url.isascii() or not url.isprintable() or set(url) & set(' \\<>"#'):
        return "Use visible ASCII without blanks, quotes, backslashes and a fragment."
    if not is_allowed(url):
        return "It must begin with an origin of RETURN_ORIGINS, as that setting writes it."
    names = {name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)}
    if taken := sorted(names & {*SIGNED, SIGNATURE}):
        return f"We add {', '.join(taken)} ourselves."
    return None
