"""The provider in use: the only file that names an adapter.

To add another provider, write a folder beside `onramp/` that defines an `Adapter`, and change one line here.
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
    """Return this process's connection, opened on first use. It belongs to one event loop."""
    return ADAPTER.connect(get_settings())


@lru_cache(maxsize=1)
def get_webhook_reader() -> WebhookReader:
    """Return this process's webhook reader."""
    return ADAPTER.webhook_reader(get_settings())


@lru_cache(maxsize=1)
def get_kyc_provider() -> KycProvider:
    """Return this process's connection to the provider's identity verification, opened on first use.

    Raises:
        ConfigurationError: ONRAMP_WHITE_LABEL is off.
    """
    return ADAPTER.connect_kyc(get_settings())


async def close() -> None:
    """Close the open connections, at shutdown or before another event loop needs its own."""
    for get in (get_provider, get_kyc_provider):
        if get.cache_info().currsize:
            connection: Provider | KycProvider = get()
            get.cache_clear()
            await connection.close()
