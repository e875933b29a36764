"""The application that looks every two seconds, instead of ten, for what nobody announced."""

from onramp_app.onramp_app import app
from onramp_app.web.tabs import push

__all__ = ["app"]

push.LOOK_EVERY_SECONDS = 2
