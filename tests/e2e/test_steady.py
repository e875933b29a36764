"""The pages for adding money are stable: answers shift nothing, and nothing covers the focused element."""

import re
from typing import Literal

import pytest
from playwright.async_api import Page, expect

from tests.e2e.checks import ALL_LOOKS, DRAWN
from tests.e2e.people import TOP_UP, expect_success, has_loaded, open_new_top_up, register_by_form
from tests.e2e.site import OpenPage, Site, open_order
from tests.e2e.steady import Shifts, slow_socket
from tests.e2e.watched import shift_of, what_moved

QUOTE_SECONDS = 30
SLOW_SECONDS = 0.7
SOON_MS = 10_000

# The focused element is not covered if hit-testing its center finds it or an ancestor, or it is off-screen.
_COVERED_BY = """() => {
  const focused = document.activeElement, box = focused.getBoundingClientRect();
  if (focused === document.body) return '';  // past the last element
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  const met = document.elementFromPoint(x, y);
  const holder = met?.closest('label, .pill');
  if (met && (met.contains(focused) || focused.contains(met) || holder?.contains(focused))) return '';
  return `${focused.id || focused.outerHTML.slice(0, 80)} is covered by ${met?.outerHTML.slice(0, 80)}`;
}"""


async def _covered(page: Page, *, tabs: int) -> list[str]:
    """Go through a step with the keyboard. Returns the focused elements that were not visible."""
    await page.locator("#title").focus()
    found = []
    for _ in range(tabs):
        await page.keyboard.press("Tab")
        if words := await page.evaluate(_COVERED_BY):
            found.append(words)
    return found


@pytest.mark.parametrize(
    ("width", "height"),
    [
        (640, 360),  # 1280 by 720 at 200 %
        pytest.param(360, 740, marks=pytest.mark.full),
        pytest.param(360, 640, marks=pytest.mark.full),
        pytest.param(360, 860, marks=pytest.mark.full),
        pytest.param(384, 512, marks=pytest.mark.full),  # 768 by 1024 at 200 %
        pytest.param(320, 480, marks=pytest.mark.full),  # the narrowest width of WCAG 1.4.10
    ],
)
async def test_nothing_covers_what_has_the_focus(open_page: OpenPage, width: int, height: int) -> None:
    page = await open_page(width=width)
    await register_by_form(page)
    await page.set_viewport_size({"width": width, "height": height})
    found = []
    for step in ("amount", "pay", "check"):
        await page.goto(f"/add-money?step={step}&amount=2000&currency=INR&method=UPI")
        await has_loaded(page)
        found += [f"{step}: {one}" for one in await _covered(page, tabs=12 if step == "amount" else 5)]
        sideways = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await page.evaluate(sideways) <= 0
    assert found == []


async def test_a_refused_sign_in_stays_in_place(open_page: OpenPage) -> None:
    page = await open_page("/login")
    browser = await page.context.new_cdp_session(page)
    await browser.send("Emulation.setCPUThrottlingRate", {"rate": 6})
    await page.get_by_label("Email").fill("nobody@mail.example")
    await page.get_by_label("Password", exact=True).fill("not the password")
    await page.get_by_role("main").get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("main").locator(".notice")).to_be_visible(timeout=SOON_MS)
    await expect(page.get_by_role("button", name="Use a passkey")).to_be_visible(timeout=SOON_MS)
    await page.evaluate(DRAWN)
    assert await shift_of(page) == 0, await what_moved(page)


@pytest.mark.full
async def test_a_bar_that_covers_the_field_is_found(open_page: OpenPage) -> None:
    """The control: a bar that is sticky in a short window too."""
    page = await open_page(width=640)
    await register_by_form(page)
    await page.set_viewport_size({"width": 640, "height": 360})
    await page.goto("/add-money?amount=2000&currency=INR&method=UPI")
    await has_loaded(page)
    bar = "document.querySelector('.wizard-actions').style"
    await page.evaluate(f"{bar}.cssText = 'position: sticky; bottom: 0; z-index: 10; background: white'")
    assert await _covered(page, tabs=12) != []


@pytest.mark.full
@pytest.mark.parametrize("height", [740, 800, 859, 860])
async def test_what_is_received_is_seen_on_a_phone(open_page: OpenPage, height: int) -> None:
    page = await open_page(width=360)
    await register_by_form(page)
    await page.set_viewport_size({"width": 360, "height": height})
    await page.goto("/add-money")
    await has_loaded(page)
    await expect(page.get_by_label("You receive, about")).to_be_in_viewport(ratio=1)
    card = await page.locator(".money-card", has=page.locator("#receive")).bounding_box()
    assert card is not None
    is_met = "([x, y]) => Boolean(document.elementFromPoint(x, y).closest('.money-card:has(#receive)'))"
    for y in (card["y"] + 2, min(card["y"] + card["height"], height) - 2):
        assert await page.evaluate(is_met, [card["x"] + card["width"] / 2, y])


@pytest.mark.full
@pytest.mark.parametrize(("width", "theme"), ALL_LOOKS)
async def test_no_step_moves_on_a_slow_network(
    open_page: OpenPage, site: Site, width: int, theme: Literal["light", "dark"]
) -> None:
    page = await open_page(width=width, theme=theme)
    await register_by_form(page)
    shifts = await Shifts(counts_answers=False).watch(page)
    await slow_socket(page, seconds=SLOW_SECONDS)
    await page.goto("/add-money")
    await has_loaded(page)
    paid = page.get_by_label("You pay")
    await paid.fill("7500")
    await expect(page.locator("[data-differs]")).to_have_count(1)
    await page.wait_for_timeout(2500)
    for typed in ("0", "€5", "7500"):
        await paid.fill(typed)
        await page.wait_for_timeout(2500)
    await page.get_by_label("You receive, about").fill("90")
    await page.wait_for_timeout(4000)
    await expect(paid).to_have_value(re.compile(r"^7,(?!500$)\d{3}(\.\d+)?$"))
    await page.get_by_role("button", name="Choose how to pay").click()
    await page.wait_for_url(re.compile("step=pay"))
    await page.get_by_text("IMPS", exact=True).click()
    await page.wait_for_timeout(2500)
    await page.get_by_role("button", name="Continue").click()
    await page.wait_for_url(re.compile("step=check"))
    pay = page.get_by_role("button", name=re.compile("^Pay "))
    await expect(pay).to_be_enabled(timeout=SOON_MS)
    where = await pay.bounding_box()
    # Other prices, and order ids that differ from those of earlier looks, which are known by now.
    site.simulator.control("seed", {"seed": 8 + ALL_LOOKS.index((width, theme))})
    await page.wait_for_timeout((QUOTE_SECONDS + 3) * 1000)
    site.simulator.scenario("api_down", times=None)
    try:
        await expect(page.get_by_text("isn't answering right now").first).to_be_visible(timeout=40_000)
    finally:
        site.simulator.control("scenario", method="DELETE")
    await expect(pay).to_be_enabled(timeout=60_000)
    assert await pay.bounding_box() == where
    await pay.click()
    await page.wait_for_url(TOP_UP)
    await page.wait_for_timeout(9_500)  # longer than the wait for a silent payment page
    order = open_order(site, page.url)
    for status, words in ((1, "looking for"), (2, "on its way"), (3, "on its way"), (4, "In your balance")):
        site.simulator.move(order, status)
        await expect(page.get_by_role("heading", level=1, name=re.compile(words))).to_be_visible(
            # For a while after the provider was down, orders are polled less often.
            timeout=60_000 if status == 1 else SOON_MS
        )
        await page.wait_for_timeout(1500)
    assert shifts.too_much("/add-money") == {}


@pytest.mark.full
async def test_what_moves_is_noticed(open_page: OpenPage) -> None:
    """The control: a notice above the button, as it once came with each new rate."""
    page = await open_page(width=360)
    await register_by_form(page)
    shifts = await Shifts(counts_answers=False).watch(page)
    await page.goto("/add-money")
    await has_loaded(page)
    await page.evaluate(
        "document.querySelector('.wizard-step').prepend(Object.assign(document.createElement('p'),"
        " {innerText: 'A new rate.\\nLook at it.\\nAnd again.'}))"
    )
    await page.wait_for_timeout(500)
    # The URL may or may not contain the step yet.
    assert [place.removesuffix("amount") for place in shifts.too_much("/add-money")] == ["/add-money"]


@pytest.mark.full
async def test_the_states_of_a_top_up_that_ends_otherwise_keep_still(open_page: OpenPage, site: Site) -> None:
    page = await open_page(width=360)
    await register_by_form(page)
    shifts = await Shifts(counts_answers=False).watch(page)
    await slow_socket(page, seconds=SLOW_SECONDS)
    await open_new_top_up(page, "1000")
    order = open_order(site, page.url)
    site.simulator.move(order, 1)
    await expect(
        page.get_by_role("heading", name=re.compile("looking for your payment", re.IGNORECASE), level=1)
    ).to_be_visible(timeout=SOON_MS)
    site.simulator.move(order, -1)
    await expect(page.get_by_text("Was I charged?")).to_be_visible(timeout=20_000)
    await page.wait_for_timeout(1000)
    await open_new_top_up(page, "1500")
    site.simulator.move(open_order(site, page.url), 4)
    await expect_success(page)
    assert shifts.too_much("/add-money") == {}
