"""The process's connection to the provider, made when it is first needed. It belongs to one event loop."""

from functools import lru_cache

from onramp_app.config import get_settings
from onramp_app.providers.onramp.client import client_from, transport_from
from onramp_app.providers.port import Provider


@lru_cache(maxsize=1)
def get_provider() -> Provider:
    """Return the client of the settings."""
    settings = get_settings()
    return client_from(settings, transport_from(settings))


async def close() -> None:
    """Close the connection, at shutdown or before another event loop uses it."""
    if get_provider.cache_info().currsize:
        provider = get_provider()
        get_provider.cache_clear()
        await provider.close()
