"""Registers the address for the provider's webhooks, and asks the provider to send webhooks to it."""

import asyncio
import re
from urllib.parse import urlsplit

import structlog

from onramp_app.config import get_settings
from onramp_app.domain.errors import ApplicationError, FieldError, ValidationFailed
from onramp_app.providers.connection import get_provider

PATH = "/api/webhooks/onramp"
MAX_URL_CHARACTERS = 500
FIRST_WAIT_SECONDS, MAX_WAIT_SECONDS = 1.0, 60.0
_ORDER_ID = re.compile(r"[!-~]{1,64}")

_log = structlog.get_logger(__name__)


def own_address() -> str:
    """Return the address of our webhook route as the provider can reach it.

    Raises:
        ValidationFailed: `PUBLIC_URL` is not set, and the provider is not the simulator on this machine.
    """
    settings = get_settings()
    if settings.uses_simulator:
        return settings.local_api_url + PATH
    if settings.public_url is None:
        raise ValidationFailed("PUBLIC_URL is not set: name the address that the provider can reach.")
    return settings.public_url.rstrip("/") + PATH


async def register(address: str | None = None) -> str:
    """Register an address (by default our own) for the provider's webhooks, and return it.

    Raises:
        ValidationFailed: not an address, or not https where the provider is not the simulator.
        ProviderUnavailable: no answer, or a refusal; retry, or look at the provider's dashboard.
    """
    url = _checked(address if address is not None else own_address())
    await get_provider().set_webhook_url(url)
    return url


async def send_dummy(address: str | None = None) -> None:
    """Ask the provider to send its sample webhook to this address, or to the registered one.

    Raises what `register` raises.
    """
    await get_provider().send_dummy_webhook(None if address is None else _checked(address))


async def resend(order_id: str) -> None:
    """Ask the provider to send the webhook of a completed order again.

    Raises:
        ValidationFailed: not an order id.
        ProviderOrderGone: the provider does not know the order.
        ProviderUnavailable: no answer, or a refusal, as for an order that is not completed.
    """
    if not _ORDER_ID.fullmatch(order_id):
        message = "Use the provider's id of the order: 1 to 64 visible characters."
        raise ValidationFailed("This is not an order id.", errors=(FieldError("order_id", message),))
    await get_provider().resend_webhook(order_id)


async def register_with_simulator() -> None:
    """Register our own address with the simulator; retry with growing waits until that succeeds."""
    wait = FIRST_WAIT_SECONDS
    while True:
        try:
            url = await register()
        except ApplicationError as error:
            _log.warning("webhook address not registered", code=error.code, next_try_seconds=wait)
        else:
            _log.info("webhook address registered", url=url)
            return
        await asyncio.sleep(wait)
        wait = min(wait * 2, MAX_WAIT_SECONDS)


def _checked(url: str) -> str:
    schemes = ("http", "https") if get_settings().uses_simulator else ("https",)
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in schemes and bool(parts.hostname) and url.isascii() and url.isprintable()
        _ = parts.port  # reading it raises ValueError for an invalid port
    except ValueError:
        is_usable = False
    if not is_usable or len(url) > MAX_URL_CHARACTERS or " " in url:
        message = f"Use an address that begins with {' or '.join(s + '://' for s in schemes)}."
        raise ValidationFailed("This address cannot be registered.", errors=(FieldError("url", message),))
    return url
