"""While a page loads, it shows nothing of the previous URL: no other receipt, top-up or link."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.e2e.people import expect_success, new_top_up, register_by_form
from tests.e2e.shops import new_link
from tests.e2e.site import OpenPage, Site, open_order
from tests.e2e.steady import slow_socket

SLOW_SECONDS = 0.7
_NOTE_WORDS = """
window.seenWords = [];
const note = () => { if (document.body) window.seenWords.push(document.body.innerText); };
new MutationObserver(note).observe(document, {childList: true, subtree: true, characterData: true});
"""


async def _seen_at(page: Page, path: str, words: str) -> str:
    """Go to a path and return everything that was visible there until `words` appeared."""
    await page.goto(path)
    await expect(page.get_by_text(words).first).to_be_visible(timeout=15_000)
    return "\n".join(await page.evaluate("window.seenWords"))


@pytest.mark.full
async def test_a_page_shows_nothing_of_the_address_before(open_page: OpenPage, site: Site) -> None:
    page = await open_page("/")
    await register_by_form(page)
    settled, waiting = await new_top_up(page, "2500"), await new_top_up(page, "1700")
    order = open_order(site, settled)
    await page.goto(settled)
    site.simulator.move(order, 4)
    await expect_success(page)
    receipt = await page.request.get(f"/api/transactions/{settled.rpartition('/')[2]}/receipt.pdf")
    (code,) = re.findall(r"/receipt/([a-z2-7]{64})\)", (await receipt.body()).decode("latin-1"))
    links = [new_link(site), new_link(site)]
    await page.context.add_init_script(_NOTE_WORDS)
    await slow_socket(page, seconds=SLOW_SECONDS)

    details = [one.replace("/add-money/", "/activity/") for one in (settled, waiting)]
    assert "2,500" in await _seen_at(page, details[0], "Added by UPI")
    assert "2,500" not in await _seen_at(page, details[1], "₹1,700")

    genuine = "This receipt is genuine"
    assert genuine in await _seen_at(page, f"/receipt/{code}", genuine)
    assert genuine not in await _seen_at(page, f"/receipt/{'a' * 64}", "We can't confirm this receipt")

    (first, second) = [str(link["url"]) for link in links]
    await page.goto(first)
    asks = page.get_by_role("heading", name=re.compile("asks you to add money"))
    await expect(asks).to_be_visible(timeout=15_000)
    name = (await asks.inner_text()).partition(" asks")[0]
    assert name not in await _seen_at(page, second, "asks you to add money")
