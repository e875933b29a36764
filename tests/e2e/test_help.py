"""Help where it is needed, in a browser: at registration, on its own page, and on a top-up in review."""

import re
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import expect

from tests.e2e.people import open_new_top_up, register_by_form
from tests.e2e.site import OpenPage, Site, open_order


async def test_a_payment_under_review_says_what_is_kept_and_leads_to_a_person_who_knows_its_reference(
    open_page: OpenPage, site: Site
) -> None:
    page = await open_page("/register")
    await expect(page.get_by_role("main").get_by_role("link", name="Help")).to_have_attribute("href", "/help")
    await register_by_form(page)
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    held = await open_new_top_up(page, "2000")
    order = open_order(site, held)
    expected = Decimal(site.simulator.order(order)["expectedCryptoAmount"])
    site.simulator.move(order, 4, actualCryptoAmount=str(expected * 2))
    await expect(page.get_by_role("heading", level=1)).to_have_text(
        "We're reviewing this top-up", timeout=8_000
    )
    await expect(page.get_by_text("within one working day")).to_be_visible()
    support = page.get_by_role("link", name="Contact support")
    await expect(support).to_be_visible(timeout=10_000)

    reference = f"{held[-8:-4]}-{held[-4:]}".upper()
    address = urlsplit(await support.get_attribute("href") or "")
    headers = parse_qs(address.query)
    assert (address.scheme, address.path) == ("mailto", "help@wallet.example")
    assert headers["subject"] == [f"Top-up {reference}"]
    assert {f"Reference: {reference}", f"Provider order: {order}"} <= set(headers["body"][0].split("\r\n"))
    await page.get_by_role("button", name="Copy Reference").click()
    await expect(page.get_by_role("button", name="Copied Reference")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == reference
    assert await page.evaluate("getSelection().toString()") == reference

    await page.get_by_role("link", name="Questions and answers").click()
    await page.wait_for_url(re.compile(r"/help/?$"))
    await expect(page.get_by_role("heading", name="Why is my top-up in review?")).to_be_visible()
    await expect(page.get_by_role("link", name="help@wallet.example")).to_be_visible()
    await page.goto("/home")
    await expect(page.get_by_text("held for you")).to_be_visible()
