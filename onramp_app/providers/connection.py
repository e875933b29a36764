"""The provider in use: the only file that names an adapter.

Another provider is a folder beside `onramp/` that makes an `Adapter`, and a line here.
"""

from functools import lru_cache

from onramp_app.config import get_settings
from onramp_app.providers.adapter import Adapter
from onramp_app.providers.onramp.adapter import ONRAMP
from onramp_app.providers.port import Provider
from onramp_app.providers.webhooks import WebhookReader

ADAPTER: Adapter = ONRAMP


@lru_cache(maxsize=1)
def get_provider() -> Provider:
    """Return the process's connection, made when it is first needed. It belongs to one event loop."""
    return ADAPTER.connect(get_settings())


@lru_cache(maxsize=1)
def get_webhook_reader() -> WebhookReader:
    """Return the process's reader of webhooks."""
    return ADAPTER.webhook_reader(get_settings())


async def close() -> None:
    """Close the connection, at shutdown or before another event loop uses it."""
    if get_provider.cache_info().currsize:
        provider = get_provider()
        get_provider.cache_clear()
        await provider.close()
