"""Which environment this instance works in: every provider order, top-up and transfer carries the word."""

from urllib.parse import urlsplit

from onramp_app.config import Settings, get_settings
from onramp_app.domain.ledger import Environment

_OWN_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def environment_of(settings: Settings) -> Environment:
    """Return `live` in production, `simulator` on our own machine, else `sandbox`."""
    if settings.is_production:
        return Environment.LIVE
    host = urlsplit(settings.onramp_api_url or "http://localhost").hostname
    return Environment.SIMULATOR if host in _OWN_HOSTS else Environment.SANDBOX


def current_environment() -> Environment:
    """Return the environment of the process's settings."""
    return environment_of(get_settings())
