"""A delivery on a chain that we read ourselves, as its owner sees it: on its way, arrived, or missing."""

import pytest
from playwright.async_api import Locator, Page, expect

from tests.e2e.people import new_top_up, register_by_form
from tests.e2e.site import OpenPage, Site, open_order

QUICK = 15_000


async def deliver(page: Page, site: Site, name: str, value: str) -> tuple[str, int]:
    """Pay and deliver a top-up in a scenario of the chain. Returns its URL and its order's id."""
    address = await new_top_up(page, "2000", network="bep20")
    await page.goto(address)
    order = open_order(site, address)
    site.simulator.scenario(name, value=value, order_id=order)
    for status in (2, 4):
        site.simulator.move(order, status)
    return address, order


def heading(page: Page, words: str) -> Locator:
    return page.get_by_role("heading", name=words, level=1)


@pytest.mark.full
async def test_a_delivery_is_arriving_until_the_network_shows_it(open_page: OpenPage, site: Site) -> None:
    page = await open_page()
    await register_by_form(page)
    address, order = await deliver(page, site, "chain_slow", "4")
    await expect(page.get_by_text("Arriving on the network")).to_be_visible(timeout=QUICK)
    await expect(heading(page, "In your balance")).to_be_visible(timeout=QUICK)
    transaction = f"https://bscscan.com/tx/{site.simulator.order(order)['transactionHash']}"
    for path in (address, address.replace("/add-money/", "/activity/")):
        await page.goto(path)
        link = page.get_by_role("link", name="BNB Smart Chain, block")
        await expect(link).to_have_attribute("href", transaction, timeout=QUICK)
    await expect(page.get_by_text("Seen on the chain")).to_be_visible()
    await expect(page.get_by_text("We checked the network")).to_be_visible()


async def test_a_delivery_that_the_network_does_not_show_says_what_now(
    open_page: OpenPage, site: Site
) -> None:
    page = await open_page()
    await register_by_form(page)
    address, _ = await deliver(page, site, "chain_missing", "failed")
    await expect(heading(page, "We're reviewing this top-up")).to_be_visible(timeout=QUICK)
    await expect(page.get_by_text("The network doesn't show it yet.")).to_be_visible()
    await expect(page.get_by_text("Your payment was received.", exact=True)).to_be_visible()
    await expect(page.get_by_text("Don't pay again.")).to_be_visible()
    await page.goto(address.replace("/add-money/", "/activity/"))
    await expect(page.get_by_text("USDT not found on the network")).to_be_visible(timeout=QUICK)
