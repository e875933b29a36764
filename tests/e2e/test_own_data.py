"""A person exports their data and closes their account, in a browser."""

import json
import re
import secrets

import psycopg
from playwright.async_api import expect

from tests import rows
from tests.e2e.people import PASSWORD, register_by_form
from tests.e2e.site import OpenPage, Site
from tests.e2e.test_account import _sign_in

PROVED_BEFORE = "UPDATE auth_sessions SET proved_at = now() - interval '16 minutes'"


async def test_somebody_takes_their_data_along_and_closes_the_account(
    site: Site, open_page: OpenPage
) -> None:
    email = f"ada-{secrets.token_hex(4)}@mail.example"
    page = await open_page()
    await register_by_form(page, email=email)
    other = await page.context.new_page()
    await other.goto(f"{site.url}/activity")
    async with other.expect_download() as downloading:
        await other.get_by_role("link", name="Download as CSV").click()
    assert (await downloading.value).suggested_filename == "transactions.csv"
    with psycopg.connect(site.database_url, autocommit=True) as owner:
        ((user_id,),) = owner.execute("SELECT id FROM users WHERE email = %s", (email,)).fetchall()
        top_up = rows.top_up(owner, user_id)
        owner.execute(f"{PROVED_BEFORE} WHERE user_id = %s".encode(), (user_id,))

        await page.goto("/profile")
        await page.get_by_role("button", name="Download my data").click()
        await page.get_by_role("textbox", name="Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Confirm", exact=True).click()
        await expect(page.get_by_text("You can continue for 15 minutes.")).to_be_visible()
        await page.get_by_role("button", name="Download my data").click()
        async with page.expect_download() as downloading:
            await page.get_by_role("link", name="Save my-data.json").click()
        download = await downloading.value
        assert download.suggested_filename == "my-data.json"
        document = json.loads((await download.path()).read_text())
        assert document["account"]["email"] == email
        assert [found["id"] for found in document["top_ups"]] == [top_up]

        await expect(page.get_by_text("A payment is still open.")).to_be_visible()
        owner.execute("UPDATE top_ups SET status = 'canceled' WHERE id = %s", (top_up,))
    await page.reload()
    await page.get_by_role("button", name="Close account").click()
    await expect(page.get_by_role("heading", name="Close your account for good?")).to_be_visible()
    await expect(page.get_by_role("button", name="Keep my account")).to_be_focused()
    await page.get_by_role("button", name="Close my account for good").click()
    await page.wait_for_url(re.compile(r"/login/?\?reason=account_closed"))
    await expect(page.get_by_text("Your account is closed.")).to_be_visible()
    await other.wait_for_url(re.compile(r"/login"))
    await _sign_in(page, email)
    await expect(page.get_by_text("Email or password is wrong.")).to_be_visible()
