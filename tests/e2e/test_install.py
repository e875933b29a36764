"""Chromium considers the pages installable as an app."""

import json
import shutil
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright

from tests.chromium import FLAGS
from tests.e2e.site import OpenPage, Site

_COLOURS = "[...document.querySelectorAll('meta[name=theme-color]')].map(one => [one.media, one.content])"


async def test_the_manifest_is_understood_and_the_bars_follow_the_theme(open_page: OpenPage) -> None:
    page = await open_page("/login", theme="dark")
    browser = await page.context.new_cdp_session(page)
    read = await browser.send("Page.getAppManifest")
    assert read["errors"] == []
    assert read["manifest"]["name"] == "Wallet"
    assert {icon.get("purpose") for icon in json.loads(read["data"])["icons"]} >= {"any", "maskable"}
    for address in ("/icons/any-512.png", "/icons/touch-180.png"):
        assert (await page.request.get(address)).headers["content-type"] == "image/png"

    by_system = [["(prefers-color-scheme: light)", "#F7F3EA"], ["(prefers-color-scheme: dark)", "#0C1718"]]
    assert await page.evaluate(_COLOURS) == by_system
    await page.get_by_role("button", name="Light").click()
    await page.wait_for_function(f"JSON.stringify({_COLOURS}) === JSON.stringify([['', '#F7F3EA']])")


async def _refusals(page: Page) -> list[str]:
    browser = await page.context.new_cdp_session(page)
    answer = await browser.send("Page.getInstallabilityErrors")
    return [error["errorId"] for error in answer["installabilityErrors"]]


async def _opened(context: BrowserContext, url: str) -> Page:
    page = await context.new_page()
    await page.goto(url, wait_until="networkidle")
    return page


@pytest.mark.full
async def test_a_whole_chromium_would_install_it(site: Site, tmp_path: Path) -> None:
    # The headless shell reports every page as installable, even one without a manifest.
    if (whole := shutil.which("chromium")) is None:
        pytest.skip("no Chromium with windows on the PATH")
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            tmp_path, executable_path=whole, args=FLAGS
        )
        page = await _opened(context, f"{site.url}/login")
        assert await _refusals(page) == []
        await page.evaluate("document.querySelector('link[rel=manifest]').remove()")
        assert await _refusals(page) == ["no-manifest"]
        await context.close()
