"""Passwords that are known from leaks: the commonest, and where a service is set, all that it knows.

The commonest are the 30,000 that zxcvbn counts in the ten million leaked ones of Mark Burnett (README). All
others are asked by the range query of Have I Been Pwned (`PWNED_PASSWORDS_URL`): only the first five of forty
hexadecimal digits of a SHA-1 leave us. Some hundred leaked passwords share them, and the answer is padded, so
that its size says nothing either (haveibeenpwned.com/API/v3#PwnedPasswords).
"""

import hashlib
import ssl
from functools import cache

import httpx
from prometheus_client import Counter
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from onramp_app.config import get_settings
from onramp_app.proxies import proxy_for
from onramp_app.telemetry.faults import Fault

ANSWER_SECONDS = 2.0  # Somebody waits for it with a form in front of them.
MAX_ANSWER_BYTES = 256 * 1024  # A padded range has some 40 KiB.
_PREFIX = 5

_COMMONEST: frozenset[str] = frozenset(FREQUENCY_LISTS["passwords"])  # in small letters

_ASKED = Counter("leaked_password_lookups", "Look-ups of new passwords among leaked ones.", ["outcome"])
_AWAY = Fault(
    "leaked passwords",
    lasts="leaked passwords cannot be looked up: new ones are accepted without that",
    is_over="leaked passwords can be looked up again",
)


@cache
def _authorities() -> ssl.SSLContext:
    """Load the trusted certificates, with the operator's SSL_CERT_FILE: once a process, as it takes 40 ms."""
    return httpx.create_ssl_context()


async def is_leaked(password: str) -> bool:
    """Return whether the password stands in a leak, as far as known here and by who is asked.

    A service that is away keeps nobody from having an account: that is logged and counted.
    """
    if password.lower() in _COMMONEST:
        return True
    url = get_settings().pwned_passwords_url
    if url is None:
        return False
    # The service knows passwords by this hash; nothing here relies on it being hard to turn back.
    digest = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
    try:
        answer = await _ask(f"{url.rstrip('/')}/{digest[:_PREFIX]}", proxy=proxy_for(url))
        found = _count_of(digest[_PREFIX:], answer)
    except (httpx.HTTPError, ValueError) as error:
        _ASKED.labels("away").inc()
        _AWAY.happened(reason=type(error).__name__)
        return False
    _AWAY.over()
    _ASKED.labels("leaked" if found else "unknown").inc()
    return found > 0


async def _ask(url: str, *, proxy: str | None) -> str:
    client = httpx.AsyncClient(
        timeout=ANSWER_SECONDS,
        follow_redirects=False,
        # The answer is capped as it arrives; a compressed one could grow a thousandfold in one step.
        headers={"Add-Padding": "true", "Accept-Encoding": "identity"},
        trust_env=False,
        proxy=proxy,
        verify=_authorities(),
    )
    body = bytearray()
    async with client, client.stream("GET", url) as answer:
        answer.raise_for_status()
        if answer.status_code != httpx.codes.OK:
            raise ValueError("not an answer")
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > MAX_ANSWER_BYTES:
                raise ValueError("too long")
    return body.decode("ascii")


def _count_of(suffix: str, answer: str) -> int:
    """Return how often the password with this rest of a hash was found: 0 for padding and for no line."""
    for line in answer.splitlines():
        known, _, count = line.strip().partition(":")
        if known.upper() == suffix:
            return int(count)
    return 0
