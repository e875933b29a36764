"""Picks a free port for a server that a test starts."""

import secrets
import socket

# Below the ephemeral ports (32768 and up on Linux): one of those may be taken by an outgoing connection by
# the time the server starts to listen.
_RANGE = range(10_000, 32_000)


def free_port() -> int:
    """Return an unused port, chosen at random so that tests running in parallel get different ones."""
    while True:
        port = secrets.choice(_RANGE)  # not `random`, which Hypothesis seeds to repeat
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            return port
