"""A program debits a person: two open pages show it live, and so do the receipt and the export."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from playwright.async_api import Page, expect

from tests.e2e.people import expect_success, has_loaded, new_email, new_top_up, register_by_form
from tests.e2e.shops import Shop
from tests.e2e.site import OpenPage, Site, open_order

LIVE_MS = 5_000


async def _with_money(page: Page, site: Site, email: str) -> None:
    await register_by_form(page, email=email)
    address = await new_top_up(page, "2500")
    await page.goto(address)
    site.simulator.move(open_order(site, address), 4)
    await expect_success(page)


@contextmanager
def _days_ago(days: int, email: str, site: Site) -> Iterator[None]:
    """Temporarily backdate every transfer of a person by some days."""
    move = (
        "UPDATE ledger_transfers SET created_at = created_at - %s * interval '24 hours'"
        " WHERE user_id = (SELECT id FROM users WHERE email = %s)"
    )
    with psycopg.connect(site.database_url, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")  # The books are append-only.
        owner.execute(move, (days, email))
        try:
            yield
        finally:
            owner.execute(move, (-days, email))


async def test_what_is_taken_is_seen_live_and_has_details_and_a_receipt(
    open_page: OpenPage, site: Site
) -> None:
    home, email = await open_page(width=360, theme="dark"), new_email()
    await _with_money(home, site, email)
    await home.goto("/home")
    await has_loaded(home)
    activity = await home.context.new_page()
    await activity.goto("/activity")
    await has_loaded(activity)
    balance = home.locator("#balance-amount")
    before = await balance.inner_text()

    shop = await Shop.that_knows(email, site)
    shop.take(amount="2.50", reference="order-1", description="Two coffees")
    for page in (home, activity):
        row = page.get_by_role("link", name=re.compile(r"Spent at Wallet: Two coffees.*[-\u2212]2\.50 USDT"))
        await expect(row).to_be_visible(timeout=LIVE_MS)
    await expect(balance).not_to_have_text(before)
    shop.take(amount="5", reference="cart-1", description="Cinema", hold={"expires_in": 3600})
    await expect(home.get_by_text("5.00 reserved for a purchase")).to_be_visible(timeout=LIVE_MS)
    await expect(activity.get_by_role("link", name=re.compile("Cinema.*Reserved"))).to_be_visible()

    await activity.get_by_role("link", name=re.compile("Two coffees")).click()
    await activity.wait_for_url(re.compile(r"/activity/[0-9a-f]{32}"))
    await expect(activity.get_by_role("heading", name="Spent at Wallet: Two coffees")).to_be_visible()
    await expect(activity.get_by_text("This was paid from the balance.")).to_be_visible()
    async with activity.expect_download() as download:
        await activity.get_by_role("link", name="Download receipt (PDF)").click()
    receipt = (await (await download.value).path()).read_bytes()
    assert receipt.startswith(b"%PDF-")
    (code,) = re.findall(r"/receipt/([a-z2-7]{64})\)", receipt.decode("latin-1"))
    stranger = await open_page(f"/receipt/{code}")
    await expect(stranger.get_by_role("heading", name="This receipt is genuine")).to_be_visible()
    assert "Two coffees" in await (await home.request.get("/api/transactions.csv")).text()

    # Ten days later the chart is labeled by days, in two words, as it is only as wide as a phone.
    with _days_ago(10, email, site):
        await home.reload()
        dated = re.compile(r"^\d{1,2} [A-Z][a-z]{2,3}$")
        await expect(home.locator(".chart-days time").first).to_have_text(dated)
