"""The application with a fault: an instance that hears no announcements. For the controls of proofs."""

import os

from onramp_app import live
from onramp_app.onramp_app import app
from onramp_app.services import announcements

__all__ = ["app"]

announcements.ENDED_CHANNEL = "nobody_calls_here"
# What only the look finds is found sooner, so that the controls wait less.
live.LOOK_EVERY_SECONDS = float(os.environ["LOOK_EVERY_SECONDS"])
