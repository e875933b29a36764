"""The application with a fault: no page notices that the database is back. For a control test."""

from onramp_app.onramp_app import app
from onramp_app.web.tabs import push

__all__ = ["app"]

push.LOOK_EVERY_SECONDS = push.LOOK_EVERY_SECONDS_WHILE_AWAY = push._RETRY_SECONDS = 3600
