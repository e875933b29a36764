"""The application with a fault: webhooks that cannot be stored are acknowledged anyway. For a control."""

from contextlib import suppress

from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.onramp_app import app
from onramp_app.provider_orders.inbox import Arrival, Inbox

__all__ = ["app"]

_store = Inbox.store


async def _never_refuse(self: Inbox, arrival: Arrival) -> None:
    with suppress(DatabaseUnavailable):
        await _store(self, arrival)


Inbox.store = _never_refuse  # type: ignore[method-assign]
