"""Finds the addresses of this machine on which a TCP port is open, from Linux's /proc."""

import ipaddress
from pathlib import Path

_LISTEN = "0A"


def listening_at(port: int) -> set[str]:
    """Return the addresses at which connections to a port are accepted."""
    found = set()
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net") / table
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            _, place, _, state = line.split()[:4]
            host, _, number = place.partition(":")
            if state == _LISTEN and int(number, 16) == port:
                # The address is written in words of four bytes, each in the machine's byte order.
                words = (bytes.fromhex(host[i : i + 8])[::-1] for i in range(0, len(host), 8))
                found.add(str(ipaddress.ip_address(b"".join(words))))
    return found
