"""The states of the pages behind links: add-money links of programs, and links in mails.

`states.py` includes them in its groups.
"""

import re
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import psycopg
from playwright.async_api import Page, expect

from tests.e2e.people import (
    expect_success,
    follow_mail,
    has_loaded,
    new_email,
    payment_page,
    register_by_form,
)
from tests.e2e.shops import SHOP, new_link, withdraw
from tests.e2e.site import Site, open_order

Shown = AsyncIterator[tuple[str, Page]]

_SOON_MS = 15_000


async def links(page: Page, site: Site) -> Shown:
    """An add-money link from its first page to each outcome; `entrance` shows an unknown link."""
    fixed = {"fiat_currency": "INR", "fiat_amount": "1000", "asset": "USDT", "return_url": f"{SHOP}/paid"}
    async for shown in _paid_by_link(page, site, new_link(site, **fixed)):
        yield shown
    for name, show in (("failed", _failed), ("short", _short), ("review", _review)):
        await page.context.clear_cookies()
        top_up_id = await _begin(page, site, new_link(site, **fixed))
        await show(page, site, open_order(site, top_up_id))
        yield f"link-{name}", page
    await page.context.clear_cookies()
    for name, change, title in (
        ("used", _end, "has been used"),
        ("expired", _let_expire, "has expired"),
        ("withdrawn", withdraw, "was withdrawn"),
    ):
        link = new_link(site, **fixed)
        if change is _end:
            await _begin(page, site, link)
            await page.get_by_role("button", name="Cancel this top-up").click()
            await page.get_by_role("button", name="Cancel top-up").click()
            await expect(page.get_by_text("Was I charged?")).to_be_visible(timeout=_SOON_MS)
            yield "link-canceled", page
        change(site, link)
        await page.goto(_path_of(link))
        await _expect_title(page, title)
        yield f"link-{name}", page
    await page.goto("/")
    await register_by_form(page)
    await page.goto(_path_of(new_link(site, return_url=f"{SHOP}/paid")))
    await _expect_title(page, "asks you to add money")
    yield "link-for-somebody-else", page
    frozen = new_link(site, return_url=f"{SHOP}/paid")
    _freeze(site, frozen)
    await _open(page, frozen)
    await expect(page.get_by_role("link", name=re.compile("^Return to"))).to_be_visible(timeout=_SOON_MS)
    yield "link-frozen", page


async def _paid_by_link(page: Page, site: Site, link: dict[str, Any]) -> Shown:
    await page.goto(_path_of(link))
    await _expect_title(page, "asks you to add ₹1,000")
    yield "link-asked", page
    await _open(page, link)
    for name, button in (("amount", "Choose how to pay"), ("pay", "Continue"), ("check", "Pay ₹1,000")):
        following = page.get_by_role("button", name=re.compile(f"^{button}"))
        await expect(following).to_be_enabled(timeout=_SOON_MS)
        await has_loaded(page)
        yield f"link-{name}", page
        await following.click(timeout=_SOON_MS)
    await expect(payment_page(page).get_by_role("button", name="Pay", exact=True)).to_be_visible(
        timeout=_SOON_MS
    )
    yield "link-paying", page
    await page.goto("/help")  # A person who left the page opens the link again, in another browser.
    await page.context.clear_cookies()
    await page.goto(_path_of(link))
    await _expect_title(page, "Continue your top-up")
    yield "link-asked-again", page
    await page.get_by_role("button", name="Continue").click()
    order = open_order(site, _top_up_of(site, link))
    site.simulator.move(order, 2)
    await _expect_title(page, "on its way")
    yield "link-received", page
    site.simulator.move(order, 4)
    await expect_success(page)
    yield "link-settled", page


async def _open(page: Page, link: dict[str, Any]) -> None:
    await page.goto(_path_of(link))
    await page.get_by_role("button", name="Continue").click()


async def _begin(page: Page, site: Site, link: dict[str, Any]) -> str:
    """Create the top-up of a link as a person does. Returns its id."""
    await _open(page, link)
    for button in ("Choose how to pay", "Continue", "Pay ₹1,000"):
        await page.get_by_role("button", name=re.compile(f"^{button}")).click(timeout=_SOON_MS)
    await expect(payment_page(page).get_by_role("button", name="Pay", exact=True)).to_be_visible(
        timeout=_SOON_MS
    )
    return _top_up_of(site, link)


async def _failed(page: Page, site: Site, order: int) -> None:
    site.simulator.move(order, 1)
    await _expect_title(page, "looking for")
    site.simulator.move(order, -1)
    await expect(page.get_by_text("Was I charged?")).to_be_visible(timeout=_SOON_MS)


async def _short(page: Page, site: Site, order: int) -> None:
    site.simulator.move(order, 4, actualCryptoAmount=_expected(site, order, "0.9"))
    await expect(page.locator(".short-sign")).to_be_visible(timeout=_SOON_MS)


async def _review(page: Page, site: Site, order: int) -> None:
    site.simulator.move(order, 4, actualCryptoAmount=_expected(site, order, "2"))
    await _expect_title(page, "reviewing")


def _expected(site: Site, order: int, times: str) -> str:
    return str(Decimal(site.simulator.order(order)["expectedCryptoAmount"]) * Decimal(times))


def _top_up_of(site: Site, link: dict[str, Any]) -> str:
    with psycopg.connect(site.database_url) as database:
        row = database.execute("SELECT id FROM top_ups WHERE link_id = %s", (link["id"],)).fetchone()
    assert row is not None
    return str(row[0])


def _end(site: Site, link: dict[str, Any]) -> None:
    """Backdate the end of a link's top-up by two hours."""
    _run(
        site, "UPDATE top_ups SET updated_at = updated_at - interval '2 hours' WHERE link_id = %s", link["id"]
    )


def _let_expire(site: Site, link: dict[str, Any]) -> None:
    _run(
        site,
        "UPDATE add_money_links SET created_at = created_at - interval '40 days',"
        " expires_at = now() - interval '1 second' WHERE id = %s",
        link["id"],
    )


def _freeze(site: Site, link: dict[str, Any]) -> None:
    _run(site, "UPDATE users SET frozen_at = now() WHERE id = %s", link["user_id"])


def _run(site: Site, statement: str, value: str) -> None:
    with psycopg.connect(site.database_url) as database:
        changed = database.execute(statement, (value,))  # type: ignore[arg-type]  # ours, and no literal here
        assert changed.rowcount == 1


def _path_of(link: dict[str, Any]) -> str:
    return urlsplit(str(link["url"])).path


async def _expect_title(page: Page, words: str) -> None:
    await expect(page.get_by_role("heading", name=re.compile(words), level=1)).to_be_visible(timeout=_SOON_MS)


async def mailed(page: Page, _site: Site) -> Shown:
    """The pages that mailed links open, and the mails themselves."""
    email = new_email()
    await page.goto("/")
    await register_by_form(page, email=email)
    await follow_mail(page, "Confirm your email address", "Confirm address", to=email)
    await _expect_title(page, "Confirm your address")
    yield "confirm-address", page
    await page.get_by_role("button", name="Confirm address").click()
    await _expect_title(page, "Your address is confirmed")
    yield "confirm-done", page
    await page.goto("/forgot")
    await page.get_by_label("Email").fill(email)
    await page.get_by_role("button", name="Send link").click()
    await _expect_title(page, "Check your email")
    await page.goto("/outbox")
    await page.get_by_role("button", name=re.compile(rf"^Set a new password\s*{re.escape(email)}")).click()
    await expect(page.frame_locator("iframe").get_by_role("link", name="Set a new password")).to_be_visible()
    yield "outbox-with-a-mail", page
    await follow_mail(page, "Set a new password", "Set a new password", to=email)
    password = page.get_by_label("New password", exact=True)
    await expect(password).to_be_visible(timeout=_SOON_MS)
    yield "reset-open", page
    await password.fill("password1234")
    await page.get_by_role("button", name="Set password").click()
    await expect(page.locator("#new_password-problem")).to_be_visible(timeout=_SOON_MS)
    yield "reset-refused", page
    await password.fill("another calm evening 7")
    await page.get_by_role("button", name="Set password").click()
    await page.wait_for_url(re.compile(r"/login/?\?reason=password_reset"))
    await has_loaded(page)
    yield "login-after-reset", page
