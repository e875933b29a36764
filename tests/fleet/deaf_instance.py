"""The application with a fault: an instance that receives no announcements. For control tests."""

import os
from types import SimpleNamespace

from onramp_app.fleet import channels
from onramp_app.onramp_app import app
from onramp_app.wallet import announcements
from onramp_app.web.tabs import push

__all__ = ["app"]

announcements.channels = SimpleNamespace(**{**vars(channels), "SESSION_ENDED": "nobody_calls_here"})  # type: ignore[assignment]
# The regular look comes more often, so that the control tests wait less.
push.LOOK_EVERY_SECONDS = float(os.environ["LOOK_EVERY_SECONDS"])
