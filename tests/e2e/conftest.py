"""A production build of the application on a real database, and a real Chromium that opens it."""

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.chromium import FLAGS, chromium_path
from tests.e2e.checks import axe_script
from tests.e2e.site import OpenPage, Site, running_site
from tests.e2e.watched import count_shifts, record_violations
from tests.folders import started_once


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    skip = pytest.mark.skip(reason="no Chromium on the PATH")
    for item in items:
        if here not in item.path.parents:
            continue
        item.add_marker(pytest.mark.browser)
        # CI sets REQUIRE_BROWSER, so that a missing browser fails the tests instead of skipping them.
        if chromium_path() is None and not os.environ.get("REQUIRE_BROWSER"):
            item.add_marker(skip)


@pytest.fixture
def site(
    postgres_server: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Site:
    """A production build on an empty database, which the application migrates, and a simulator."""

    @contextmanager
    def started() -> Iterator[Site]:
        with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE site")
        with running_site(tmp_path_factory.mktemp("site"), f"{postgres_server}/site") as site:
            yield site

    return started_once(request, started)


@pytest.fixture(scope="session")
def axe() -> str:
    """The accessibility checker's script."""
    return axe_script()


@pytest_asyncio.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        # One process for each tab would add a third to the cost of opening it.
        flags = [*FLAGS, "--process-per-site"]
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=flags)
        yield browser
        await browser.close()


@pytest_asyncio.fixture
async def open_page(site: Site, chromium: Browser) -> AsyncIterator[OpenPage]:
    """A function that opens a page in a new browser context: `await open_page("/login", width=360)`.

    Without a path it opens a static file, for tests that register somebody first.
    Script errors, responses of 500 and above, and policy violations fail the test, in that page and in any
    other page of its context.
    """
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    async def open_(
        path: str = "/theme.css", *, width: int = 1280, theme: str = "light", **options: object
    ) -> Page:
        context = await chromium.new_context(
            base_url=site.url,
            viewport={"width": width, "height": 800},
            color_scheme=theme,  # type: ignore[arg-type]
            reduced_motion="reduce",
            # Another client each time: registrations are limited per address.
            extra_http_headers={"X-Forwarded-For": f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.7"},
            **options,  # type: ignore[arg-type]
        )
        contexts.append(context)
        await record_violations(context, faults)
        await count_shifts(context)
        context.on("weberror", lambda error: faults.append(str(error.error)))
        context.on("response", lambda r: faults.append(f"{r.status} {r.url}") if r.status >= 500 else None)
        page = await context.new_page()
        await page.goto(path)
        return page

    yield open_
    for context in contexts:
        await context.close()
    assert faults == []
