"""Ends connections of networks that leave too few connections to others.

A network may hold half of the connections that this process can have. When four fifths of them are taken, the
networks that hold the most give way.

The server below accepts connections until no place is left, and reports none before its first request is
complete. So the open sockets of the process are examined themselves.
"""

import asyncio
import os
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress

import structlog
from prometheus_client import Counter

from onramp_app.config import get_settings
from onramp_app.domain.networks import network_of
from onramp_app.domain.shares import share_of_network
from onramp_app.local.server import max_connections
from onramp_app.throttle.callers import is_proxy

_LOOK_EVERY_SECONDS = 0.1
_FILES = "/dev/fd"
_ENDED = Counter("connections_ended", "Connections ended because their networks held too many.")
_log = structlog.get_logger(__name__)


@asynccontextmanager
async def watched_connections() -> AsyncIterator[None]:
    """Watch the connections of this process for as long as the context lasts."""
    watching = asyncio.create_task(_watch())
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _watch() -> None:
    places = max_connections()
    while True:
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
        with suppress(OSError):
            # Counting files is cheap, and while they are few no network can hold too many.
            if len(os.listdir(_FILES)) > share_of_network(places):
                end_beyond(places)


def most_for_each(held: Collection[int], places: int) -> int:
    """Return how many connections a network may keep, given what each network holds of `places`."""
    most = share_of_network(places)
    while most > 1 and sum(min(count, most) for count in held) * 5 > places * 4:
        most = most * 3 // 4
    return most


def end_beyond(places: int) -> int:
    """End the newest connections of each network that holds too many of `places`. Return how many ended."""
    held: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    accepted, ports = [], set()
    for name in os.listdir(_FILES):
        with suppress(OSError, ValueError), _copy_of(int(name)) as copy:
            address = copy.getsockname()
            if not isinstance(address, tuple) or copy.type != socket.SOCK_STREAM:
                continue
            if copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                ports.add(address[1])
            else:
                # Inode numbers of sockets rise, so the newest has the highest.
                number = os.fstat(copy.fileno()).st_ino
                accepted.append((address[1], copy.getpeername()[0], number, int(name)))
    hops = get_settings().trusted_proxy_hops
    for port, peer, number, file in accepted:
        if port in ports and not (hops and is_proxy(peer)):
            held[network_of(peer)].append((number, file))
    ended, most = 0, most_for_each([len(connections) for connections in held.values()], places)
    for connections in held.values():
        for number, file in sorted(connections)[most:]:
            ended += _end(file, number)
    if ended:
        _ENDED.inc(ended)
        _log.warning("connections ended: their networks held too many", ended=ended, most=most)
    return ended


def _copy_of(file: int) -> socket.socket:
    # A copy stays open on the same socket, whatever files the server closes and opens meanwhile.
    copy = os.dup(file)
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise


def _end(file: int, number: int) -> bool:
    with suppress(OSError), _copy_of(file) as copy:
        if os.fstat(copy.fileno()).st_ino == number:
            copy.shutdown(socket.SHUT_RDWR)
            return True
    return False
