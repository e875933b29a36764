"""What is mailed opens what it should, by a press of a button: from the outbox, as from a mailbox."""

import re

from playwright.async_api import Page, expect

from tests.e2e.people import Mouse, new_email, register
from tests.e2e.site import OpenPage, Site, other_settings

NEW_PASSWORD = "another calm evening 7"


async def _follow(page: Page, subject: str, words: str) -> None:
    """Open the newest mail with a subject in the outbox, and follow its button."""
    mail = page.get_by_role("button", name=subject).first
    for _ in range(20):
        await page.goto("/outbox")
        await expect(page.get_by_role("heading", name="Mails")).to_be_visible()
        if await mail.count():
            break
    await mail.click()
    await page.frame_locator("iframe").get_by_role("link", name=words).click()


async def test_a_newcomer_confirms_the_address_forgets_the_password_and_comes_back(
    open_page: OpenPage, site: Site
) -> None:
    with other_settings(site, REQUIRE_CONFIRMED_EMAIL="true"):
        email = new_email()
        page = await open_page("/")
        await register(page, Mouse(), email=email)
        asked = page.get_by_text("Confirm your e-mail address to add money")
        await expect(asked).to_be_visible()
        await page.goto("/add-money")
        await expect(page.get_by_role("heading", name="Confirm your e-mail address")).to_be_visible()

        await _follow(page, "Confirm your e-mail address", "Confirm address")
        await page.wait_for_url(re.compile(r"/confirm/?#"))
        await page.get_by_role("button", name="Confirm address").click()
        await expect(page.get_by_role("heading", name="Your address is confirmed")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("heading", name="This link no longer works")).to_be_visible()
        await page.goto("/home")
        await expect(page.get_by_role("link", name="Add money").first).to_be_visible()
        await expect(asked).to_have_count(0)

        visitor = await open_page("/login", width=360, theme="dark")
        await visitor.get_by_role("link", name="Forgot your password?").click()
        await visitor.get_by_label("E-mail").fill(email)
        await visitor.get_by_role("button", name="Send link").click()
        await expect(visitor.get_by_role("heading", name="Check your mail")).to_be_visible()
        await _follow(visitor, "Set a new password", "Set a new password")
        await visitor.wait_for_url(re.compile(r"/reset/?#"))
        await visitor.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
        await visitor.get_by_role("button", name="Set password").click()
        await visitor.wait_for_url(re.compile(r"/login/?\?reason=password_reset"))
        await page.wait_for_url(re.compile(r"/login"), timeout=5000)  # every session has ended
        await visitor.get_by_label("E-mail").fill(email)
        await visitor.get_by_label("Password", exact=True).fill(NEW_PASSWORD)
        await visitor.get_by_role("main").get_by_role("button", name="Sign in").click()
        await visitor.wait_for_url(re.compile(r"/home/?$"))
