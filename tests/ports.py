"""A port for a server that a test starts."""

import secrets
import socket

# Below the ports that systems give to outgoing connections, 32768 and up on Linux: one of those may be
# somebody else's by the time that the server begins to listen.
_RANGE = range(10_000, 32_000)


def free_port() -> int:
    """Return a port on which nobody listens, chosen at random: tests that run beside each other differ."""
    while True:
        port = secrets.choice(_RANGE)  # not of `random`, which Hypothesis has repeat itself
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                continue
            return port
