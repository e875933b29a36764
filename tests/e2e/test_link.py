"""Adding money by a link: from another site's button and back to that site, with a signed result."""

import hashlib
import hmac
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Page, Route, expect

from tests.e2e.checks import findings_in
from tests.e2e.people import Mouse, expect_success, pay, register_by_form
from tests.e2e.shops import SHOP, new_link
from tests.e2e.site import OpenPage, Site

STEP_MS = 15_000


async def _shop(page: Page) -> None:
    """Serve the site that people return to."""

    async def thank(route: Route) -> None:
        await route.fulfill(body="<title>Tea shop</title><h1>Thank you</h1>", content_type="text/html")

    await page.context.route(f"{SHOP}/**", thank)


def _verified(address: str, secret: str) -> dict[str, str]:
    """Return the result in a return URL after verifying it with the guide's code, as a shop does."""
    query = {name: one[0] for name, one in parse_qs(urlsplit(address).query, keep_blank_values=True).items()}
    signed = "|".join(query[name] for name in ("link_id", "top_up_id", "status", "amount", "asset", "at"))
    expected = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
    assert hmac.compare_digest(expected, query["signature"])
    return query


async def test_somebody_without_an_account_adds_money_and_returns_to_the_shop(
    open_page: OpenPage, site: Site, axe: str
) -> None:
    link = new_link(
        site, fiat_currency="INR", fiat_amount="1000", asset="USDT", return_url=f"{SHOP}/paid?order=7"
    )
    page = await open_page(urlsplit(link["url"]).path, width=360, theme="dark")
    await _shop(page)
    await expect(page.get_by_role("heading", name=re.compile("asks you to add ₹1,000"))).to_be_visible()
    found = await findings_in(page, axe, width=360, theme="dark")
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_label("You pay")).to_have_value("1,000", timeout=STEP_MS)
    assert not await page.get_by_label("You pay").is_editable()
    found += await findings_in(page, axe, width=360, theme="dark")
    await page.get_by_role("button", name="Choose how to pay").click(timeout=STEP_MS)
    await page.wait_for_url(re.compile("step=pay"))
    await page.get_by_role("button", name="Continue").click()
    await page.wait_for_url(re.compile("step=check"))
    await page.get_by_role("button", name=re.compile("^Pay ₹1,000")).click(timeout=STEP_MS)
    await pay(page, Mouse())
    await expect_success(page)
    found += await findings_in(page, axe, width=360, theme="dark")
    assert found == []
    shown = await page.locator("body").inner_text()
    assert not re.search(r"balance is now|Activity|View details|Receipt", shown), shown
    await page.get_by_role("link", name=re.compile("^Return to Tea shop")).click()
    await page.wait_for_url(f"{SHOP}/**")
    result = _verified(page.url, link["return_secret"])
    assert (result["order"], result["status"], result["link_id"]) == ("7", "settled", link["id"])
    assert re.fullmatch(r"11\.\d+", result["amount"])
    # The person in this browser is still not signed in.
    await page.goto(f"{site.url}/home")
    await page.wait_for_url(re.compile("/login"))


@pytest.mark.full
async def test_somebody_who_is_signed_in_leaves_a_link_and_is_who_they_were(
    open_page: OpenPage, site: Site
) -> None:
    page = await open_page()
    await register_by_form(page, name="Ada King")
    await _shop(page)
    link = new_link(site, return_url=SHOP + "/back")
    await page.goto(urlsplit(link["url"]).path)
    await expect(page.get_by_text("It isn't added to the wallet you're signed in to here")).to_be_visible()
    await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_label("You pay")).to_be_visible(timeout=STEP_MS)
    await expect(page.get_by_text("Ada King")).to_have_count(0)
    leave = page.get_by_role("link", name=re.compile("^Cancel and return to Tea shop"))
    back = await leave.get_attribute("href")
    await page.goto(f"{site.url}/home")
    await expect(page.get_by_role("button", name="Your menu")).to_be_visible(timeout=STEP_MS)
    await page.goto(str(back))
    assert _verified(page.url, link["return_secret"])["status"] == "canceled"
