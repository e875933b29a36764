"""An operator creates a code in a browser and uses it for one decision on the command line.

The whole flow runs only at full size: `tests/operators` and `tests/web/profile` test its two halves.
"""

import asyncio
import re
import sys

import psycopg
import pytest
from playwright.async_api import Page, expect

from tests.e2e.people import PASSWORD, new_email, register_by_form
from tests.e2e.site import PROJECT, OpenPage, Site

CODE = re.compile(r"[0-9A-Z]{5}-[0-9A-Z]{5}")


async def _run(site: Site, *arguments: str) -> tuple[int, str]:
    command = (sys.executable, "-m", "onramp_app", *arguments)
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=PROJECT,
        env=site.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def _code_on(page: Page) -> str:
    shown = page.get_by_role("region", name="Operator code").get_by_text(CODE)
    return await shown.inner_text()


@pytest.mark.full
async def test_a_code_of_the_profile_page_decides_once_on_the_command_line(
    open_page: OpenPage, site: Site
) -> None:
    admin, colleague = new_email(), new_email()
    await register_by_form(await open_page(), email=colleague)
    page = await open_page()
    await register_by_form(page, email=admin, to="/profile")
    await expect(page.get_by_role("heading", name="Password")).to_be_visible()
    await expect(page.get_by_role("heading", name="Operator code")).to_have_count(0)
    with psycopg.connect(site.database_url) as owner:
        owner.execute("UPDATE users SET role = 'admin' WHERE email = %s", (admin,))
        owner.execute("UPDATE users SET email_confirmed_at = now() WHERE email = %s", (colleague,))
    await page.reload()
    await page.get_by_role("button", name="Make a code").click()
    await expect(page.get_by_text("Valid until")).to_be_visible()
    code = await _code_on(page)
    await page.reload()
    await expect(page.get_by_role("button", name="Make a code")).to_be_visible()
    assert code not in await page.content(), "it is shown once"

    mandate = ("--by", admin, "--code", code)
    done = await _run(site, "grant-role", colleague, "operator", *mandate)
    assert done[0] == 0, done[1]
    again = await _run(site, "grant-role", colleague, "user", *mandate)
    assert again[0] == 1
    assert "This code is not good" in again[1]


@pytest.mark.full
async def test_who_signed_in_a_while_ago_is_asked_once_more(open_page: OpenPage, site: Site) -> None:
    email = new_email()
    page = await open_page(width=360, theme="dark")
    await register_by_form(page, email=email)
    with psycopg.connect(site.database_url) as owner:
        owner.execute("UPDATE users SET role = 'operator' WHERE email = %s", (email,))
        owner.execute(
            "UPDATE auth_sessions SET proved_at = proved_at - interval '16 minutes'"
            " WHERE user_id = (SELECT id FROM users WHERE email = %s)",
            (email,),
        )
    await page.goto("/profile")
    await page.get_by_role("button", name="Make a code").click()
    asked = page.get_by_role("region", name="Confirm that it's you")
    await asked.get_by_label("Password", exact=True).fill(PASSWORD)
    await asked.get_by_role("button", name="Confirm").click()
    await expect(asked).to_have_count(0)
    await page.get_by_role("button", name="Make a code").click()
    await expect(page.get_by_text("Valid until")).to_be_visible()
