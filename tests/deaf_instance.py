"""The application with a fault: an instance that hears no announcements. For the controls of proofs."""

from onramp_app.onramp_app import app
from onramp_app.services import announcements

__all__ = ["app"]

announcements.ENDED_CHANNEL = "nobody_calls_here"
