"""Makes the pictures of docs/screens: python -m tests.e2e.screens

With `--states FOLDER` it takes every state of every page instead, at three widths and in both themes, for
people to look at; names of groups after it (`wizard`, `offline`, ...) take those alone. Everything in the
pictures happened: people register on a fresh installation and add money with the simulator. Needs a Chromium.
"""

import argparse
import asyncio
import re
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright, expect

from onramp_app.local import postgres
from tests.chromium import FLAGS, chromium_path
from tests.e2e.checks import ALL_LOOKS, DRAWN
from tests.e2e.people import Mouse, ask_for, expect_success, new_email, pay, register
from tests.e2e.site import PROJECT, Site, open_order, running_site
from tests.e2e.states import GROUPS, States, site_for

FOLDER = PROJECT / "docs" / "screens"
_HANDS = Mouse()


async def _picture(page: Page, name: str) -> None:
    await page.evaluate("document.fonts.ready")
    await page.evaluate("scrollTo(0, 0)")  # a press may have scrolled
    await page.wait_for_timeout(600)  # arrivals are animated for 400 ms
    await page.screenshot(path=FOLDER / f"{name}.png")


async def _to_home(page: Page) -> None:
    await page.get_by_role("link", name="Done").click()
    await page.wait_for_url(re.compile(r"/home/?$"))
    await expect(page.get_by_text("Recent activity")).to_be_visible()


async def _wide(browser: Browser, site: Site) -> None:
    page = await browser.new_page(
        base_url=site.url, viewport={"width": 1280, "height": 800}, reduced_motion="reduce"
    )
    await page.goto("/")
    await _picture(page, "landing")
    await register(page, _HANDS, email=new_email())
    for amount in ("2,500", "7,500"):
        await ask_for(page, _HANDS, amount)
        await pay(page, _HANDS)
        await expect_success(page)
        await _to_home(page)
    await page.goto("/add-money")
    await page.get_by_label("You pay").fill("10,000")
    await page.wait_for_timeout(2000)  # for the quote
    await _picture(page, "amount")
    await page.goto("/home")
    await ask_for(page, _HANDS, "10,000")
    await page.wait_for_timeout(1500)
    await _picture(page, "pay")
    order = open_order(site, page.url)
    site.simulator.move(order, 2)
    await expect(page.get_by_role("heading", name="Your money is on its way")).to_be_visible(timeout=15_000)
    await page.goto("/home")
    await expect(page.get_by_role("list", name="On its way")).to_be_visible()
    await _picture(page, "home")
    await page.get_by_role("list", name="On its way").get_by_role("link").first.click()
    await page.wait_for_url(re.compile(r"/add-money/"))
    site.simulator.move(order, 4)
    await expect_success(page)
    await _picture(page, "success")
    await page.get_by_role("link", name="View details").click()
    await page.wait_for_url(re.compile(r"/activity/"))
    await _picture(page, "story")


async def _narrow(browser: Browser, site: Site) -> None:
    page = await browser.new_page(
        base_url=site.url,
        viewport={"width": 360, "height": 780},
        color_scheme="dark",
        device_scale_factor=2,
        reduced_motion="reduce",
    )
    await page.goto("/")
    await register(page, _HANDS, email=new_email())
    await ask_for(page, _HANDS, "2,000")
    await pay(page, _HANDS)
    await expect_success(page)
    await _picture(page, "success-dark")
    await _to_home(page)
    await _picture(page, "home-dark")
    await page.goto("/add-money")
    await page.get_by_label("You pay").fill("10,000")
    await page.wait_for_timeout(2000)
    await _picture(page, "amount-dark")
    await page.goto("/home")
    await ask_for(page, _HANDS, "10,000")
    order = open_order(site, page.url)
    site.simulator.move(order, 3)
    await expect(page.get_by_role("heading", name="Your money is on its way")).to_be_visible(timeout=15_000)
    await _picture(page, "on-its-way-dark")


async def _shown_to_people(browser: Browser, site: Site) -> None:
    await _wide(browser, site)
    await _narrow(browser, site)


async def _every_state(browser: Browser, site: Site, states: States, folder: Path) -> None:
    context = await browser.new_context(
        base_url=site.url,
        reduced_motion="reduce",
        # Each group has an address of its own: registrations are limited per address.
        extra_http_headers={"X-Forwarded-For": f"10.7.0.{GROUPS.index(states)}"},
    )
    async for name, page in states(await context.new_page(), site):
        for width, theme in ALL_LOOKS:
            await page.set_viewport_size({"width": width, "height": 800})
            await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            await page.evaluate(DRAWN)
            await page.screenshot(path=folder / f"{name}-{width}-{theme}.png", full_page=True)
    await context.close()


async def _with_browser(take: Callable[[Browser], Awaitable[None]]) -> None:
    async with async_playwright() as playwright:
        # Without hinting, letters are placed as on a high-resolution screen instead of on whole pixels.
        flags = [*FLAGS, "--font-render-hinting=none"]
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=flags)
        await take(browser)
        await browser.close()


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--states", type=Path, metavar="FOLDER")
    parser.add_argument("groups", nargs="*", choices=[*(states.__name__ for states in GROUPS), []])
    arguments = parser.parse_args()
    folder = arguments.states or FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        server = postgres.start(Path(name) / "postgres")
        try:
            with running_site(Path(name), server.url) as site:
                if not arguments.states:
                    asyncio.run(_with_browser(partial(_shown_to_people, site=site)))
                    return
                for states in GROUPS:
                    if not arguments.groups or states.__name__ in arguments.groups:
                        take = partial(_every_state, site=site, states=states, folder=folder)
                        with site_for(states, site):
                            asyncio.run(_with_browser(take))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
