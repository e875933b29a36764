"""The application that looks every two seconds, instead of ten, for what nobody announced."""

from onramp_app import live
from onramp_app.onramp_app import app

__all__ = ["app"]

live.LOOK_EVERY_SECONDS = 2
