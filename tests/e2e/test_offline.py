"""A page that cannot reach the server says so within five seconds, and no click is carried out later."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest
from playwright.async_api import Page, Route, expect

from tests.e2e.people import register_by_form
from tests.e2e.site import OpenPage, Site, other_settings
from tests.freezing_proxy import FreezingProxy, freezing_proxy

NOTICED_SECONDS = 5
# While other tests run, the page and the browser's driver also wait for the processor.
BUSY_SECONDS = 9
_CHOSEN = "/add-money?amount=1000&currency=INR&asset=USDT&network=matic20&method=UPI&step=check"


@contextmanager
def behind_a_proxy(site: Site) -> Iterator[FreezingProxy]:
    """Serve the site through a proxy, whose URL the pages then use as their own."""
    with (
        freezing_proxy(urlsplit(site.url).port or 80) as proxy,
        other_settings(site, PUBLIC_URL=f"http://localhost:{proxy.port}"),
    ):
        yield proxy


async def _about_to_pay(page: Page, proxy: FreezingProxy) -> None:
    await page.goto(f"http://localhost:{proxy.port}/")
    await register_by_form(page)
    await page.goto(f"http://localhost:{proxy.port}{_CHOSEN}")
    await expect(_pay(page)).to_be_enabled()
    await expect(_is_live(page)).to_be_visible()


def _pay(page: Page):
    return page.get_by_role("button", name=re.compile("^(Pay |You're offline)"))


def _is_live(page: Page):
    return page.get_by_role("banner").get_by_text("Live", exact=True)


async def _says_offline(page: Page, *, within: float = BUSY_SECONDS) -> None:
    await expect(page.get_by_text("You're offline.").locator("visible=true").first).to_be_visible(
        timeout=within * 1_000
    )


async def _expect_offline(page: Page) -> None:
    await _says_offline(page)
    await expect(_pay(page)).to_have_text("You're offline")
    await expect(_pay(page)).to_have_attribute("aria-disabled", "true")
    await expect(_pay(page)).to_have_accessible_description("Not available while you're offline.")


def _begun(site: Site) -> int:
    with psycopg.connect(site.database_url) as connection:
        row = connection.execute("SELECT count(*) FROM top_ups").fetchone()
    return int(row[0]) if row else 0


async def _click_and_lose(page: Page, proxy: FreezingProxy) -> None:
    """Click while the proxy is frozen, before the page can know that, and thaw it much later."""
    proxy.freeze()
    await _pay(page).click(no_wait_after=True)
    await _expect_offline(page)
    await page.wait_for_timeout(1_500)
    proxy.thaw()
    await expect(_is_live(page)).to_be_visible(timeout=15_000)
    await page.wait_for_timeout(2_000)


async def _click_while_cut_off(page: Page, proxy: FreezingProxy) -> None:
    proxy.cut()
    await _says_offline(page)
    await _pay(page).dispatch_event("click")
    await page.wait_for_timeout(500)
    proxy.mend()
    await expect(_is_live(page)).to_be_visible(timeout=15_000)
    await page.wait_for_timeout(2_000)


@pytest.mark.full
async def test_an_outage_is_noticed_and_nothing_is_carried_out_afterwards(
    site: Site, open_page: OpenPage
) -> None:
    with behind_a_proxy(site) as proxy:
        page = await open_page("/")
        await _about_to_pay(page, proxy)
        before = _begun(site)

        # The browser reports no network while the socket is still open.
        await page.evaluate("""() => {
          Object.defineProperty(navigator, 'onLine', { get: () => false, configurable: true });
          window.dispatchEvent(new Event('offline'));
        }""")
        await _expect_offline(page)
        await _pay(page).dispatch_event("click")
        await expect(page.get_by_text("That wasn't sent.").locator("visible=true")).to_be_visible()
        await page.evaluate("() => { delete navigator.onLine; window.dispatchEvent(new Event('online')); }")
        await expect(page.get_by_text("your last action wasn't sent").locator("visible=true")).to_be_visible()
        await expect(_pay(page)).not_to_have_attribute("aria-disabled", "true")

        await _click_and_lose(page, proxy)
        await _click_while_cut_off(page, proxy)
        assert _begun(site) == before

        await _pay(page).click()
        await page.wait_for_url(re.compile(r"/add-money/[0-9a-f]{32}"))
        assert _begun(site) == before + 1


@pytest.mark.full
@pytest.mark.parametrize("way", ["freeze", "cut"])
async def test_an_outage_is_noticed_within_five_seconds(site: Site, open_page: OpenPage, way: str) -> None:
    end = {"freeze": "thaw", "cut": "mend"}[way]
    with behind_a_proxy(site) as proxy:
        page = await open_page("/")
        await _about_to_pay(page, proxy)
        for _ in range(5):
            getattr(proxy, way)()
            since = time.monotonic()
            await _says_offline(page)
            assert time.monotonic() - since < NOTICED_SECONDS
            getattr(proxy, end)()
            await expect(_is_live(page)).to_be_visible(timeout=15_000)


@pytest.mark.full
@pytest.mark.parametrize("lost", [_click_and_lose, _click_while_cut_off])
async def test_without_the_guard_the_click_would_be_carried_out_later(
    site: Site, open_page: OpenPage, lost
) -> None:
    async def unguarded(route: Route) -> None:
        answer = await route.fetch()
        body = re.sub(r"\w+\.admits\(\w+,\w+\)&&", "", await answer.text())
        # Reflex itself drops this click while it knows that the socket is down.
        body = re.sub(r"temporal:(!0|true)", "temporal:!1", body)
        body = re.sub(r"addEventListener\(`(click|submit)`,\w+,!0\)", "addEventListener(`none`,()=>{})", body)
        await route.fulfill(response=answer, body=body)

    with behind_a_proxy(site) as proxy:
        page = await open_page("/")
        await page.context.route("**/assets/*.js", unguarded)
        # Without its timestamp a message is accepted however late it arrives.
        await page.context.add_init_script("""
          const send = WebSocket.prototype.send;
          WebSocket.prototype.send = function (data) {
            return send.call(this, typeof data === 'string' ? data.replace(/,"at":\\d+/, '') : data);
          };""")
        await _about_to_pay(page, proxy)
        before = _begun(site)
        await lost(page, proxy)
        assert _begun(site) == before + 1
