"""Redis, the database and the instance go down and come back while a browser is left untouched.

This runs only at full size: `tests/fleet` proves the same for sockets, without a browser.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.e2e.people import Mouse, new_email, register
from tests.e2e.site import OpenPage, Site
from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer

BACK_WITHIN = 15_000


@contextmanager
def _served_with(site: Site, **values: str) -> Iterator[None]:
    usual = dict(site.environment)
    site.kill()
    site.environment.update(values)
    site.start()
    try:
        yield
    finally:
        site.kill()
        site.environment.clear()
        site.environment.update(usual)
        site.start()


async def _is_live(page: Page) -> None:
    await expect(page.get_by_role("banner").get_by_text("Live", exact=True)).to_be_visible(
        timeout=BACK_WITHIN
    )


@pytest.mark.full
async def test_pages_say_what_is_away_and_come_back(
    site: Site,
    open_page: OpenPage,
    redis_server: RedisServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    database = PostgresServer(tmp_path, monkeypatch)
    database.start()
    with _served_with(site, DATABASE_URL=database.url, REDIS_URL=redis_server.url):
        page = await open_page("/")
        await register(page, Mouse(), email=new_email())
        idle = await page.context.new_page()
        await idle.goto("/home")
        await _is_live(idle)

        redis_server.kill()
        await page.get_by_role("link", name="Activity").locator("visible=true").first.click()
        opened = await page.context.new_page()
        await opened.goto("/profile")
        for one in (page, opened, idle):
            await expect(one.get_by_text("Part of our service isn't answering")).to_be_visible()
            await expect(one.get_by_text("Live", exact=True)).to_have_count(0)
        redis_server.start()
        await expect(page.get_by_role("heading", name="No activity yet")).to_be_visible(timeout=BACK_WITHIN)
        await expect(opened.get_by_label("Name")).to_have_value("Ada King", timeout=BACK_WITHIN)
        for one in (page, opened, idle):
            await _is_live(one)

        database.stop()
        for one in (page, opened, idle):
            await expect(
                one.get_by_text("We can't reach our database right now. Figures may")
            ).to_be_visible()
        await opened.get_by_role("button", name="Save").first.click()
        await expect(opened.get_by_text("That didn't go through:")).to_be_visible()
        await idle.get_by_role("link", name="Activity").locator("visible=true").first.click()
        database.start()
        await expect(idle.get_by_role("heading", name="No activity yet")).to_be_visible(timeout=BACK_WITHIN)
        for one in (page, opened, idle):
            await _is_live(one)
        await expect(opened.get_by_text("That didn't go through:")).to_have_count(0)
    database.stop()


@pytest.mark.full
async def test_a_page_goes_on_without_being_loaded_again_when_its_instance_is_replaced(
    site: Site, open_page: OpenPage
) -> None:
    page = await open_page("/")
    await register(page, Mouse(), email=new_email())
    idle = await page.context.new_page()
    await idle.goto("/home")
    await _is_live(idle)
    await idle.evaluate("window.isTheSamePage = true")

    site.end()
    await expect(idle.get_by_text(re.compile("^Offline"))).to_be_visible()
    site.start()
    await _is_live(idle)
    await idle.get_by_role("link", name="Activity").locator("visible=true").first.click()
    await expect(idle.get_by_role("heading", name="No activity yet")).to_be_visible()
    assert await idle.evaluate("window.isTheSamePage")
