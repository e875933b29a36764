"""At which addresses of this machine somebody listens, as Linux reveals it."""

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
                # Words of four bytes, each in the order of the machine.
                words = (bytes.fromhex(host[i : i + 8])[::-1] for i in range(0, len(host), 8))
                found.add(str(ipaddress.ip_address(b"".join(words))))
    return found
