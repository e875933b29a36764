"""Every state of the pages, reached through real actions of people and the provider: to test and to look at.

Each generator opens pages and yields each one, with a name, while it shows that state. The caller may change
the page's size and theme; the page adapts to both.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from urllib.parse import urlencode

import httpx
import psycopg
from playwright.async_api import Page, expect

from tests.e2e.people import (
    expect_success,
    has_loaded,
    new_email,
    new_top_up,
    payment_page,
    register_by_form,
)
from tests.e2e.shops import Shop
from tests.e2e.site import Site, open_order, other_settings
from tests.e2e.states_by_link import Shown, links, mailed
from tests.e2e.watched import PUBLIC

States = Callable[[Page, Site], Shown]

_SOON_MS = 15_000
# Covers the first rate and a second one, which is requested after a pause in typing.
_QUOTED_MS = 2_000
_LIMITS = {"none": "50", "basic": "500", "full": "5000"}
_CHOSEN = {"currency": "INR", "country": "IN", "asset": "USDT", "network": "matic20", "method": "UPI"}


async def entrance(page: Page, _site: Site) -> Shown:
    """Pages without an account, also after a refusal."""
    for path in PUBLIC:
        await page.goto(path)
        await has_loaded(page)
        yield path.strip("/").replace("/", "-") or "landing", page
    known = new_email()
    other = await page.context.new_page()
    await other.goto("/")
    await register_by_form(other, email=known)
    await other.context.clear_cookies()
    await other.close()
    await page.goto("/login")
    await page.get_by_label("Email").fill(known)
    await page.get_by_label("Password", exact=True).fill("not the password")
    await page.get_by_role("main").get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("main").locator(".notice")).to_be_visible(timeout=_SOON_MS)
    yield "login-refused", page
    await page.goto("/register")
    await page.get_by_label("Email").fill(known)
    await page.get_by_label("Password", exact=True).fill("password1234")
    await page.get_by_label("Country").select_option(label="India")
    await page.get_by_role("button", name="Create account").click()
    await expect(page.locator("#password-problem")).to_be_visible(timeout=_SOON_MS)
    yield "register-refused", page
    await page.goto("/forgot")
    await page.get_by_label("Email").fill(known)
    await page.get_by_role("button", name="Send link").click()
    await expect(page.get_by_role("heading", name="Check your email")).to_be_visible()
    yield "forgot-sent", page


async def first_run(page: Page, _site: Site) -> Shown:
    """An account without any money yet."""
    await page.goto("/")
    await register_by_form(page)
    for path in ("/home", "/activity", "/activity?search=4711", "/verify", "/profile"):
        await page.goto(path)
        await has_loaded(page)
        yield "first-" + path.strip("/").replace("?search=4711", "-without-results"), page
    await page.goto(f"/activity/{'0' * 32}")
    await expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    yield "first-activity-missing", page


async def wizard(page: Page, site: Site) -> Shown:
    """The three steps of adding money, and every refusal in them."""
    await page.goto("/")
    await register_by_form(page)
    await page.goto("/add-money")
    await has_loaded(page)
    await page.wait_for_timeout(_QUOTED_MS)
    yield "amount", page
    paid, received = page.get_by_label("You pay"), page.get_by_label("You receive, about")
    for name, typed in (("foreign-sign", "€5"), ("zero", "0"), ("too-much", "99999999"), ("words", "abc")):
        await paid.fill(typed)
        await page.wait_for_timeout(_QUOTED_MS)
        yield f"amount-{name}", page
    await received.fill("90")
    await page.wait_for_timeout(2 * _QUOTED_MS)
    yield "amount-received", page
    await page.get_by_role("button", name="Currency").click()
    search = page.get_by_role("combobox", name="Search by currency or country")
    await expect(search).to_be_focused()
    yield "amount-currencies", page
    await search.fill("no such money")
    yield "amount-currencies-without-results", page
    await page.keyboard.press("Escape")
    for step in ("pay", "check"):
        await page.goto(_at_step(step))
        await has_loaded(page)
        yield f"step-{step}", page
    site.simulator.scenario("api_down", times=None)
    try:
        await expect(page.get_by_text("isn't answering right now").first).to_be_visible(timeout=60_000)
        yield "step-check-without-rate", page
    finally:
        site.simulator.control("scenario", method="DELETE")
    await new_top_up(page, "2000")
    await page.goto(_at_step("amount"))
    await expect(page.get_by_role("button", name="Start a new top-up")).to_be_visible()
    await has_loaded(page)
    yield "another-one-is-open", page


def _at_step(step: str) -> str:
    return f"/add-money?{urlencode({'amount': '2000', **_CHOSEN, 'step': step})}"


async def top_ups(page: Page, site: Site) -> Shown:
    """A top-up from its payment page to each of its outcomes, with its details, home and activity."""
    await page.goto("/")
    await register_by_form(page)
    expired = await new_top_up(page, "1200")
    with psycopg.connect(site.database_url) as database:  # As if a day had passed; it is checked each minute.
        database.execute(
            "UPDATE top_ups SET created_at = created_at - interval '25 hours' WHERE id = %s",
            (_id_of(expired),),
        )
    for name, show in (
        ("paying", _paying),
        ("canceled", _canceled),
        ("failed", _failed),
        ("settled", _settled),
        ("short", _short),
        ("review", _review),
    ):
        async for step, shown in show(page, site):
            yield f"{name}{step}", shown
    await page.goto(expired)
    await expect(page.get_by_role("heading", name=re.compile("expired|ended"), level=1)).to_be_visible(
        timeout=90_000
    )
    yield "expired", page
    page = await page.context.new_page()  # as days later, with nothing kept from before
    for path in ("/home", "/activity", "/activity?status=failed"):
        await page.goto(path)
        await has_loaded(page)
        yield "full" + path.replace("/", "-").replace("?status=", "-"), page


def _id_of(address: str) -> str:
    return address.rpartition("/")[2]


async def _details(page: Page, address: str) -> Shown:
    await page.goto(address.replace("/add-money/", "/activity/"))
    await has_loaded(page)
    yield "-details", page


async def _paying(page: Page, site: Site) -> Shown:
    address = await new_top_up(page, "2000")
    await page.goto(address)
    await expect(payment_page(page).get_by_role("button", name="Pay", exact=True)).to_be_visible()
    yield "", page
    await page.get_by_role("button", name="Cancel this top-up").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    yield "-asks-before-canceling", page
    await page.keyboard.press("Escape")
    order = open_order(site, address)
    site.simulator.move(order, 1)
    await _expect_title(page, "looking for")
    yield "-looked-for", page
    for status, words, name in ((2, "on its way", "-received"), (3, "on its way", "-bought")):
        site.simulator.move(order, status)
        await _expect_title(page, words)
        await page.wait_for_timeout(1_000)
        yield name, page
    await page.goto("/home")
    await has_loaded(page)
    yield "-home", page
    async for shown in _details(page, address):
        yield shown
    site.simulator.move(order, 4)
    await page.goto(address)
    await expect_success(page)


async def _canceled(page: Page, _site: Site) -> Shown:
    address = await new_top_up(page, "2000")
    await page.goto(address)
    await page.get_by_role("button", name="Cancel this top-up").click()
    await page.get_by_role("button", name="Cancel top-up").click()
    await expect(page.get_by_text("Was I charged?")).to_be_visible()
    yield "", page
    async for shown in _details(page, address):
        yield shown


async def _failed(page: Page, site: Site) -> Shown:
    address = await new_top_up(page, "2000")
    order = open_order(site, address)
    await page.goto(address)
    site.simulator.move(order, 1)
    await _expect_title(page, "looking for")
    site.simulator.move(order, -1)
    await expect(page.get_by_text("Was I charged?")).to_be_visible(timeout=_SOON_MS)
    yield "", page
    async for shown in _details(page, address):
        yield shown


async def _settled(page: Page, site: Site) -> Shown:
    address = await new_top_up(page, "2500")
    order = open_order(site, address)
    await page.goto(address)
    site.simulator.move(order, 4)
    await expect_success(page)
    yield "", page
    async for shown in _details(page, address):
        yield shown
    receipt = await page.request.get(f"/api/transactions/{_id_of(address)}/receipt.pdf")
    (code,) = re.findall(r"/receipt/([a-z2-7]{64})\)", (await receipt.body()).decode("latin-1"))
    for name, its_code, words in (
        ("-receipt", code, "This receipt is genuine"),
        ("-receipt-of-nobody", "a" * 64, "not"),
    ):
        await page.goto(f"/receipt/{its_code}")
        await expect(page.get_by_role("heading", name=re.compile(words)).first).to_be_visible(
            timeout=_SOON_MS
        )
        yield name, page


async def _short(page: Page, site: Site) -> Shown:
    address = await new_top_up(page, "2500")
    order = open_order(site, address)
    await page.goto(address)
    expected = Decimal(site.simulator.order(order)["expectedCryptoAmount"])
    site.simulator.move(order, 4, actualCryptoAmount=str(expected * Decimal("0.9")))
    await expect(page.get_by_text("less", exact=False).first).to_be_visible(timeout=_SOON_MS)
    yield "", page
    async for shown in _details(page, address):
        yield shown


async def _review(page: Page, site: Site) -> Shown:
    address = await new_top_up(page, "2500")
    order = open_order(site, address)
    await page.goto(address)
    expected = Decimal(site.simulator.order(order)["expectedCryptoAmount"])
    site.simulator.move(order, 4, actualCryptoAmount=str(expected * 2))
    await _expect_title(page, "reviewing")
    yield "", page
    async for shown in _details(page, address):
        yield shown


async def _expect_title(page: Page, words: str) -> None:
    await expect(page.get_by_role("heading", name=re.compile(words), level=1)).to_be_visible(timeout=_SOON_MS)


async def debits(page: Page, site: Site) -> Shown:
    """Debits and holds of one of the operator's programs."""
    await page.goto("/")
    email = new_email()
    await register_by_form(page, email=email)
    address = await new_top_up(page, "2500")
    site.simulator.move(open_order(site, address), 4)
    await page.goto(address)
    await expect_success(page)
    await page.goto("/home")
    await has_loaded(page)
    shop = await Shop.that_knows(email, site)
    shop.take(amount="2.50", reference="order-1", description="Two coffees")
    shop.take(amount="5", reference="cart-1", description="Cinema", hold={"expires_in": 3600})
    await expect(page.get_by_text("Two coffees").first).to_be_visible(timeout=_SOON_MS)
    yield "debits-home", page
    known = await (await page.request.get("/api/transactions")).json()
    ids = {one["description"]: one["id"] for one in known["items"]}
    for name, path in (
        ("debits-activity", "/activity"),
        ("debit-details", f"/activity/{ids['Two coffees']}"),
        ("debit-reserved-details", f"/activity/{ids['Cinema']}"),
    ):
        await page.goto(path)
        await has_loaded(page)
        yield name, page


async def offline(page: Page, _site: Site) -> Shown:
    """Pages that have lost the server, and their recovery."""
    await page.goto("/")
    await register_by_form(page)
    for name, path in (("offline-home", "/home"), ("offline-check", _at_step("check"))):
        await page.goto(path)
        await has_loaded(page)
        await page.context.set_offline(True)
        await expect(page.get_by_text("You're offline.").locator("visible=true").first).to_be_visible(
            timeout=_SOON_MS
        )
        yield name, page
        await page.context.set_offline(False)
        await expect(page.get_by_role("banner").get_by_text("Live", exact=True)).to_be_visible(
            timeout=_SOON_MS
        )


async def verification(page: Page, _site: Site) -> Shown:
    """Every outcome of a verification, on a site with the white-label line."""
    for number, button, heading in (
        ("99999 10001", "Keep in review", "being checked"),
        ("99999 10002", "Refuse for now", "couldn't be completed"),
        ("99999 10003", "Refuse for good", "couldn't be verified"),
        ("99999 10004", "Approve: basic", "You're verified"),
    ):
        await page.context.clear_cookies()
        await page.goto("/login")
        await register_by_form(page)
        await page.goto("/verify")
        await has_loaded(page)
        name = f"verify-{button.split()[0].rstrip(':').lower()}-{button.split()[-1]}"
        if number.endswith("1"):
            yield "verify-not-yet", page
            await page.get_by_label("Number", exact=True).fill("12")
            await page.get_by_role("button", name="Start verification").click()
            await expect(page.locator("#phone-problem")).to_be_visible(timeout=_SOON_MS)
            yield "verify-phone-refused", page
        await page.get_by_label("Number", exact=True).fill(number)
        await page.get_by_role("button", name="Start verification").click()
        frame = page.frame_locator("iframe")
        await frame.get_by_role("button", name="Log in with a one-time code").click()
        await expect(frame.get_by_role("button", name=button)).to_be_visible()
        if number.endswith("1"):
            yield "verify-open", page
        await frame.get_by_role("button", name=button).click()
        await expect(page.get_by_role("heading", name=re.compile(heading, re.IGNORECASE))).to_be_visible(
            timeout=30_000
        )
        yield name, page


@contextmanager
def site_for(states: States, site: Site) -> Iterator[None]:
    """Serve the site with the settings that a group of states needs, while they are shown."""
    if states is not verification:
        yield
        return
    # Read the rates now: an instance killed while reading them would block others for a minute.
    httpx.get(f"{site.url}/api/exchange-rates?base=INR&symbols=USD", timeout=30).raise_for_status()
    limits = {"currency": "USD", **{tier: {"per_top_up": most} for tier, most in _LIMITS.items()}}
    with other_settings(site, ONRAMP_WHITE_LABEL="on", LIMITS=json.dumps(limits)):
        yield


GROUPS: tuple[States, ...] = (
    entrance,
    first_run,
    wizard,
    top_ups,
    debits,
    links,
    mailed,
    offline,
    verification,
)
