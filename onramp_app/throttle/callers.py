"""Where a request or a socket comes from. One place decides, for the API, the pages and the records.

`X-Forwarded-For` counts only from a trusted proxy (`TRUSTED_PROXIES`), and at most `TRUSTED_PROXY_HOPS` of
them are passed. `X-Forwarded-Proto` and `X-Forwarded-Host` count nowhere: `PUBLIC_URL` is the name in use.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from onramp_app.config import get_settings
from onramp_app.domain.networks import caller_of, is_loopback, is_within

_FIRST_REQUESTS = 20
_log = structlog.get_logger(__name__)


class _FirstForwarded:
    """Whether the first forwarded requests came through other proxies than the settings say.

    If so, all people have the address of a proxy, and share one network's limits. One caller can forge the
    header, so half of the first requests have to show it; and the warning is logged once.
    """

    def __init__(self) -> None:
        self._requests = 0
        self._longer = 0
        self._unknown = 0

    def notice(self, entries: int, hops: int, *, is_from_proxy: bool) -> None:
        """Take note of how many addresses one request came with, and whether it came from a trusted proxy."""
        if self._requests == _FIRST_REQUESTS:
            return
        self._requests += 1
        self._longer += is_from_proxy and entries > hops
        self._unknown += not is_from_proxy
        if is_from_proxy and entries > hops and self._longer == _FIRST_REQUESTS // 2:
            _log.warning(
                "requests come through more proxies than TRUSTED_PROXY_HOPS counts: many people may share one"
                " address and its limits (or callers write X-Forwarded-For themselves)",
                counted=hops,
                entries=entries,
            )
        if not is_from_proxy and self._unknown == _FIRST_REQUESTS // 2:
            _log.warning(
                "forwarded requests come from an address that TRUSTED_PROXIES does not name: many people may"
                " share it and its limits (or callers write X-Forwarded-For themselves)"
            )


_first_forwarded = _FirstForwarded()


def is_proxy(address: str) -> bool:
    """Return whether the address is that of a trusted proxy (`TRUSTED_PROXIES`)."""
    return is_within(address, get_settings().trusted_proxies)


def _peer(scope: Mapping[str, Any]) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _forwarded(scope: Mapping[str, Any]) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]


def address_of(scope: Mapping[str, Any]) -> str:
    """Return the address of the sender of a request or socket, by its ASGI scope; "" when it has none."""
    peer, forwarded, hops = _peer(scope), _forwarded(scope), get_settings().trusted_proxy_hops
    if forwarded and hops:
        entries = sum(line.count(",") + 1 for line in forwarded)
        _first_forwarded.notice(entries, hops, is_from_proxy=is_proxy(peer))
    return caller_of(peer, forwarded, hops=hops, is_proxy=is_proxy)


def is_this_machine(scope: Mapping[str, Any]) -> bool:
    """Return whether the request comes from a program on this machine, not through a proxy on it."""
    return is_loopback(_peer(scope)) and not _forwarded(scope)
