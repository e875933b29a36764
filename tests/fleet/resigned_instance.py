"""The application with a fault: a tab that could not be redirected is dropped, not retried. For a control."""

import contextlib
from typing import Any

from onramp_app.onramp_app import app
from onramp_app.web.tabs.push import Tabs

__all__ = ["app"]

_lead_to_login = Tabs._lead_to_login


async def _try_once(self: Tabs, *arguments: Any) -> None:
    with contextlib.suppress(Exception):
        await _lead_to_login(self, *arguments)


Tabs._lead_to_login = _try_once  # type: ignore[method-assign]
