"""Every page in both themes and at three widths: accessible, legible, without horizontal scrolling."""

import asyncio
import re
import secrets
from decimal import Decimal
from typing import Literal

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.e2e.checks import ALL_LOOKS, DRAWN, SOME_LOOKS, Look, covered_at_200_percent, findings, findings_in
from tests.e2e.people import has_loaded, new_top_up, register_by_form
from tests.e2e.site import OpenPage, Site, open_order
from tests.e2e.watched import (
    MOST_SHIFT,
    PRIVATE,
    PUBLIC,
    shift_of,
    slow_down,
    what_moved,
)

CHOICES = "amount=2000&currency=INR&country=IN&asset=USDT&network=matic20&method=UPI"
# Loading a page costs more than checking it: the short run leaves out pages that are made of the same parts.
ONE_LOOK = SOME_LOOKS[1:]


def _some_or_all(some: tuple[str, ...], every: tuple[str, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("looks", "paths"),
        [
            pytest.param(ONE_LOOK, some, id="some"),
            pytest.param(ALL_LOOKS, every, id="all", marks=pytest.mark.full),
        ],
    )


async def _all_findings(page: Page, axe: str, looks: tuple[Look, ...], *paths: str) -> list[str]:
    """Check several pages of a person at once, each in its own tab."""
    found = await asyncio.gather(*(_findings_at(page.context, path, axe, looks) for path in paths))
    return [one for of_page in found for one in of_page]


async def _findings_at(context: BrowserContext, path: str, axe: str, looks: tuple[Look, ...]) -> list[str]:
    """Check a page at several widths and themes, both set without reloading it."""
    found = []
    page = await context.new_page()
    await page.set_viewport_size({"width": looks[0][0], "height": 800})
    await slow_down(page)
    answer = await page.goto(path)
    assert answer is not None
    assert "unsafe" not in answer.headers["content-security-policy"]
    await has_loaded(page)
    await page.evaluate(DRAWN)
    if (shift := await shift_of(page)) > MOST_SHIFT:
        found.append(f"{path} {looks[0][0]}: its parts move by {shift:.3f}: {await what_moved(page)}")
    for width, theme in looks:
        of_this_look = await findings_in(page, axe, width=width, theme=theme)
        found += [f"{path} {one}" for one in of_this_look]
    found += [f"{path} at 200 %: {one}" for one in await covered_at_200_percent(page)]
    await page.close()
    return found


async def test_no_name_in_a_script_is_another_one_in_each_build(site: Site) -> None:
    """The number after `reflex_Var_` is a hash that differs in each Python process."""
    scripts = {path.name: path.read_text() for path in site.pages.rglob("*.js")}
    assert len(scripts) > 10
    assert [name for name, text in scripts.items() if re.search(r"reflex_Var_\d", text)] == []


@_some_or_all(("/", "/register", "/help", "/outbox"), PUBLIC)
async def test_every_public_page_is_accessible_and_fits(
    open_page: OpenPage, axe: str, looks: tuple[Look, ...], paths: tuple[str, ...]
) -> None:
    assert await _all_findings(await open_page(), axe, looks, *paths) == []


@_some_or_all(("/home", "/add-money", "/profile"), PRIVATE)
async def test_every_private_page_is_accessible_and_fits(
    open_page: OpenPage, axe: str, looks: tuple[Look, ...], paths: tuple[str, ...]
) -> None:
    page = await open_page()
    email = f"{secrets.token_hex(8)}@a-rather-long-domain-name.mail.example"
    name = "Wolfeschlegelsteinhausenbergerdorff the Elder of Somewhere"
    await register_by_form(page, email=email, name=name)
    assert await _all_findings(page, axe, looks, *paths) == []


@pytest.mark.parametrize(
    "looks",
    [
        pytest.param(SOME_LOOKS[:1], id="live"),  # the narrowest, where the states differ most
        pytest.param(ALL_LOOKS, id="all", marks=pytest.mark.full),
    ],
)
async def test_every_state_of_a_top_up_is_accessible_and_fits(
    open_page: OpenPage, site: Site, axe: str, looks: tuple[Look, ...]
) -> None:
    page = await open_page()
    await register_by_form(page)

    async def look(*paths: str) -> list[str]:
        """Check these pages; in the short run, only the open page, in its current state."""
        if looks == ALL_LOOKS:
            return await _all_findings(page, axe, looks, *paths)
        ((width, theme),) = looks
        return await findings_in(page, axe, width=width, theme=theme)

    paid, held, canceled = [await new_top_up(page, "2000") for _ in range(3)]
    await page.goto(canceled)
    await page.get_by_role("button", name="Cancel this top-up").click()
    await page.get_by_role("button", name="Cancel top-up").click()
    await expect(page.get_by_text("Was I charged?")).to_be_visible()
    found = await look(canceled)
    order = open_order(site, paid)
    await page.goto(paid)
    await has_loaded(page)
    found += await look(paid)
    for status, words in ((2, "Your money is on its way"), (4, "In your balance")):
        site.simulator.move(order, status)
        await expect(page.get_by_role("heading", name=words, level=1)).to_be_visible(timeout=10_000)
        found += await look(paid, paid.replace("/add-money/", "/activity/"), "/home")
    receipt = await page.request.get(f"/api/transactions/{paid.rpartition('/')[2]}/receipt.pdf")
    (code,) = re.findall(r"/receipt/([a-z2-7]{64})\)", (await receipt.body()).decode("latin-1"))
    await page.goto(f"/receipt/{code}")
    await expect(page.get_by_role("heading", name="This receipt is genuine")).to_be_visible()
    found += await look(f"/receipt/{code}", f"/receipt/{'a' * 64}")
    order = open_order(site, held)
    expected = Decimal(site.simulator.order(order)["expectedCryptoAmount"])
    site.simulator.move(order, 4, actualCryptoAmount=str(expected * 2))
    await page.goto(held)
    await expect(page.get_by_role("heading", name="We're reviewing this top-up")).to_be_visible(
        timeout=10_000
    )
    found += await look(held, held.replace("/add-money/", "/activity/"), "/home")
    check = f"/add-money?step=check&{CHOICES}"
    await page.goto(check)
    await has_loaded(page)
    found += await look("/activity", f"/add-money?step=pay&{CHOICES}", check)
    assert found == []


@pytest.mark.full
@pytest.mark.parametrize("path", ["/", "/register"])
async def test_a_visit_without_the_font_has_the_same_lines(open_page: OpenPage, path: str) -> None:
    height = "document.querySelector('main').getBoundingClientRect().height"
    page = await open_page(path, width=360)
    await has_loaded(page)
    with_font = await page.evaluate(height)
    without = await open_page(width=360)
    await without.route("**/*.woff2", lambda route: route.abort())
    await without.goto(path)
    await has_loaded(without)
    assert abs(await without.evaluate(height) - with_font) < 24  # a line of text


async def test_no_page_is_forgotten(site: Site) -> None:
    built = {f"/{page.stem}" for page in site.pages.glob("*.html")}
    # A page with a parameter in its path has no file of its own, and the last one has no route.
    files = {*PUBLIC[:-1], *PRIVATE} - {"/receipt/check", "/link/unknown"}
    assert built - {"/404", "/__spa-fallback"} == {path if path != "/" else "/index" for path in files}


async def test_the_checks_find_what_is_wrong(open_page: OpenPage, axe: str) -> None:
    page = await open_page("/", width=360)
    await page.wait_for_load_state("networkidle")
    await page.evaluate(
        "document.querySelector('main').innerHTML += "
        "'<img src=\"data:,\"><p>wide</p><button></button>'; "
        "document.querySelector('main > p:last-of-type').style.width = '900px'"
    )
    found = await findings(page, axe)
    assert any(finding.startswith("image-alt") for finding in found)
    assert any(finding.startswith("button-name") for finding in found)
    assert any(finding.startswith("scrolls sideways") for finding in found)
    before = await shift_of(page)
    await page.evaluate("document.querySelector('main').style.paddingTop = '200px'")
    await page.evaluate(DRAWN)
    assert await shift_of(page) - before > MOST_SHIFT
    await page.evaluate(
        "document.querySelector('footer').style = 'position: fixed; inset: auto 0 0; height: 300px'"
    )
    assert any("covers" in one for one in await covered_at_200_percent(page))


@pytest.mark.full
@pytest.mark.parametrize("look", ALL_LOOKS[1:])
async def test_no_page_moves_while_it_loads(open_page: OpenPage, axe: str, look: Look) -> None:
    page = await open_page()
    await register_by_form(page)
    assert await _all_findings(page, axe, (look,), *PUBLIC, *PRIVATE) == []


@pytest.mark.full
@pytest.mark.parametrize(("width", "theme"), ALL_LOOKS)
async def test_every_state_of_the_amount_is_accessible_and_fits(
    open_page: OpenPage, axe: str, width: int, theme: Literal["light", "dark"]
) -> None:
    page = await open_page(width=width, theme=theme)
    await register_by_form(page)
    await page.goto(f"/add-money?{CHOICES}")
    await has_loaded(page)
    found = []
    for field, typed in (("You pay", "€5"), ("You receive, about", "0.5"), ("You receive, about", "50")):
        await page.get_by_label(field).fill(typed)
        await page.wait_for_timeout(1500)
        found += [f"{typed}: {one}" for one in await findings(page, axe)]
        if typed == "€5":  # The message is shown already, so the only change is the focus.
            await page.get_by_role("button", name="Choose how to pay").click()
            await expect(page.get_by_label(field)).to_be_focused()
    await page.get_by_role("button", name="Currency").click()
    await expect(page.get_by_role("combobox", name="Search by currency or country")).to_be_focused()
    found += [f"sheet: {one}" for one in await findings(page, axe)]
    await page.keyboard.type("euro")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Currency")).to_be_focused()
    await expect(page.get_by_role("button", name="Currency")).to_contain_text("EUR")
    assert found == []
