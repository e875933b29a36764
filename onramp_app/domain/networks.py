"""Network addresses of requests: which one to trust, and which belong together."""

import ipaddress
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# RFC 1918, RFC 4193, RFC 3927, RFC 4291 section 2.5.6
_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "fc00::/7",
        "169.254.0.0/16",
        "fe80::/10",
    )
)
_CARRIER = (ipaddress.ip_network("100.64.0.0/10"),)  # RFC 6598
# What the registries of special-purpose addresses (RFC 6890, IANA) and of multicast keep from the internet.
_NOT_PUBLIC = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# The one block of IPv6 that is the internet (RFC 4291 section 2.4), without what leads elsewhere: protocols'
# own addresses and Teredo, documentation, and 6to4, which holds an IPv4 address. Mapped and translated IPv4
# addresses (RFC 4291 section 2.5.5, RFC 6052) lie outside of it.
_PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_IPV6 = tuple(
    ipaddress.IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
_MAX_LENGTH = 80  # the longest IPv6 address with its zone, brackets and port


def _parsed(text: str) -> _Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


@lru_cache(maxsize=4096)
def address_in(entry: str) -> str:
    """Return the address in an entry of `X-Forwarded-For`, or in what a server names its peer; "" for none.

    Proxies write it bare, with a port, or in brackets: `203.0.113.8:51234`, `[2001:db8::1]:4711`. An IPv4
    address inside IPv6 (RFC 4291 section 2.5.5.2) is the IPv4 address. `unknown` and names are none.
    """
    text = entry.strip()
    if len(text) > _MAX_LENGTH:
        return ""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return str(_parsed(text) or "")


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return the network of an address, as large as one customer has: an IPv4 address, or an IPv6 /64."""
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address if parsed is None else str(parsed)


@lru_cache(maxsize=4096)
def is_loopback(address: str) -> bool:
    """Return whether the address is that of a program on this machine."""
    parsed = _parsed(address)
    return parsed is not None and parsed.is_loopback


@lru_cache(maxsize=4096)
def is_within(address: str, networks: tuple[Network, ...]) -> bool:
    """Return whether the address lies in any of the networks."""
    parsed = _parsed(address)
    return parsed is not None and any(
        parsed in network for network in networks if network.version == parsed.version
    )


def is_public(address: str) -> bool:
    """Return whether an address is one of the internet: no machine of ours, of a private network or of none.

    A list of our own, since what `ipaddress` calls global differs from one Python to the next, and holds
    multicast and addresses that are translated to private ones.
    """
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv4Address):
        return not any(parsed in network for network in _NOT_PUBLIC)
    return (
        parsed is not None
        and parsed in _PUBLIC_IPV6
        and not any(parsed in network for network in _NOT_PUBLIC_IPV6)
    )


class Surroundings(StrEnum):
    """What an address alone says about where it is."""

    THIS_MACHINE = "this_machine"
    PRIVATE = "private"
    CARRIER = "carrier"
    INTERNET = "internet"


def surroundings_of(address: str) -> Surroundings:
    """Return where an address is, as far as it says so: addresses of the internet say nothing more."""
    if is_loopback(address):
        return Surroundings.THIS_MACHINE
    if is_within(address, _PRIVATE):
        return Surroundings.PRIVATE
    return Surroundings.CARRIER if is_within(address, _CARRIER) else Surroundings.INTERNET


def caller_of(peer: str, forwarded: Sequence[str], *, hops: int, is_proxy: Callable[[str], bool]) -> str:
    """Return the address of the caller; "" where it is unknown.

    Each proxy appends the address that it saw to `X-Forwarded-For`. So an entry is true when the one who
    wrote it is a trusted proxy: the peer wrote the last entry, the address in that entry the one before it,
    and so on. Entries further left may be made up.

    Args:
        peer: the other end of the connection.
        forwarded: the header's lines, as they came.
        hops: how many proxies may be passed at most.
        is_proxy: whether an address is that of a trusted proxy.
    """
    address = address_in(peer)
    entries = ",".join(forwarded).rsplit(",", hops) if forwarded and hops else []
    for entry in entries[:0:-1] if len(entries) > hops else entries[::-1]:
        if not is_proxy(address) or not (seen := address_in(entry)):
            break
        address = seen
    return address
