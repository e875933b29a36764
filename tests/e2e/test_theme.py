"""The theme follows the system until a person chooses one, and the browser then remembers the choice."""

from playwright.async_api import Page, expect

from tests.e2e.site import OpenPage

PAPER = {"light": "rgb(247, 243, 234)", "dark": "rgb(12, 23, 24)"}
REMEMBER_FIRST_CLASS = """
new MutationObserver(() => {
  if (document.body && !window.firstClass) window.firstClass = document.documentElement.className
}).observe(document, {childList: true, subtree: true})
"""


async def _expect_paper(page: Page, theme: str) -> None:
    await expect(page.locator("html")).to_have_css("background-color", PAPER[theme])


async def test_the_system_decides_until_a_person_does(open_page: OpenPage) -> None:
    page = await open_page("/login", theme="dark")
    await _expect_paper(page, "dark")
    await page.emulate_media(color_scheme="light")
    await _expect_paper(page, "light")


async def test_a_chosen_theme_is_kept_and_stands_before_the_first_paint(open_page: OpenPage) -> None:
    page = await open_page("/login", theme="light")
    await page.wait_for_load_state("networkidle")
    pressed = page.get_by_role("button", pressed=True)
    await expect(pressed).to_have_text(["System"])
    await page.get_by_role("button", name="Dark").click()
    await _expect_paper(page, "dark")
    await expect(pressed).to_have_text(["Dark"])
    await page.add_init_script(REMEMBER_FIRST_CLASS)
    await page.goto("/register")
    assert await page.evaluate("window.firstClass") == "dark"
    await _expect_paper(page, "dark")


async def test_a_password_is_shown_and_hidden_again(open_page: OpenPage) -> None:
    page = await open_page("/login")
    await page.wait_for_load_state("networkidle")
    password = page.get_by_label("Password", exact=True)
    await page.get_by_role("button", name="Show password").click()
    await expect(password).to_have_attribute("type", "text")
    await page.get_by_role("button", name="Hide password").click()
    await expect(password).to_have_attribute("type", "password")
