"""The provider in use: the only file that names an adapter.

Another provider is a folder beside `onramp/` that makes an `Adapter`, and a line here.
"""

from functools import lru_cache

from onramp_app.config import get_settings
from onramp_app.providers.adapter import Adapter
from onramp_app.providers.onramp.adapter import ONRAMP
from onramp_app.providers.port import KycProvider, Provider
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


@lru_cache(maxsize=1)
def get_kyc_provider() -> KycProvider:
    """Return the process's connection to the provider's own verification of people, as `get_provider` does.

    Raises:
        ConfigurationError: ONRAMP_WHITE_LABEL is off.
    """
    return ADAPTER.connect_kyc(get_settings())


async def close() -> None:
    """Close the connections, at shutdown or before another event loop uses them."""
    for get in (get_provider, get_kyc_provider):
        if get.cache_info().currsize:
            connection: Provider | KycProvider = get()
            get.cache_clear()
            await connection.close()
