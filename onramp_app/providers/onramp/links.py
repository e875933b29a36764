"""Addresses that the provider gives and a person's browser may open. Everything else it says is only text."""

from urllib.parse import urlsplit

MAX_LINK_CHARACTERS = 2048
_OWN_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def may_be_opened(url: str, *, is_simulated: bool = False) -> bool:
    """Return whether a browser may open the address: a secure page on a named host, without credentials.

    Args:
        url: as the provider gave it.
        is_simulated: the provider is the simulator, which serves its pages on this machine without TLS.
    """
    # A browser drops some of what is no visible ASCII, and reads a backslash as a slash.
    if len(url) > MAX_LINK_CHARACTERS or not url.isascii() or not url.isprintable() or set(" \\") & set(url):
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port  # Read only to have it checked.
    except ValueError:
        return False
    is_on_this_machine = is_simulated and parts.scheme == "http" and parts.hostname in _OWN_HOSTS
    return (
        bool(parts.hostname) and "@" not in parts.netloc and (parts.scheme == "https" or is_on_this_machine)
    )
