"""Settings that production refuses: placeholders, guessable secrets, and addresses of test systems.

Pure. A reason names the variable and never its value.
"""

import ipaddress
import re
import socket
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

_PLACEHOLDER = re.compile(
    r"change.?me|placeholder|replace.?(me|this)|your[-_ ]|(paste|insert|fill).?(it|me|in|here)"
    r"|example\.(com|org|net)|<[^@<>]+>|\$\{|\{\{|\$\(|^\$\w+$|^[x*.?_-]{3,}$|^(todo|tbd)\b|^simulator-"
    r"|^(the |my |a )?(api[-_ ]?|app[-_ ]?|secret[-_ ]?)*(key|secret|token|password|value|string)$"
    r"|^(none|null|nil|undefined|default|admin|dummy|sample|example|test|demo|fake|dev(elopment)?)([-_ ].*)?$"
    r"|^(test|dummy|sample|fake)_?secret|not.?real|0x(51){8}",
    re.IGNORECASE,
)
# Names that are a test by what they say, by RFC 2606, 6761 and 8375, or because nobody else can reach them.
_TEST_NAME = re.compile(
    r"(^|[.-])(test|sandbox|staging)([.-]|$)"
    r"|(^|\.)(localhost|localdomain|ip6-localhost|ip6-loopback|invalid|example|local|home\.arpa)$"
    # Public names for whatever address stands in them, or for this machine.
    r"|(^|\.)(nip\.io|sslip\.io|xip\.io|localtest\.me|lvh\.me|vcap\.me|lacolhost\.com)$"
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052
REQUIRED = (
    "public_url",
    "database_url",
    "secret_key",
    "onramp_app_id",
    "onramp_api_key",
    "onramp_api_secret",
    "treasury_addresses",
    "smtp_url",
    "mail_from",
    "support_email",
)
_OUTSIDE = ("public_url", "onramp_api_url", "onramp_widget_url")
_MIN_DIFFERENT = 8
_MIN_SECRET_CHARACTERS, _MIN_KEY_CHARACTERS = 16, 8

# Nobody holds the keys of these, or everybody who reads documentation has copied them.
_NOBODYS = frozenset(
    address.lower()
    for address in (
        "0xdead000000000000000042069420694206942069",
        # Samples of the provider's documents.
        "0x12345678900987654321",
        "0x72c6668306f1d89425e86899b7444a0c2e5f25cf",
        "0x63dDcda9ABC022Ce0E179A0F6f033Ea3282807b",
        # Samples of EIP-55.
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        # Where other networks send what is to be lost.
        "1BitcoinEaterAddressDontSendf59kuE",
        "1CounterpartyXXXXXXXXXXXXXXXUWLpVr",
        "1111111111111111111114oLvT2",
        "T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb",
        "1nc1nerator11111111111111111111111111111111",
        "EQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAM9c",
        "UQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAJKZ",
        "rrrrrrrrrrrrrrrrrrrrrhoLvTp",
        "rrrrrrrrrrrrrrrrrrrrBZbvji",
    )
)


def is_placeholder(text: str) -> bool:
    """Return whether a text is a placeholder for a value that is still to be set."""
    return _PLACEHOLDER.search(text) is not None


def why_guessable(secret: str, *, is_name: bool = False) -> str | None:
    """Return why a secret protects nothing, as words to follow the secret's name, or None.

    Args:
        secret: what is to be kept from others.
        is_name: a key that only names us to the provider, who chose its length.
    """
    fewest = _MIN_KEY_CHARACTERS if is_name else _MIN_SECRET_CHARACTERS
    if len(secret) < fewest:
        return f"is shorter than {fewest} characters"
    # "abcabcabc" is found in "bcabcabcabcabcab" before its end; what does not repeat itself is not.
    repeats = (secret + secret).find(secret, 1) < len(secret)
    if repeats or len(set(secret)) < min(_MIN_DIFFERENT, fewest - 2):
        return "repeats so few characters that it is easily guessed"
    return None


def _address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Read a host as an address in any form that the system takes, such as `127.1` or `0x7f.1`."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None


def _unwrapped(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64 or (1 < int(address) < 1 << 32):  # the latter: RFC 4291 section 2.5.5.1
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def leads_to_a_test(host: str) -> bool:
    """Return whether a host is a test system, this machine or not public, in any spelling."""
    plain = unicodedata.normalize("NFKC", host).lower().replace("。", ".").rstrip(".")
    address = _address_of(plain)
    if address is not None:
        reached = _unwrapped(address)
        is_site_local = isinstance(reached, ipaddress.IPv6Address) and reached.is_site_local
        return not reached.is_global or reached.is_multicast or is_site_local
    return not plain or _TEST_NAME.search(plain) is not None


def is_nobodys_address(address: str) -> bool:
    """Return whether coins sent to a blockchain address are lost, or belong to a stranger."""
    if address.lower() in _NOBODYS:
        return True
    digits = address.lower().removeprefix("0x")
    if re.fullmatch(r"[0-9a-f]{40,64}", digits):
        # Zero, the chain's own contracts and 0x…dEaD are small numbers; made-up ones repeat a digit or two.
        return int(digits, 16) < 1 << 64 or len(set(digits)) <= 2
    return len(set(address)) <= 2  # Solana's system program is a row of ones


def _texts(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the addresses and secrets that were set, by their names in lower case."""
    texts = {}
    for name, value in settings.items():
        if isinstance(value, SecretStr):
            texts[name] = value.get_secret_value()
        elif value and name.endswith(("_url", "_from", "_email")):
            texts[name] = value
    return {name: text for name, text in texts.items() if text}


def missing(given: Collection[str]) -> str | None:
    """Return one sentence on all settings that production needs and that are not given, or None.

    Args:
        given: the names in lower case of what was set.
    """
    names = [name.upper() for name in REQUIRED if name not in given]
    if not names:
        return None
    if len(names) == 1:
        return f"{names[0]} is not set, and production needs it."
    return f"{', '.join(names[:-1])} and {names[-1]} are not set, and production needs them."


def why_unfit(settings: Mapping[str, Any]) -> str | None:
    """Return what production refuses, a line for each setting, or None.

    Args:
        settings: what was set, by names in lower case and in the order of `Settings`; no defaults.
    """
    found = [missing([name for name, value in settings.items() if value]), *_unfit(settings)]
    # A password may be a placeholder of its own and make the whole address one.
    return "\n".join(dict.fromkeys(line for line in found if line)) or None


def _unfit(settings: Mapping[str, Any]) -> Iterator[str]:
    for name, text in _texts(settings).items():
        if is_placeholder(text):
            yield f"{name.upper()} still holds a placeholder; set the real value."
    yield from _unfit_secrets(settings)
    if settings.get("onramp_app_id") in (1, 2):
        yield "ONRAMP_APP_ID is one of the provider's test ids (1 or 2), which production refuses."
    yield from _unfit_addresses(settings)
    yield from _unfit_servers(settings)


def _unfit_addresses(settings: Mapping[str, Any]) -> Iterator[str]:
    for name in _OUTSIDE:
        parts = urlsplit(settings.get(name) or "https://onramp.money")
        if leads_to_a_test(parts.hostname or ""):
            yield f"{name.upper()} names a test host, which production refuses."
        if parts.scheme != "https":
            yield f"{name.upper()} must begin with https:// in production."
    for network, addresses in settings.get("treasury_addresses", {}).items():
        for address in addresses:
            if is_placeholder(address.address):
                yield "TREASURY_ADDRESSES still holds a placeholder; set the real value."
            if is_nobodys_address(address.address):
                yield (
                    f"TREASURY_ADDRESSES holds an address of {network} whose key nobody has,"
                    " or that stands in documentation; set your own."
                )


def _unfit_servers(settings: Mapping[str, Any]) -> Iterator[str]:
    for network, urls in settings.get("chain_rpc", {}).items():
        for url in urls:
            # Whoever stands in between could make up deliveries. A server of one's own is as good as any.
            if urlsplit(url.get_secret_value()).scheme != "https":
                yield f"CHAIN_RPC must name servers of {network} that begin with https:// in production."
            if is_placeholder(url.get_secret_value()):
                yield "CHAIN_RPC still holds a placeholder; set the real value."


def _unfit_secrets(settings: Mapping[str, Any]) -> Iterator[str]:
    texts = _texts(settings)
    # Addresses are no secrets, though one may hold a password.
    secrets_set = {
        name: text
        for name, text in texts.items()
        if isinstance(settings[name], SecretStr) and not name.endswith("_url")
    }
    for name, secret in secrets_set.items():
        why = why_guessable(secret, is_name=name == "onramp_api_key")
        if why is not None:
            yield f"{name.upper()} {why}; set the real value."
    # Whoever learns one of two equal secrets has both; a password in an address is one too.
    passwords = {
        name: unquote(urlsplit(text).password or "") for name, text in texts.items() if name.endswith("_url")
    }
    owners: dict[str, str] = {}
    for name, secret in secrets_set.items():
        if secret in owners:
            yield f"{name.upper()} is the same as {owners[secret]}; each needs its own."
        owners[secret] = name.upper()
    for name, password in passwords.items():
        if is_placeholder(password):
            yield f"{name.upper()} still holds a placeholder; set the real value."
        if password in owners:
            yield f"{owners[password]} is the same as the password in {name.upper()}."
