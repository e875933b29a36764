"""Where webhooks may go: which URLs a program may register, and which IP addresses may be connected to."""

import ipaddress
import re
from urllib.parse import urlsplit

from onramp_app.config import get_settings
from onramp_app.domain.networks import is_loopback, is_public
from onramp_app.outgoing_webhooks.words import MAX_URL_LENGTH

_VISIBLE = re.compile(rf"[!-~]{{8,{MAX_URL_LENGTH}}}")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\.?", re.IGNORECASE)
# Mail, name and other servers listen on ports below 1024, and an HTTP request could mean something to them.
_FIRST_FREE_PORT = 1024
_USUAL_PORTS = {"https": 443, "http": 80}


class UnusableUrl(ValueError):
    """Webhooks cannot be sent to this URL. The text tells the program why."""


def clean_url(text: str) -> str:
    """Check the URL of an endpoint and return it. What its host resolves to is checked with each request.

    Raises:
        UnusableUrl: it is not a URL, or webhooks are not sent to such a URL.
    """
    if not _VISIBLE.fullmatch(text):
        raise UnusableUrl(f"Use a URL of visible ASCII characters, at most {MAX_URL_LENGTH} of them.")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise UnusableUrl("This is not a URL.") from None
    schemes = ("https",) if get_settings().is_production else ("https", "http")
    if parts.scheme not in schemes or not parts.hostname:
        raise UnusableUrl(f"Use a URL that begins with {' or '.join(f'{one}://' for one in schemes)}.")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise UnusableUrl("Leave out user name, password and #fragment: the signature proves who sends.")
    if port is not None and port != _USUAL_PORTS[parts.scheme] and port < _FIRST_FREE_PORT:
        raise UnusableUrl(f"Use port {_USUAL_PORTS[parts.scheme]}, or one from {_FIRST_FREE_PORT}.")
    _check_host(parts.hostname)
    return text


def _check_host(host: str) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if not _HOST.fullmatch(host):
            raise UnusableUrl("This is not the name of a host. Write international names as xn--…") from None
        return
    if not may_connect(str(address)):
        raise UnusableUrl("This is not an address of the internet.")


def may_connect(address: str) -> bool:
    """Return whether a request may go to an IP address, which must be a public one.

    Outside production, loopback is allowed too, so that webhooks can be tried between programs on a laptop.
    """
    return is_public(address) or (not get_settings().is_production and is_loopback(address))
