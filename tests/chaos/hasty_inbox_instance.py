"""The application with a fault: it acknowledges webhooks before they are on disk. For a control test."""

from onramp_app.db.direct import HeldConnection, Use
from onramp_app.onramp_app import app
from onramp_app.provider_orders import inbox

__all__ = ["app"]


class _Hasty(HeldConnection):
    def __init__(self, use: Use, *, setup: str, answer_seconds: float) -> None:
        super().__init__(use, setup=setup.replace("= on", "= off"), answer_seconds=answer_seconds)


inbox.HeldConnection = _Hasty  # type: ignore[misc]
