"""The address of a request comes from the outermost trusted proxy, never from the caller."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from onramp_app.config import get_settings
from onramp_app.domain.networks import network_of
from onramp_app.throttle import callers
from onramp_app.throttle.callers import address_of, is_this_machine

PROXY, INNER, CALLER, FORGED = "10.0.0.1", "198.51.100.2", "203.0.113.9", "192.0.2.66"


@pytest.fixture(autouse=True)
def _first_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "_first_forwarded", callers._FirstForwarded())


def _request(*forwarded: str, peer: str = PROXY) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    return {"type": "http", "client": (peer, 4711), "headers": headers}


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
        # Somebody inside our proxies' networks wrote the rest: no more hops are skipped than there are.
        (1, (f"{FORGED}, {CALLER}, {INNER}",), INNER),
        (2, (f"{CALLER}, {INNER}",), CALLER),
        (2, (f"{FORGED}, {CALLER}, {INNER}",), CALLER),
        (2, (f"{FORGED}, {CALLER}", INNER), CALLER),
        (2, (INNER,), INNER),  # It bypassed the outer proxy, and the inner one saw it.
        (2, (f"{'1.2.3.4,' * 2_000}{CALLER},{INNER}",), CALLER),
    ],
)
def test_only_what_trusted_proxies_wrote_counts(
    monkeypatch: pytest.MonkeyPatch, hops: int, forwarded: tuple[str, ...], address: str
) -> None:
    monkeypatch.setenv("TRUSTED_PROXY_HOPS", str(hops))
    monkeypatch.setenv("TRUSTED_PROXIES", f"10.0.0.0/8, {INNER}")
    get_settings.cache_clear()
    assert address_of(_request(*forwarded)) == address


@pytest.fixture
def one_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUSTED_PROXY_HOPS", "1")
    get_settings.cache_clear()


@pytest.mark.parametrize(
    ("entry", "address"),
    [
        ("203.0.113.8:51234", "203.0.113.8"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("[2001:DB8:0::1]", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:203.0.113.8", "203.0.113.8"),
        ("[::ffff:203.0.113.8]:80", "203.0.113.8"),
        (" 203.0.113.8 ", "203.0.113.8"),
        ("unknown", PROXY),
        ("_hidden", PROXY),
        ("203.0.113.8:51234:7", PROXY),
        ("[203.0.113.8", "203.0.113.8"),
        ("localhost", PROXY),
        ("", PROXY),
        ("1" * 10_000, PROXY),
    ],
)
@pytest.mark.usefixtures("one_proxy")
def test_every_way_of_writing_an_address_is_read(entry: str, address: str) -> None:
    assert address_of(_request(FORGED, entry)) == address


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8::9", "2001:db8::9"),
        ("127.0.0.1", FORGED),
        ("::1", FORGED),
        ("::ffff:10.1.2.3", FORGED),
        ("172.16.0.1", FORGED),
        ("192.168.9.9", FORGED),
        ("fd00::1", FORGED),
        ("172.32.0.1", "172.32.0.1"),
        ("testclient", ""),
    ],
)
@pytest.mark.usefixtures("one_proxy")
def test_whoever_reaches_the_port_has_no_address_that_they_made_up(peer: str, address: str) -> None:
    assert address_of(_request(FORGED, peer=peer)) == address


def test_a_proxy_of_ours_is_one_wherever_it_stands_in_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who bypasses the outer proxy can write what the outer proxy would have written."""
    monkeypatch.setenv("TRUSTED_PROXY_HOPS", "2")
    monkeypatch.setenv("TRUSTED_PROXIES", f"10.0.0.0/8,{INNER}")
    get_settings.cache_clear()
    assert address_of(_request(f"{CALLER}, {INNER}")) == CALLER
    assert address_of(_request(f"{FORGED}, {CALLER}")) == CALLER


@pytest.mark.parametrize(
    ("peer", "forwarded", "is_here"),
    [
        ("127.0.0.1", (), True),
        ("::1", (), True),
        ("::ffff:127.0.0.1", (), True),
        ("203.0.113.9", (), False),
        ("203.0.113.9", ("127.0.0.1",), False),
        ("10.0.0.1", ("127.0.0.1",), False),
        ("127.0.0.1", ("127.0.0.1",), False),
        ("127.0.0.1", ("203.0.113.9",), False),
    ],
)
@pytest.mark.usefixtures("one_proxy")
def test_a_forwarded_loopback_address_opens_nothing(
    peer: str, forwarded: tuple[str, ...], *, is_here: bool
) -> None:
    assert is_this_machine(_request(*forwarded, peer=peer)) == is_here


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
            address_of(_request(f"{CALLER}, {INNER}" if number < longer else CALLER))
        for _ in range(100):
            address_of(_request(f"{FORGED}, {CALLER}"))
    assert len([line for line in lines if "TRUSTED_PROXY_HOPS" in line["event"]]) == is_told


@pytest.mark.usefixtures("one_proxy")
def test_a_proxy_that_is_not_named_is_told_once() -> None:
    with capture_logs() as lines:
        for _ in range(100):
            address_of(_request(CALLER, peer="203.0.113.77"))
    assert len([line for line in lines if "TRUSTED_PROXIES" in line["event"]]) == 1
