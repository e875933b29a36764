"""Mailed links open the right pages, followed from the outbox as from a mailbox."""

import re
from contextlib import nullcontext

import httpx
import psycopg
import pytest
from playwright.async_api import Page, expect

from tests import rows
from tests.e2e.people import PASSWORD, follow_mail, new_email, register_by_form
from tests.e2e.site import OpenPage, Site, other_settings

ASKED = "Confirm your email address to add money"
NEW_PASSWORD = "another calm evening 7"


async def _expect_the_need_to_confirm(page: Page) -> None:
    """Expect the request to confirm both at home, before anything is started, and instead of a top-up."""
    await page.goto("/home")
    await expect(page.get_by_text(ASKED)).to_be_visible()
    await page.goto("/add-money?amount=2000&currency=INR&asset=USDT&network=matic20&method=UPI&step=check")
    await page.get_by_role("button", name=re.compile("^Pay ")).click()
    await expect(page.get_by_text("First confirm your email address")).to_be_visible()


@pytest.mark.parametrize(
    "is_required", [False, pytest.param(True, marks=pytest.mark.full)], ids=["asked for", "required"]
)
async def test_a_newcomer_confirms_the_address_forgets_the_password_and_comes_back(
    open_page: OpenPage, site: Site, *, is_required: bool
) -> None:
    email, page = new_email(), await open_page()
    # Changing the settings costs two restarts of the application.
    with other_settings(site, REQUIRE_CONFIRMED_EMAIL="true") if is_required else nullcontext():
        await register_by_form(page, email=email)
        if is_required:
            await _expect_the_need_to_confirm(page)
        await follow_mail(page, "Confirm your email address", "Confirm address", to=email)
        await page.wait_for_url(re.compile(r"/confirm/?#"))
        await page.get_by_role("button", name="Confirm address").click()
        await expect(page.get_by_role("heading", name="Your address is confirmed")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("heading", name="This link no longer works")).to_be_visible()
        await expect(page.get_by_role("link", name="Go to your profile")).to_be_visible()
        await page.goto("/home")
        await expect(page.get_by_role("link", name="Add money").first).to_be_visible()
        await expect(page.get_by_text(ASKED)).to_have_count(0)

        visitor = await open_page("/login", width=360, theme="dark")
        await visitor.get_by_role("link", name="Forgot your password?").click()
        await visitor.wait_for_url(re.compile(r"/forgot/?$"))  # the previous page has an Email field too
        await visitor.get_by_label("Email").fill(email)
        await visitor.get_by_role("button", name="Send link").click()
        await expect(visitor.get_by_role("heading", name="Check your email")).to_be_visible()
        await follow_mail(visitor, "Set a new password", "Set a new password", to=email)
        await visitor.wait_for_url(re.compile(r"/reset/?#"))
        await visitor.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
        await visitor.get_by_role("button", name="Set password").click()
        await visitor.wait_for_url(re.compile(r"/login/?\?reason=password_reset"))
        await page.wait_for_url(re.compile(r"/login"), timeout=5000)  # every session has ended
        await visitor.get_by_label("Email").fill(email)
        await visitor.get_by_label("Password", exact=True).fill(NEW_PASSWORD)
        await visitor.get_by_role("main").get_by_role("button", name="Sign in").click()
        await visitor.wait_for_url(re.compile(r"/home/?$"))


async def test_a_person_claims_the_account_that_a_shop_opened_for_them(
    open_page: OpenPage, site: Site
) -> None:
    email = new_email()
    with psycopg.connect(site.database_url, autocommit=True) as owner:
        _, key = rows.program(owner, name=f"Corner shop {email}")
    async with httpx.AsyncClient(base_url=site.url) as shop:
        body = {"external_id": "customer-4711", "email": email}
        opened = await shop.post("/api/users", json=body, headers={"Authorization": f"Bearer {key}"})
        assert opened.status_code == 201
    page = await open_page("/outbox", width=360)
    await follow_mail(page, "Claim your .* account", "Set a password", to=email)
    await expect(page.get_by_role("heading", name="Claim your account")).to_be_visible()
    await expect(page.get_by_text(f"It will belong to {email}.")).to_be_visible()
    await page.get_by_label("New password", exact=True).fill(NEW_PASSWORD)
    await page.get_by_role("button", name="Set password").click()
    await page.wait_for_url(re.compile(r"/login/?\?reason=password_reset"))
    await page.get_by_label("Email").fill(email)
    await page.get_by_label("Password", exact=True).fill(NEW_PASSWORD)
    await page.get_by_role("main").get_by_role("button", name="Sign in").click()
    await page.wait_for_url(re.compile(r"/home/?$"))


async def test_an_address_is_changed_and_undone_from_the_old_mailbox(open_page: OpenPage, site: Site) -> None:
    old, new = new_email(), new_email()
    page = await open_page()
    await register_by_form(page, email=old)
    with psycopg.connect(site.database_url) as database:
        database.execute("UPDATE users SET email_confirmed_at = now() WHERE email = %s", (old,))
    await page.goto("/profile")
    await page.get_by_label("New email address").fill(new)
    await page.get_by_label("Your password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Change address").click()
    await expect(page.get_by_text("Until then nothing changes.")).to_be_visible()
    await follow_mail(page, "Confirm your new email address", "Confirm address", to=new)
    await page.get_by_role("button", name="Confirm address").click()
    await expect(page.get_by_role("heading", name="Your address is confirmed")).to_be_visible()
    await page.goto("/profile")
    await expect(page.get_by_role("main").get_by_text(new)).to_be_visible()

    mailbox = await open_page("/outbox", width=360, theme="dark")
    await follow_mail(mailbox, "Your email address was changed", "Undo the change", to=old)
    await mailbox.get_by_role("button", name="Undo the change").click()
    await expect(mailbox.get_by_role("heading", name="Your account is safe")).to_be_visible()
    await page.wait_for_url(re.compile(r"/login"), timeout=5000)
