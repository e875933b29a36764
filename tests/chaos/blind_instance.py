"""The application with a fault: no page learns that the database is back. For the control of a proof."""

from onramp_app.onramp_app import app
from onramp_app.web.tabs import push

__all__ = ["app"]

push.LOOK_EVERY_SECONDS = push.LOOK_EVERY_SECONDS_WHILE_AWAY = push._RETRY_SECONDS = 3600
