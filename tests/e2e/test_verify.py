"""A person above the limit of tier `none` is sent to `/verify`, is approved live, returns and pays.

This uses the white-label line, in the simulator's own page in the frame. A person who was rejected is refused
when they start, and their money is held if they pay anyway.
"""

import json
import re
import secrets
from collections.abc import AsyncIterator

import httpx
import psycopg
import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.people import Mouse, expect_success, new_top_up, pay, register_by_form
from tests.e2e.site import Site, open_order, other_settings
from tests.folders import started_once

LIMITS = {"none": {"per_top_up": "50"}, "basic": {"per_top_up": "500"}, "full": {"per_top_up": "5000"}}


@pytest.fixture
def white_label_site(site: Site, request: pytest.FixtureRequest) -> Site:
    limits = json.dumps({"currency": "USD", **LIMITS})
    # Read the rates now: an instance killed while reading them would block others for a minute.
    httpx.get(f"{site.url}/api/exchange-rates?base=INR&symbols=USD", timeout=30).raise_for_status()
    return started_once(
        request,
        lambda: other_settings(site, ONRAMP_WHITE_LABEL="on", LIMITS=limits),
        per=pytest.Module,
    )


@pytest.fixture
async def page(white_label_site: Site, chromium: Browser) -> AsyncIterator[Page]:
    context = await chromium.new_context(
        base_url=white_label_site.url,
        viewport={"width": 1280, "height": 900},
        reduced_motion="reduce",
        extra_http_headers={"X-Forwarded-For": f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.8"},
    )
    page = await context.new_page()
    await page.goto("/login")
    await register_by_form(page)
    yield page
    await context.close()


async def _start(page: Page, number: str) -> None:
    await page.get_by_label("Number", exact=True).fill(number)
    await page.get_by_role("button", name="Start verification").click()


async def _at_provider(page: Page, button: str) -> None:
    frame = page.frame_locator("iframe")
    await frame.get_by_role("button", name="Log in with a one-time code").click()
    await frame.get_by_role("button", name=button).click()


@pytest.mark.full
async def test_a_person_above_their_limit_is_verified_live_comes_back_and_pays(page: Page) -> None:
    await page.goto("/add-money?amount=5000")
    await expect(page.get_by_text("Verify your identity to add this amount.")).to_be_visible(timeout=15_000)
    await page.get_by_role("link", name="Verify your identity", exact=True).click()
    await page.wait_for_url(re.compile(r"/verify"))
    await _start(page, "99999 10001")
    await _at_provider(page, "Approve: basic")
    # Without a reload: the read pushes the outcome to the page, and the frame disappears.
    await expect(page.get_by_role("heading", name="You're verified")).to_be_visible(timeout=20_000)
    await expect(page.locator("iframe")).to_have_count(0)
    await page.get_by_role("link", name="Back to adding money").click()
    await page.wait_for_url(re.compile(r"/add-money/?\?.*amount=5000"))
    await page.get_by_role("button", name="Choose how to pay").click()
    await page.get_by_role("button", name="Continue").click()
    await page.get_by_role("button", name=re.compile("^Pay ")).click()
    await page.wait_for_url(re.compile(r"/add-money/[0-9a-f]{32}"))
    await pay(page, Mouse())
    await expect_success(page)


@pytest.mark.full
async def test_who_is_rejected_is_refused_and_held_when_they_pay_all_the_same(
    page: Page, white_label_site: Site
) -> None:
    offered = await new_top_up(page, "1000")
    await page.goto("/verify")
    await _start(page, "99999 10002")
    await _at_provider(page, "Refuse for good")
    await expect(page.get_by_role("heading", name="Your identity couldn't be verified")).to_be_visible(
        timeout=20_000
    )
    await expect(page.get_by_text("It can't be tried again here.")).to_be_visible()
    await page.goto("/add-money?amount=1000&another=yes")
    await expect(page.get_by_role("heading", name="Your identity couldn't be verified")).to_be_visible()
    order = open_order(white_label_site, offered)
    white_label_site.simulator.move(order, 4)
    await page.goto(offered)
    top_up_id = offered.rpartition("/")[2]
    with psycopg.connect(white_label_site.database_url, autocommit=True) as database:
        for _ in range(40):
            found = database.execute(
                "SELECT status, reason FROM top_ups WHERE id = %s", (top_up_id,)
            ).fetchone()
            if found == ("in_review", "kyc_rejected"):
                break
            await page.wait_for_timeout(500)
    assert found == ("in_review", "kyc_rejected")
