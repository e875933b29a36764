"""The application with a fault: no page is asked to reload or shown what is down. For a control."""

import asyncio

from onramp_app.onramp_app import app
from onramp_app.web.tabs.push import Tabs

__all__ = ["app"]


async def _rest(_self: Tabs) -> None:
    await asyncio.Event().wait()


Tabs.load_again = _rest  # type: ignore[method-assign]
