"""One request: it goes only to the address that was checked, and no answer uses many resources."""

import ipaddress
import socket
import ssl
import time
from collections.abc import Awaitable, Callable

import pytest

from onramp_app.domain.networks import is_public
from onramp_app.outgoing_webhooks.addresses import may_connect
from onramp_app.outgoing_webhooks.post import Answer, Poster
from onramp_app.outgoing_webhooks.words import MAX_ANSWER_BYTES
from tests.mail_server import CERTIFICATE, trusting
from tests.outgoing_webhooks.receiver import Receiver, receiving

NOT_OF_THE_INTERNET = "the name of the host leads to no address of the internet"

# One address of each special-purpose kind, by the registry or document that defines it.
KINDS = {
    "loopback": "127.0.0.1",
    "all of loopback": "127.255.255.254",
    "this network (RFC 791)": "0.0.0.0",
    "private 10 (RFC 1918)": "10.0.0.1",
    "private 172.16": "172.16.0.1",
    "private 172.31": "172.31.255.255",
    "private 192.168": "192.168.1.1",
    "carrier (RFC 6598)": "100.64.0.1",
    "link-local (RFC 3927)": "169.254.1.1",
    "metadata of clouds": "169.254.169.254",
    "metadata of another cloud": "100.100.100.200",
    "protocols (RFC 6890)": "192.0.0.8",
    "documentation (RFC 5737)": "203.0.113.7",
    "6to4 relays (RFC 7526)": "192.88.99.1",
    "benchmarks (RFC 2544)": "198.18.0.1",
    "multicast (RFC 5771)": "224.0.0.1",
    "multicast of the internet": "224.0.1.1",
    "reserved": "240.0.0.1",
    "broadcast": "255.255.255.255",
    "loopback v6": "::1",
    "unspecified v6": "::",
    "unique local (RFC 4193)": "fd00::1",
    "metadata v6": "fd00:ec2::254",
    "link-local v6": "fe80::1",
    "link-local v6 with a zone": "fe80::1%lo",
    "site-local (RFC 3879)": "fec0::1",
    "multicast v6": "ff02::1",
    "documentation v6": "2001:db8::1",
    "mapped loopback (RFC 4291)": "::ffff:127.0.0.1",
    "mapped private": "::ffff:10.0.0.1",
    "compatible loopback": "::127.0.0.1",
    "translated private (RFC 6052)": "64:ff9b::10.0.0.1",
    "translated by a local prefix (RFC 8215)": "64:ff9b:1::1",
    "6to4 of a private one (RFC 3056)": "2002:a00:1::1",
    "Teredo (RFC 4380)": "2001::1",
    "discard only (RFC 6666)": "100::1",
    "segment routing (RFC 9602)": "5f00::1",
}
OF_THE_INTERNET = (
    "93.184.216.34",
    "172.32.0.1",
    "100.128.0.1",
    "192.0.1.1",
    "2606:4700::1111",
    "2a00:1450::1",
)


def resolving(*addresses: str) -> Callable[[str, int], Awaitable[list[str]]]:
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolve


async def _sent(poster: Poster, url: str) -> Answer:
    return await poster.post(url, b"{}", {"content-type": "application/json"})


@pytest.mark.parametrize("address", KINDS.values(), ids=KINDS)
async def test_no_request_goes_to_an_address_that_is_not_of_the_internet(
    address: str, receiver: Receiver
) -> None:
    """Tried by a host name, alone and next to a public address, and as a literal in the URL."""
    literal = f"[{address}]" if ":" in address else address
    url = f"http://shop.example:{receiver.port}/hook"
    for addresses in ((address,), ("93.184.216.34", address)):
        async with Poster(resolve=resolving(*addresses), allows=is_public, total_seconds=1) as poster:
            assert (await _sent(poster, url)).problem == NOT_OF_THE_INTERNET
    if "%" not in address:
        async with Poster(allows=is_public, total_seconds=1) as poster:
            answer = await _sent(poster, f"http://{literal}:{receiver.port}/hook")
            assert answer.problem == NOT_OF_THE_INTERNET
    assert receiver.connections == 0


@pytest.mark.parametrize(
    "address",
    [
        address
        for address in KINDS.values()
        if ipaddress.ip_address(address).is_loopback or address == "0.0.0.0"
    ],
)
async def test_control_without_the_check_this_machine_is_reached(address: str) -> None:
    host = "::1" if address == "::1" else "0.0.0.0"
    async with receiving(host) as receiver:
        url = f"http://shop.example:{receiver.port}/hook"
        async with Poster(resolve=resolving(address), allows=lambda _: True) as poster:
            assert (await _sent(poster, url)).status == 204
        assert receiver.connections == 1


@pytest.mark.parametrize("address", OF_THE_INTERNET)
def test_an_address_of_the_internet_is_one(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "::ffff:10.0.0.1", "fe80::1"])
def test_outside_production_this_machine_may_be_reached_and_nothing_else(address: str) -> None:
    assert may_connect("127.0.0.1")
    assert may_connect("::1")
    assert not may_connect(address)


async def test_a_name_that_leads_elsewhere_the_second_time_is_not_asked_twice(receiver: Receiver) -> None:
    """DNS rebinding: the connection uses the address that was checked."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    async with Poster(resolve=resolve) as poster:
        answer = await _sent(poster, f"http://shop.example:{receiver.port}/hook")
        assert (answer.status, asked) == (204, ["shop.example"])
        assert receiver.got[0].headers["host"] == f"shop.example:{receiver.port}"
        again = await _sent(poster, f"http://shop.example:{receiver.port}/hook")
    assert again.problem == NOT_OF_THE_INTERNET, "the next request is checked again"
    assert receiver.connections == 1


async def test_a_redirect_is_not_followed(receiver: Receiver, poster: Poster) -> None:
    async with receiving() as inner:
        receiver.answers(302, location=inner.url)
        answer = await _sent(poster, receiver.url)
        assert (answer.status, answer.is_taken, inner.connections) == (302, False, 0)
        assert answer.problem == "answered 302, and redirects are not followed"


async def test_no_proxy_of_the_environment_is_asked(
    receiver: Receiver, poster: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving() as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert (await _sent(poster, receiver.url)).status == 204
        assert proxy.connections == 0


async def test_of_a_long_answer_4_kib_are_read(receiver: Receiver, poster: Poster) -> None:
    receiver.answer = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n" + b"x" * 3000
    receiver.drip = b"y" * 3000  # endlessly
    began = time.monotonic()
    answer = await _sent(poster, receiver.url)
    assert answer.is_taken
    assert answer.body == (b"x" * 3000 + b"y" * 1096)
    assert len(answer.body) == MAX_ANSWER_BYTES
    assert time.monotonic() - began < 1


async def test_a_body_that_drips_ends_with_the_time_of_the_whole(receiver: Receiver) -> None:
    receiver.answer = b"HTTP/1.1 200 OK\r\n\r\n"
    receiver.drip = b"."
    async with Poster(total_seconds=0.3) as poster:
        answer = await _sent(poster, receiver.url)
    assert answer.is_taken, "its status has come"
    assert 0 < len(answer.body) < 100
    assert answer.took_ms < 1000


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (None, "no answer in time"),
        (b"HTTP/1.1 1", "the answer is not HTTP"),
        (b"SMTP ready\r\n\r\n", "the answer is not HTTP"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 20, "the answer is not HTTP"),
    ],
)
async def test_what_answers_no_http_has_taken_nothing(
    receiver: Receiver, answer: bytes | None, problem: str
) -> None:
    receiver.answer = answer
    async with Poster(total_seconds=0.3 if answer is None else 10) as poster:
        sent = await _sent(poster, receiver.url)
    assert (sent.status, sent.problem) == (None, problem)


async def test_nobody_there_and_no_such_name(poster: Poster) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        assert (await _sent(poster, url)).problem == "no connection"
    async with Poster(resolve=resolving()) as lost:
        answer = await _sent(lost, "http://shop.example/")
    assert answer.problem == NOT_OF_THE_INTERNET
    no_name = await _sent(poster, f"http://{'a' * 64}.example/")
    assert no_name.problem == NOT_OF_THE_INTERNET


async def test_over_tls_the_name_of_the_url_is_the_one_that_has_to_be_proved() -> None:
    """The certificate is for `localhost`; the IP address is the same each time."""
    own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.load_cert_chain(CERTIFICATE)
    async with (
        receiving(tls=own) as receiver,
        Poster(resolve=resolving("127.0.0.1"), tls=trusting()) as poster,
    ):
        assert (await _sent(poster, f"https://localhost:{receiver.port}/")).status == 204
        other = await _sent(poster, f"https://shop.example:{receiver.port}/")
        assert (other.status, other.problem[:29]) == (None, "the certificate is not right:")
        assert len(receiver.got) == 1


async def test_where_no_tls_is_spoken_nothing_goes_out_in_the_clear(receiver: Receiver) -> None:
    async with Poster(total_seconds=0.5) as poster:
        answer = await _sent(poster, receiver.url.replace("http://", "https://"))
    assert answer.status is None
    assert receiver.got == []


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("120", 120),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("soon", None),
        ("-5", None),
        ("9" * 30, None),
        ("Wed, 21 Oct 20150000000000000000 07:28:00 GMT", None),
    ],
)
async def test_when_to_come_again_is_read(
    receiver: Receiver, poster: Poster, given: str, seconds: int | None
) -> None:
    receiver.answers(503, b"busy", retry_after=given)
    sent = await _sent(poster, receiver.url)
    wait = sent.retry_after
    assert sent.body == b"busy"
    assert (None if wait is None else wait.total_seconds()) == seconds
