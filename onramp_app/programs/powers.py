"""What a key may do, from where and how often: as operators write it, checked."""

import ipaddress
import re
from dataclasses import dataclass
from datetime import timedelta

from onramp_app.domain.errors import FieldError, ValidationFailed
from onramp_app.programs.words import (
    DEFAULT_REQUESTS_PER_MINUTE,
    MAX_NAME_LENGTH,
    MAX_NETWORKS,
    MAX_REQUESTS_PER_MINUTE,
    MOST_OVERLAP,
    Scope,
)

_SPAN = re.compile(r"([0-9]{1,5})([mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_IPV4_IN_IPV6 = ipaddress.IPv6Network("::ffff:0:0/96")


@dataclass(frozen=True, slots=True)
class Powers:
    """What a key may do. `networks` is empty where it works from anywhere."""

    scopes: tuple[str, ...]
    networks: tuple[str, ...] = ()
    requests_per_minute: int = DEFAULT_REQUESTS_PER_MINUTE

    def __post_init__(self) -> None:
        if not 1 <= self.requests_per_minute <= MAX_REQUESTS_PER_MINUTE:
            raise _unusable("per-minute", f"Use a number from 1 to {MAX_REQUESTS_PER_MINUTE}.")

    @property
    def words(self) -> dict[str, str]:
        """The powers as text, for the record and for what a second operator confirms."""
        return {
            "scopes": ",".join(self.scopes),
            "networks": ",".join(self.networks),
            "requests_per_minute": str(self.requests_per_minute),
        }


@dataclass(frozen=True, slots=True)
class Changes:
    """How the powers of a new key differ from those of the one before; None leaves one as it was."""

    scopes: tuple[str, ...] | None = None
    networks: tuple[str, ...] | None = None
    requests_per_minute: int | None = None

    def made_to(self, before: Powers) -> Powers:
        """Return the powers with these changes. Raises `ValidationFailed`."""
        return Powers(
            before.scopes if self.scopes is None else self.scopes,
            before.networks if self.networks is None else self.networks,
            before.requests_per_minute if self.requests_per_minute is None else self.requests_per_minute,
        )


def clean_name(text: str) -> str:
    """Return the name of a program. Raises `ValidationFailed`: people read it in mails."""
    name = text.strip()
    if not 1 <= len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        raise _unusable("name", f"Use one line of 1 to {MAX_NAME_LENGTH} characters.")
    return name


def scopes_of(text: str) -> tuple[str, ...]:
    """Return the scopes of a list such as `users,debits`. Raises `ValidationFailed`."""
    names = {part.strip() for part in text.split(",")}
    if not names <= set(Scope):
        raise _unusable("scopes", f"Use some of {', '.join(Scope)}, with commas between them.")
    return tuple(scope.value for scope in Scope if scope in names)


def networks_of(text: str) -> tuple[str, ...]:
    """Return the networks of a list such as `203.0.113.0/24,2001:db8::7`. Raises `ValidationFailed`."""
    try:
        found = {ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()}
    except ValueError as error:
        raise _unusable(
            "networks", f"Use addresses and networks with commas between them: {error}."
        ) from None
    for one in found:
        # What comes from such an address is known by the IPv4 address in it, which this would never match.
        if isinstance(one, ipaddress.IPv6Network) and one.subnet_of(_IPV4_IN_IPV6):
            raise _unusable("networks", f"Write the IPv4 address of {one}.")
    if len(found) > MAX_NETWORKS:
        raise _unusable("networks", f"Use at most {MAX_NETWORKS}.")
    return tuple(sorted(map(str, found)))


def span_of(text: str) -> timedelta:
    """Return a span of time such as `0`, `90m`, `24h` or `7d`, at most `MOST_OVERLAP`.

    Raises:
        ValidationFailed: it is none, or longer.
    """
    given = _SPAN.fullmatch(text.strip())
    span = timedelta() if text.strip() == "0" else int(given[1]) * _UNITS[given[2]] if given else None
    if span is None or span > MOST_OVERLAP:
        raise _unusable("keep-old", f"Use 0, or a time such as 90m, 24h or 7d, up to {MOST_OVERLAP.days}d.")
    return span


def _unusable(field: str, message: str) -> ValidationFailed:
    return ValidationFailed("The key cannot be made like this.", errors=(FieldError(field, message),))
