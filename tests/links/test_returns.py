"""Links return only to `RETURN_ORIGINS`, with a result that the program can verify."""

import hashlib
import hmac
import subprocess
from datetime import UTC, datetime
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from onramp_app.config import get_settings
from onramp_app.domain.errors import ValidationFailed
from onramp_app.links.returns import Result, check_return_url, return_address
from onramp_app.running.checks import CHECKS
from onramp_app.running.parts import UnwellError
from tests.links.shop import SHOP, Shop

SECRET = "5f" * 32
RESULT = Result(
    "0197c4b2f3a47d11a2c07d1c5f1b1d10",
    "settled",
    datetime(2026, 1, 31, 9, tzinfo=UTC),
    top_up_id="0197c4b2f3a47d11a2c07d1c5f1b1d11",
    amount="11.25",
    asset="USDT",
)


@pytest.fixture(autouse=True)
def _origins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETURN_ORIGINS", "https://shop.example.com, http://localhost:7000")
    get_settings.cache_clear()


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example.com",
        "https://shop.example.com/",
        "https://shop.example.com?order=7",
        "https://shop.example.com/paid/7?order=7&x=%E2%82%B9",
        "http://localhost:7000/back",
    ],
)
def test_an_address_below_an_origin_is_led_back_to(url: str) -> None:
    check_return_url(url)
    address = return_address(url, RESULT, secret=SECRET)
    was, now = urlsplit(url), urlsplit(address)
    assert (now.scheme, now.netloc, now.path) == (was.scheme, was.netloc, was.path)
    assert now.query.startswith(was.query)


ELSEWHERE = [
    "https://shop.example.com.evil.example/",
    "https://shop.example.com@evil.example/",
    "https://shop.example.com:443@evil.example/",
    "https://shop.example.com:8443/",
    "https://shop.example.comx/",
    "https://shop.example.com\\@evil.example/",
    "https://shop.example.com\t/",
    "https://shop.example.com#x",
    "https://shop.example.com/#/paid",
    "https://evil.example/?https://shop.example.com/",
    "https://SHOP.example.com/",
    "https:shop.example.com/",
    "https:///shop.example.com/",
    "http://shop.example.com/",
    "//shop.example.com/",
    "/paid",
    "javascript:alert(1)//https://shop.example.com/",
    "data:text/html,https://shop.example.com/",
    " https://shop.example.com/",
    "https://shop.example.com/\r\nSet-Cookie: a=b",
    "https://shop.example.com/é",
    'https://shop.example.com/"><script>',
    "https://xn--shp-5na.example.com/",
    "https://shop.example.com/?signature=x",
    "https://shop.example.com/?order=7&status",
    "https://shop.example.com/?" + "a" * 1_000,
    "",
]


@pytest.mark.parametrize("url", ELSEWHERE)
def test_no_other_address_is_led_back_to(url: str) -> None:
    with pytest.raises(ValidationFailed):
        check_return_url(url)


def test_a_check_of_the_beginning_alone_would_lead_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "onramp_app.links.returns.is_allowed", lambda url: url.startswith("https://shop.example.com")
    )
    for url in ELSEWHERE[:3]:
        check_return_url(url)


def test_nothing_is_led_back_to_while_no_origin_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RETURN_ORIGINS")
    get_settings.cache_clear()
    with pytest.raises(ValidationFailed):
        check_return_url("https://shop.example.com/")


def test_the_lines_of_the_guide_verify_a_return_and_notice_any_change() -> None:
    query = urlsplit(return_address("https://shop.example.com/paid?order=7", RESULT, secret=SECRET)).query
    given = dict(parse_qsl(query, keep_blank_values=True))

    def python_says(query: dict[str, str]) -> bool:
        signed = "|".join(query[name] for name in ("link_id", "top_up_id", "status", "amount", "asset", "at"))
        expected = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected, query["signature"])

    assert python_says(given)
    for name in given.keys() - {"order", "signature"}:
        assert not python_says(given | {name: given[name] + "0"}), name
    signed = "|".join(given[name] for name in ("link_id", "top_up_id", "status", "amount", "asset", "at"))
    shell = f"printf %s '{signed}' | openssl dgst -sha256 -hmac '{SECRET}' -r"
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout.split()[0] == given["signature"]


def test_a_person_who_leaves_before_there_is_a_top_up_returns_with_empty_fields() -> None:
    left = Result(RESULT.link_id, "canceled", RESULT.at)
    query = parse_qs(
        urlsplit(return_address("https://shop.example.com", left, secret=SECRET)).query,
        keep_blank_values=True,
    )
    assert (query["status"], query["top_up_id"], query["amount"], query["at"]) == (
        ["canceled"],
        [""],
        [""],
        ["1769850000"],
    )


async def test_check_names_origins_of_links_that_the_setting_does_not_name_any_more(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.link(return_url=f"{SHOP}/paid?order=7")
    await shop.link(return_url=SHOP)
    assert await CHECKS["returns"](get_settings()) == f"Add-money links may lead back to {SHOP}."
    monkeypatch.setenv("RETURN_ORIGINS", "https://other.example.com")
    get_settings.cache_clear()
    with pytest.raises(UnwellError, match=f"lead back to {SHOP}, which RETURN_ORIGINS does not name"):
        await CHECKS["returns"](get_settings())
    shop.wallet.run("UPDATE add_money_links SET revoked_at = now()")
    monkeypatch.delenv("RETURN_ORIGINS")
    get_settings.cache_clear()
    assert "lead back nowhere" in await CHECKS["returns"](get_settings())
