"""Which addresses from the provider a person's browser may open. All others are shown as text only."""

from urllib.parse import urlsplit

MAX_LINK_CHARACTERS = 2048
_OWN_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def may_be_opened(url: str, *, is_simulated: bool = False) -> bool:
    """Return whether a browser may open the address: HTTPS, with a host and without credentials.

    Args:
        url: the address as the provider sent it.
        is_simulated: the provider is the simulator, which serves its pages on this machine without TLS.
    """
    # Browsers drop some characters outside visible ASCII, and read a backslash as a slash.
    if len(url) > MAX_LINK_CHARACTERS or not url.isascii() or not url.isprintable() or set(" \\") & set(url):
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port  # Reading it raises ValueError for an invalid port.
    except ValueError:
        return False
    is_on_this_machine = is_simulated and parts.scheme == "http" and parts.hostname in _OWN_HOSTS
    return (
        bool(parts.hostname) and "@" not in parts.netloc and (parts.scheme == "https" or is_on_this_machine)
    )
