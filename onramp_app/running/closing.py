"""Closes what a process holds open towards the provider."""

from onramp_app.pricing.catalogue import get_options
from onramp_app.pricing.quotes import get_shared_quotes
from onramp_app.pricing.rates import get_rates
from onramp_app.providers.connection import get_provider


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
