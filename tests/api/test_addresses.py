"""Whose address a request has: the outermost trusted proxy's word, never the caller's."""

import pytest
from starlette.requests import HTTPConnection
from structlog.testing import capture_logs

from onramp_app.api import identity
from onramp_app.api.identity import client_of
from onramp_app.config import get_settings
from onramp_app.services.throttle import network_of

PROXY, INNER, CALLER, FORGED = "10.0.0.1", "198.51.100.2", "203.0.113.9", "192.0.2.66"


@pytest.fixture(autouse=True)
def _first_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "_proxies", identity._ProxyCount())


def _request(*forwarded: str) -> HTTPConnection:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    return HTTPConnection({"type": "http", "client": (PROXY, 4711), "headers": headers})


@pytest.mark.parametrize(
    ("hops", "forwarded", "address"),
    [
        (0, (FORGED,), PROXY),
        (1, (), PROXY),
        (1, (CALLER,), CALLER),
        (1, (f"{FORGED}, {CALLER}",), CALLER),
        (1, (FORGED, CALLER), CALLER),
        (1, (f"{FORGED},,{CALLER}",), CALLER),
        (1, (f"{CALLER},",), PROXY),
        (1, (f"{FORGED}, unknown",), PROXY),
        (1, (f"{FORGED}, \xff\x00",), PROXY),
        (1, (f"{FORGED}, 2001:DB8::0:1",), "2001:db8::1"),
        (2, (f"{CALLER}, {INNER}",), CALLER),
        (2, (f"{FORGED}, {CALLER}, {INNER}",), CALLER),
        (2, (f"{FORGED}, {CALLER}", INNER), CALLER),
        (2, (INNER,), PROXY),
        (2, (f"{'1.2.3.4,' * 2_000}{CALLER},{INNER}",), CALLER),
    ],
)
def test_only_what_trusted_proxies_wrote_counts(
    monkeypatch: pytest.MonkeyPatch, hops: int, forwarded: tuple[str, ...], address: str
) -> None:
    monkeypatch.setenv("TRUSTED_PROXY_HOPS", str(hops))
    get_settings.cache_clear()
    assert client_of(_request(*forwarded)).address == address


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("203.0.113.9", "203.0.113.9"),
        ("", ""),
    ],
)
def test_one_customer_is_one_network(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(("longer", "of", "is_told"), [(10, 20, True), (9, 20, False), (0, 20, False)])
def test_a_proxy_that_is_not_counted_is_told_once(
    monkeypatch: pytest.MonkeyPatch, *, longer: int, of: int, is_told: bool
) -> None:
    monkeypatch.setenv("TRUSTED_PROXY_HOPS", "1")
    get_settings.cache_clear()
    with capture_logs() as lines:
        for number in range(of):
            client_of(_request(f"{CALLER}, {INNER}" if number < longer else CALLER))
        for _ in range(100):
            client_of(_request(f"{FORGED}, {CALLER}"))
    assert len([line for line in lines if "TRUSTED_PROXY_HOPS" in line["event"]]) == is_told
