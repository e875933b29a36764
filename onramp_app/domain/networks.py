"""IP addresses: the address of a request's caller, the network it belongs to, and whether it is public."""

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
# The ranges that the special-purpose registries (RFC 6890, IANA) and multicast exclude from the internet.
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
# The one global unicast block of IPv6 (RFC 4291 section 2.4), except protocol assignments and Teredo,
# documentation, and 6to4, which embeds an IPv4 address. Mapped and translated IPv4 addresses (RFC 4291
# section 2.5.5, RFC 6052) are outside that block.
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
    """Return the address in an entry of `X-Forwarded-For` or in a server's name of its peer; "" for none.

    Proxies write it bare, with a port, or in brackets: `203.0.113.8:51234`, `[2001:db8::1]:4711`. An
    IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) becomes the IPv4 address. `unknown` and host names
    yield "".
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
    """Return the network of an address, the size that one customer gets: an IPv4 address, or an IPv6 /64."""
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address if parsed is None else str(parsed)


@lru_cache(maxsize=4096)
def is_loopback(address: str) -> bool:
    """Return whether the address is a loopback address."""
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
    """Return whether an address is a public one: not of this machine, a private network or a reserved range.

    We keep our own list, because what `ipaddress` calls global differs between Python versions and includes
    multicast and addresses that translate to private ones.
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
    """Where an address is, as far as the address alone tells."""

    THIS_MACHINE = "this_machine"
    PRIVATE = "private"
    CARRIER = "carrier"
    INTERNET = "internet"


def surroundings_of(address: str) -> Surroundings:
    """Return where an address is, as far as the address alone tells; anything not special is `INTERNET`."""
    if is_loopback(address):
        return Surroundings.THIS_MACHINE
    if is_within(address, _PRIVATE):
        return Surroundings.PRIVATE
    return Surroundings.CARRIER if is_within(address, _CARRIER) else Surroundings.INTERNET


def caller_of(peer: str, forwarded: Sequence[str], *, hops: int, is_proxy: Callable[[str], bool]) -> str:
    """Return the address of the caller; "" where it is unknown.

    Each proxy appends the address that it saw to `X-Forwarded-For`. So an entry can be trusted if a trusted
    proxy wrote it: the peer wrote the last entry, the address in that entry wrote the one before it, and so
        on.
    Entries further left may be forged.

    Args:
        peer: the address of the other end of the connection.
        forwarded: the header's lines, as received.
        hops: the greatest number of proxies to pass.
        is_proxy: returns whether an address is that of a trusted proxy.
    """
    address = address_in(peer)
    entries = ",".join(forwarded).rsplit(",", hops) if forwarded and hops else []
    for entry in entries[:0:-1] if len(entries) > hops else entries[::-1]:
        if not is_proxy(address) or not (seen := address_in(entry)):
            break
        address = seen
    return address
