"""The operator's way out to the internet: which proxy of the environment leads to an address.

HTTP libraries read the same variables unasked, end with a traceback at what they cannot parse, such as
a network in NO_PROXY, and may send what is meant for this machine to the proxy.
"""

import contextlib
import importlib.util
import ipaddress
import os
from urllib.parse import urlsplit

from onramp_app.config import ConfigurationError

_OWN_NAMES = ("localhost", "localhost.localdomain")


def proxy_for(url: str) -> str | None:
    """Return the address of the proxy by which `url` is reached, None for the direct way.

    Raises:
        ConfigurationError: one sentence; the proxy that the environment names cannot be used.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    name, given = _named(parts.scheme)
    if not given or _goes_direct(host):
        return None
    cure = f"name an HTTP proxy, as in {name}=http://host:3128, unset it, or add {host} to NO_PROXY"
    proxy = given if "://" in given else f"http://{given}"
    try:
        named = urlsplit(proxy)
        is_whole = bool(named.hostname) and named.port != 0 and not set(proxy) & set(" \t\r\n")
    except ValueError:
        is_whole = False
    if not is_whole or named.scheme not in ("http", "https", "socks5", "socks5h"):
        raise ConfigurationError(f"{name} is not the address of a proxy that can be used; {cure}.")
    if named.scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
        raise ConfigurationError(f"{name} names a SOCKS proxy, which needs the package socksio; {cure}.")
    return proxy


def usable_proxies() -> dict[str, str | None]:
    """Return what httpx is to make of the environment, in its form: scheme pattern → proxy or None.

    For Reflex, which looks for the nearest package registry; what cannot be used is left out.
    """
    found: dict[str, str | None] = {"all://localhost": None, "all://127.0.0.1": None, "all://[::1]": None}
    for scheme in ("http", "https"):
        with contextlib.suppress(ConfigurationError):
            if proxy := proxy_for(f"{scheme}://registry"):
                found[f"{scheme}://"] = proxy
    return found


def _named(scheme: str) -> tuple[str, str]:
    """Return the variable that counts for a scheme, and its value; small letters win, as everywhere."""
    for name in (f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"):
        if given := os.environ.get(name, "").strip():
            return name, given
    return "", ""


def _goes_direct(host: str) -> bool:
    address = None
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        if address.is_loopback or address.is_unspecified:
            return True
    if host in _OWN_NAMES or host.endswith(".localhost"):
        return True
    listed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    return any(_covers(entry.strip().lower(), host.lower(), address) for entry in listed.split(","))


def _covers(entry: str, host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> bool:
    """Return whether an entry of NO_PROXY covers a host: `*`, a network, an address or a parent domain."""
    if address is not None:
        with contextlib.suppress(ValueError):
            return address in ipaddress.ip_network(entry.replace("[", "").replace("]", ""), strict=False)
    name = entry.rpartition(":")[0] if entry.rpartition(":")[2].isdigit() else entry
    name = name.removeprefix("*").removeprefix(".")
    return entry == "*" or (bool(name) and (host == name or host.endswith(f".{name}")))
