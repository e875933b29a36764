"""Serves an application under the limits of `rxconfig.py`, as `reflex run` does.

Arguments: ADDRESS PORT APP SECONDS, the last being how long a client may take to send its headers.
"""

import sys

from granian import server
from granian.constants import Interfaces
from granian.log import LogLevels

import rxconfig  # as every reflex command imports it
from onramp_app.local import server as limits

assert rxconfig.config
if __name__ == "__main__":
    address, port, app, header_seconds = sys.argv[1:]
    limits.HEADER_SECONDS = int(header_seconds)
    server.Server(
        target=app,
        factory=True,
        address=address,
        port=int(port),
        interface=Interfaces.ASGI,
        log_level=LogLevels.info,
        workers=1,
    ).serve()
