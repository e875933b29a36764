"""Adding money in a browser, from the first page to the changed balance, and what can go wrong in between.

`tests/crediting/test_scenario_pages.py` checks the pages' words for every failure scenario without a browser,
so some scenarios are here only at full size.
"""

import re
import time
from decimal import Decimal
from typing import Literal

import pytest
from playwright.async_api import Locator, Page, expect

from tests.e2e.people import (
    TOP_UP,
    Hands,
    Keyboard,
    Mouse,
    ask_for,
    expect_success,
    has_loaded,
    new_email,
    open_new_top_up,
    pay,
    payment_page,
    register,
    register_by_form,
)
from tests.e2e.site import OpenPage, Site, open_order
from tests.e2e.steady import Shifts
from tests.e2e.watched import MOST_SHIFT, shift_of

NEWCOMER_SECONDS = 120
MOST_PRESSES = 45  # apart from text, from the first page to the changed balance
# Less than the ten seconds between looks, so that only a push can be in time.
LIVE_MS = 5_000


def _balance(page: Page) -> Locator:
    return page.get_by_role("main").locator(".large-money").first


async def _second_tab(page: Page, path: str) -> Page:
    other = await page.context.new_page()
    await other.goto(path)
    return other


async def _newcomer(page: Page, hands: Hands, *, amount: str = "10,000") -> Page:
    """Register, add money and pay. Returns a second tab that was opened before paying."""
    await register(page, hands, email=new_email())
    await ask_for(page, hands, amount)
    second = await _second_tab(page, "/home")
    await expect(second.get_by_role("list", name="On its way")).to_be_visible()
    await page.bring_to_front()
    await pay(page, hands)
    return second


@pytest.mark.parametrize(
    ("width", "theme", "by_keyboard"),
    [
        (360, "dark", True),
        pytest.param(1280, "light", False, marks=pytest.mark.full),
        pytest.param(1280, "dark", False, marks=pytest.mark.full),
        pytest.param(360, "light", False, marks=pytest.mark.full),
    ],
)
async def test_a_stranger_adds_money_and_the_balance_changes_on_another_tab(
    open_page: OpenPage, *, width: int, theme: str, by_keyboard: bool
) -> None:
    page = await open_page("/", width=width, theme=theme)
    shifts = await Shifts().watch(page)
    began = time.monotonic()
    keyboard = Keyboard(page)
    second = await _newcomer(page, keyboard if by_keyboard else Mouse())
    await expect_success(page)
    assert keyboard.presses <= MOST_PRESSES
    assert shifts.too_much("/add-money") == {}
    assert time.monotonic() - began < NEWCOMER_SECONDS
    await expect(page.get_by_role("main").get_by_text(re.compile(r"^\+[\d,.]+ USDT$"))).to_be_visible()
    await expect(second.get_by_text("In your balance")).to_be_visible(timeout=LIVE_MS)
    await expect(second.get_by_role("list", name="On its way")).to_have_count(0)
    assert re.search(r"[1-9]", await _balance(second).inner_text())
    assert await shift_of(second) <= MOST_SHIFT
    # The first balance replaces the page of an empty wallet.
    await page.get_by_role("link", name="Done").click()
    await page.wait_for_url(re.compile(r"/home/?$"))
    await has_loaded(page)
    await expect(_balance(page)).to_have_text(re.compile("[1-9]"))
    assert shifts.too_much("/home") == {}
    await _repeat(second)


async def _repeat(home: Page) -> None:
    """Repeat the last top-up: one tap leads to the step that checks it, and creates nothing."""
    await home.reload()
    await home.get_by_role("link", name="Repeat ₹10,000 by UPI").click()
    await expect(home.get_by_role("button", name=re.compile("^Pay ₹10,000"))).to_be_enabled(timeout=LIVE_MS)
    known = await (await home.request.get("/api/transactions")).json()
    assert [one["status"] for one in known["items"]] == ["settled"]


async def test_every_step_is_shown_as_it_happens(open_page: OpenPage, site: Site) -> None:
    page = await open_page()
    await register_by_form(page)
    await open_new_top_up(page, "5000")
    order = open_order(site, page.url)
    for status, words in ((2, "Your money is on its way"), (3, "USDT bought")):
        site.simulator.move(order, status)
        await expect(page.get_by_text(words).first).to_be_visible(timeout=LIVE_MS + 3_000)
    site.simulator.move(order, 4)
    await expect_success(page)


_WATCH_AMOUNT = """() => {
  const shown = document.getElementById('balance-amount');
  window.seen = [shown.textContent];
  new MutationObserver(() => window.seen.push(shown.textContent))
    .observe(shown, {subtree: true, characterData: true, childList: true});
}"""


@pytest.mark.full
async def test_the_balance_counts_up_to_what_it_is_unless_motion_is_not_wanted(
    open_page: OpenPage, site: Site
) -> None:
    page = await open_page()
    await register_by_form(page)
    await open_new_top_up(page, "1000")
    site.simulator.move(open_order(site, page.url), 4)
    await expect_success(page)
    top_up = await _second_tab(page, "/home")
    assert await _values_counted(page, top_up, site, motion="no-preference", arrived=2) > 2
    assert await _values_counted(page, top_up, site, motion="reduce", arrived=3) == 2


async def _values_counted(
    page: Page, top_up: Page, site: Site, *, motion: Literal["no-preference", "reduce"], arrived: int
) -> int:
    """Add money in a second tab; return how many distinct balances the first tab showed while counting up."""
    await page.emulate_media(reduced_motion=motion)
    await page.goto("/home")
    await expect(_balance(page)).to_have_text(re.compile("[1-9]"))
    await open_new_top_up(top_up, "2000")
    await page.bring_to_front()
    await page.evaluate(_WATCH_AMOUNT)
    site.simulator.move(open_order(site, top_up.url), 4)
    await expect(page.get_by_text("In your balance")).to_have_count(arrived, timeout=LIVE_MS + 3_000)
    await page.wait_for_timeout(700)  # counting up takes 400 ms
    texts = await page.evaluate("seen")
    assert not any(re.match(r"\D*0[0-9,]", text) for text in texts)  # as in 0,985
    seen = [Decimal(re.sub(r"[^0-9.]", "", text)) for text in texts]
    assert seen == sorted(seen)
    # The drawn amount and the one for screen readers agree again.
    drawn = await page.locator("#balance-amount").inner_text()
    assert drawn == await page.locator(".large-money .sr-only").first.inner_text()
    return len(set(seen))


async def test_a_reload_resumes_wherever_one_is(open_page: OpenPage) -> None:
    page, hands = await open_page(), Mouse()
    await register_by_form(page, to="/home")
    await hands.press(page.get_by_role("link", name="Add money").locator("visible=true").first)
    await hands.write(page.get_by_label("You pay"), "7,500")
    await hands.press(page.get_by_role("button", name="Choose how to pay"))
    await page.wait_for_url(re.compile(r"step=pay"))
    await page.reload()
    await hands.press(page.get_by_role("button", name="Continue"))
    await page.wait_for_url(re.compile(r"step=check"))
    await page.reload()
    await expect(page.get_by_role("button", name="Pay ₹7,500")).to_be_visible()
    await page.go_back()
    await page.go_back()
    await expect(page.get_by_label("You pay")).to_have_value(re.compile(r"7,?500"))
    await page.go_forward()
    await page.go_forward()
    await hands.press(page.get_by_role("button", name=re.compile("^Pay ")))
    await page.wait_for_url(TOP_UP)
    await page.reload()
    await pay(page, hands)
    await expect(payment_page(page).get_by_text(re.compile(r"Order \d+"))).to_be_visible()
    await page.reload()
    await expect_success(page)


@pytest.mark.full
async def test_the_same_top_up_goes_on_on_another_device(open_page: OpenPage) -> None:
    page, email = await open_page(), new_email()
    await register_by_form(page, email=email, to="/home")
    address = await ask_for(page, Mouse(), "2,000")
    phone = await open_page(address, width=360, theme="dark")
    await phone.get_by_label("Email").fill(email)
    await phone.get_by_label("Password", exact=True).fill("quiet harbour lantern 42")
    await phone.get_by_role("main").get_by_role("button", name="Sign in").click()
    await phone.wait_for_url(TOP_UP)
    await pay(phone, Mouse())
    await expect_success(phone)
    await expect_success(page)


@pytest.mark.full
async def test_a_server_that_dies_in_the_middle_loses_nothing(open_page: OpenPage, site: Site) -> None:
    page = await open_page()
    await register_by_form(page)
    await open_new_top_up(page, "3000")
    order = open_order(site, page.url)
    site.simulator.move(order, 2)
    await expect(page.get_by_text("Your money is on its way").first).to_be_visible(timeout=LIVE_MS + 3_000)
    site.kill()
    try:
        await expect(page.get_by_text(re.compile("^Offline")).first).to_be_visible(timeout=20_000)
        site.simulator.move(order, 4)
    finally:
        site.start()
    await expect(page.get_by_role("heading", name="In your balance", level=1)).to_be_visible(timeout=40_000)


@pytest.mark.full
async def test_a_payment_that_is_given_up_was_not_charged(open_page: OpenPage) -> None:
    page = await open_page()
    await register_by_form(page, to="/home")
    await ask_for(page, Mouse(), "1,000")
    await payment_page(page).get_by_role("button", name="Abandon").click()
    await expect(page.get_by_text("Was I charged?")).to_be_visible(timeout=20_000)
    await expect(page.get_by_text("You weren't charged.", exact=True)).to_be_visible()
    await page.get_by_role("link", name="Start a new top-up").click()
    await expect(page.get_by_label("You pay")).to_have_value("1,000")


@pytest.mark.full
async def test_a_failed_payment_that_may_have_been_charged_says_so(open_page: OpenPage, site: Site) -> None:
    page = await open_page()
    await register_by_form(page)
    await open_new_top_up(page, "1000")
    order = open_order(site, page.url)
    site.simulator.move(order, 1)
    await expect(page.get_by_role("heading", name="We're looking for your payment", level=1)).to_be_visible(
        timeout=LIVE_MS + 3_000
    )
    site.simulator.move(order, -1)
    await expect(page.get_by_text("Was I charged?")).to_be_visible(timeout=20_000)
    await expect(page.get_by_text("Don't pay again yet").first).to_be_visible()
    await expect(page.get_by_role("link", name="Contact support")).to_have_attribute(
        "href", re.compile("^mailto:")
    )


@pytest.mark.full
async def test_a_late_payment_is_credited_all_the_same(open_page: OpenPage, site: Site) -> None:
    page = await open_page()
    await register_by_form(page)
    await open_new_top_up(page, "1500")
    await page.get_by_role("button", name="Cancel this top-up").click()
    await page.get_by_role("button", name="Cancel top-up").click()
    await expect(page.get_by_text("You weren't charged.", exact=True)).to_be_visible()
    order = open_order(site, page.url)
    site.simulator.move(order, 2)
    await expect(page.get_by_text("Your late payment has arrived").first).to_be_visible(
        timeout=LIVE_MS + 3_000
    )
    site.simulator.move(order, 4)
    await expect_success(page)


@pytest.mark.full
async def test_a_second_attempt_is_told_whether_the_first_was_charged(
    open_page: OpenPage, site: Site
) -> None:
    page = await open_page()
    await register_by_form(page)
    await open_new_top_up(page, "6000")
    await page.goto("/add-money")
    await expect(page.get_by_text("You weren't charged.").first).to_be_visible()
    await page.get_by_role("link", name="Go to payment").click()
    await page.wait_for_url(TOP_UP)
    site.simulator.scenario("lost_webhook", times=None)
    try:
        order = open_order(site, page.url)
        site.simulator.move(order, 2)
        await page.goto("/add-money")  # The page requests a read; no webhook has announced the order.
        received = page.get_by_role("heading", name="Your payment was received")
        await expect(received).to_be_visible(timeout=15_000)
    finally:
        site.simulator.control("scenario", method="DELETE")
    await page.get_by_role("button", name="Start a new top-up").click()
    await expect(page.get_by_label("You pay")).to_be_visible()


async def test_whoever_goes_back_from_paying_can_start_another(open_page: OpenPage) -> None:
    page = await open_page()
    await register_by_form(page)
    await open_new_top_up(page, "6000")
    await page.goto("/add-money?step=check&amount=6000&currency=INR&asset=USDT&network=matic20&method=UPI")
    await page.get_by_role("button", name="Start a new top-up").click()
    await page.get_by_role("button", name="Choose how to pay").click()
    await expect(page.get_by_role("button", name="Continue")).to_be_visible()


@pytest.mark.full
async def test_somebody_elses_top_up_is_not_there(open_page: OpenPage, site: Site) -> None:
    page = await open_page()
    await register_by_form(page)
    address = await open_new_top_up(page, "9000")
    other = await open_page()
    await register_by_form(other)
    for path in (address, address.replace("/add-money/", "/activity/")):
        await other.goto(path)
        await expect(other.get_by_role("heading", name=re.compile("ot found"))).to_be_visible()
        assert "9,000" not in await other.content()
