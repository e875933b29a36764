"""The forms of settings: addresses, limits, the operator's treasury. Each refuses what does not fit.

`SetVariables` is how they are read.
"""

import contextlib
import ipaddress
import json
import re
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

import idna
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, StringConstraints
from pydantic_settings import EnvSettingsSource

# Loopback, RFC 1918 and 4193, link-local, and the shared addresses of RFC 6598, from which platforms forward.
PRIVATE_NETWORKS = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
        *("169.254.0.0/16", "fe80::/10", "100.64.0.0/10"),
    )
)

Asset = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{2,10}$", strip_whitespace=True)]
Network = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{2,20}$", strip_whitespace=True)]


class TreasuryAddress(BaseModel):
    """One address of the operator's that the provider delivers to.

    `until` (RFC 3339, with its offset from UTC) keeps an old address known: deliveries to it still
    count, new top-ups after that moment no longer use it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    address: str = Field(min_length=8, max_length=128)
    memo: str | None = Field(default=None, max_length=64)
    until: AwareDatetime | None = None


class TierLimits(BaseModel):
    """The most one person of a tier may add, in the base currency of `LIMITS`, by UTC day and month."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_top_up: Decimal | None = Field(default=None, gt=0)
    per_day: Decimal | None = Field(default=None, gt=0)
    per_month: Decimal | None = Field(default=None, gt=0)


class Limits(BaseModel):
    """`LIMITS`: `{"currency": "USD", "none": {…}, "basic": {…}, "full": {…}}`.

    A tier, or a period, that is left out is not limited by the application.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    none: TierLimits = TierLimits()
    basic: TierLimits = TierLimits()
    full: TierLimits = TierLimits()


class FourEyesAbove(BaseModel):
    """`FOUR_EYES_ABOVE`: `{"currency": "USD", "amount": "1000"}`. What is worth more needs two operators."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: str = Field(pattern=r"^[A-Z]{3}$")
    amount: Decimal = Field(ge=0)


def split_address(url: str) -> SplitResult:
    """Split an address.

    Raises:
        ValueError: the address is not well-formed. The library's own message would repeat the password.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # read only to have it checked
    except ValueError:
        raise ValueError(
            "it is not a well-formed address; percent-encode special characters in its password"
        ) from None
    return parts


def _address(*schemes: str, says: str, needs: str = "hostname") -> AfterValidator:
    """Return a check of an address: one of the schemes, and the part of it that it `needs`."""

    def check(value: str | SecretStr) -> str | SecretStr:
        parts = split_address(value.get_secret_value() if isinstance(value, SecretStr) else value)
        if parts.scheme not in schemes or not (getattr(parts, needs) or "").strip("/"):
            raise ValueError(says)
        return value

    return AfterValidator(check)


HttpUrl = Annotated[
    str, _address("http", "https", says="it must be an address that begins with http:// or https://")
]


def _browsers_host(host: str) -> str:
    """Return a host as browsers write it in an `Origin` (WHATWG URL, host serializing)."""
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        return f"[{address}]" if address.version == 6 else str(address)
    try:
        return idna.encode(host.rstrip("."), uts46=True).decode()
    except idna.IDNAError:
        if re.fullmatch(
            r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?", host
        ):  # old names with underscores, which IDNA knows nothing of
            return host.rstrip(".")
        raise ValueError("its host is not a name that a browser could open") from None


def _origin(value: str) -> str:
    """Return the origin that an address names, as browsers write it, and refuse what is more than that."""
    parts = split_address(value)
    if "@" in parts.netloc:
        raise ValueError("it must not hold a user name or password")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(
            "it must end after the host, as in https://wallet.my-company.com, because the pages cannot live"
            " under a path"
        )
    port = "" if parts.port in (None, {"http": 80, "https": 443}[parts.scheme]) else f":{parts.port}"
    return f"{parts.scheme}://{_browsers_host(parts.hostname or '')}{port}"


# What dashboards add to an address for other languages' drivers; libpq refuses what it does not know.
_NOT_FOR_LIBPQ = frozenset({"pgbouncer", "connection_limit", "pool_timeout"})


def _for_libpq(value: SecretStr) -> SecretStr:
    parts = split_address(value.get_secret_value())
    kept = [one for one in parts.query.split("&") if one.partition("=")[0] not in _NOT_FOR_LIBPQ]
    return SecretStr(parts._replace(query="&".join(kept)).geturl())


def _return_origin(value: str) -> str:
    parts = split_address(value)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError(
            "each must end after the host, as in https://shop.my-company.com; a link chooses its path itself"
        )
    return _origin(value)


ReturnOrigin = Annotated[HttpUrl, AfterValidator(_return_origin)]
PublicUrl = Annotated[HttpUrl, AfterValidator(_origin)]
ProxyNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
PostgresUrl = Annotated[
    SecretStr,
    _address(
        *("postgres", "postgresql"),
        says="it must look like postgresql://user:password@host:5432/database",
        needs="path",
    ),
    AfterValidator(_for_libpq),
]
RedisUrl = Annotated[
    SecretStr,
    _address(
        *("redis", "rediss"),
        says="it must look like redis://:password@host:6379; a unix socket cannot be used",
    ),
]
# Whoever runs such a server puts the key of its customer into the address.
RpcUrl = Annotated[
    SecretStr,
    Field(max_length=2000),
    _address("http", "https", says="each must be an address that begins with http:// or https://"),
]
SmtpUrl = Annotated[
    SecretStr, _address("smtp", "smtps", says="it must look like smtps://user:password@host:465")
]


def _heads_target(value: SecretStr) -> SecretStr:
    target = value.get_secret_value()
    is_url = not target.startswith("/") and split_address(target).scheme in ("http", "https")
    if not target.startswith("/") and not (is_url and split_address(target).hostname):
        raise ValueError("it must be the full path of a file, or an http or https address")
    return value


HeadsTarget = Annotated[SecretStr, AfterValidator(_heads_target)]


def json_without_floats(text: str) -> Any:
    """Read JSON with exact decimals. Raises `ValueError` for NaN, infinities, and text that is not JSON."""

    def refuse(constant: str) -> None:
        raise ValueError(f"it must not hold {constant}")

    return json.loads(text, parse_float=Decimal, parse_constant=refuse)


def simulated_address(number: int) -> tuple[TreasuryAddress, ...]:
    """Return a treasury address for development."""
    # Digits only, so that any reader of EIP-55 checksums accepts it; nobody holds its key.
    return (TreasuryAddress(address=f"0x{'51' * 18}{number:04}"),)


class SetVariables(EnvSettingsSource):
    """The environment, asked only for what is set: the forms of all others took 2 ms of a reading."""

    def __call__(self) -> dict[str, Any]:
        """Return the value of each setting that has a variable."""
        given = {}
        for name, field in self.settings_cls.model_fields.items():
            if name in self.env_vars:
                value, key, is_complex = self.get_field_value(field, name)
                given[key] = self.prepare_field_value(name, field, value, is_complex)
        return given
