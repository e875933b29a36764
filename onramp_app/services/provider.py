"""The process's connection to the provider, made when it is first needed. It belongs to one event loop."""

from functools import lru_cache

from onramp_app.config import get_settings
from onramp_app.providers.onramp.client import client_from, transport_from
from onramp_app.providers.port import Provider
from onramp_app.services.options import OptionsReader
from onramp_app.services.quotes import SharedQuotes
from onramp_app.services.rates import RatesReader


@lru_cache(maxsize=1)
def get_provider() -> Provider:
    """Return the client of the settings."""
    settings = get_settings()
    return client_from(settings, transport_from(settings))


@lru_cache(maxsize=1)
def get_options() -> OptionsReader:
    """Return the reader of what can be chosen, which keeps the provider's configuration for a while."""
    return OptionsReader(get_provider(), get_settings().assets)


@lru_cache(maxsize=1)
def get_shared_quotes() -> SharedQuotes:
    """Return the quotes that people look at."""
    return SharedQuotes(get_provider())


@lru_cache(maxsize=1)
def get_rates() -> RatesReader:
    """Return the keeper of exchange rates."""
    return RatesReader(get_provider(), get_options(), assets=get_settings().assets)


async def disconnect() -> None:
    """Close the connection, at shutdown or before another event loop uses it."""
    if get_rates.cache_info().currsize:
        await get_rates().close()
        get_rates.cache_clear()
    get_shared_quotes.cache_clear()
    get_options.cache_clear()
    if get_provider.cache_info().currsize:
        provider = get_provider()
        get_provider.cache_clear()
        await provider.close()
