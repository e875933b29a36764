"""The application with a fault: an instance that receives no announcements. For the controls of proofs."""

import os
from types import SimpleNamespace

from onramp_app.fleet import channels
from onramp_app.onramp_app import app
from onramp_app.wallet import announcements
from onramp_app.web.tabs import push

__all__ = ["app"]

announcements.channels = SimpleNamespace(**{**vars(channels), "SESSION_ENDED": "nobody_calls_here"})  # type: ignore[assignment]
# What only the look finds is found sooner, so that the controls wait less.
push.LOOK_EVERY_SECONDS = float(os.environ["LOOK_EVERY_SECONDS"])
