"""The application with shorter deadlines: two seconds instead of ten, three for messages on sockets."""

import os

os.environ["REFLEX_SOCKET_INTERVAL"] = "1"
os.environ["REFLEX_SOCKET_TIMEOUT"] = "2"

from onramp_app.api.frame import bodies
from onramp_app.onramp_app import app

bodies.BODY_SECONDS = 2.0

__all__ = ["app"]
