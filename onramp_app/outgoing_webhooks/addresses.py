"""Where webhooks may go: the addresses that a program may write, and those that are connected to."""

import ipaddress
import re
from urllib.parse import urlsplit

from onramp_app.config import get_settings
from onramp_app.domain.networks import is_loopback, is_public
from onramp_app.outgoing_webhooks.words import MAX_URL_LENGTH

_VISIBLE = re.compile(rf"[!-~]{{8,{MAX_URL_LENGTH}}}")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\.?", re.IGNORECASE)
# Below 1024 lie the ports of mail, name and other servers, to which a request could say something.
_FIRST_FREE_PORT = 1024
_USUAL_PORTS = {"https": 443, "http": 80}


class UnusableUrl(ValueError):
    """Nothing can be sent to this address. The text says why, for the program."""


def clean_url(text: str) -> str:
    """Return the address of an endpoint as it is used. What its name resolves to is checked when it is.

    Raises:
        UnusableUrl: it is no address, or one that nothing is sent to.
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
    """Return whether a request may go to an IP address: one of the internet.

    Outside production also this machine, so that webhooks can be tried between two programs on a laptop.
    """
    return is_public(address) or (not get_settings().is_production and is_loopback(address))
