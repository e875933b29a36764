"""The application with a fault: a public event drops a tab whose session ended without redirecting it."""

from typing import Any

from onramp_app.onramp_app import app
from onramp_app.web.tabs import admission
from onramp_app.web.tabs.admission import SessionMiddleware

__all__ = ["app"]

_preprocess = SessionMiddleware.preprocess


async def _forget(self: SessionMiddleware, app: Any, state: Any, event: Any) -> Any:
    outcome = await _preprocess(self, app, state, event)
    leads_away = outcome is not None and any(one.name == "_redirect" for one in outcome.events)
    return outcome if not leads_away or admission._is_private(event) else None


SessionMiddleware.preprocess = _forget  # type: ignore[method-assign]
