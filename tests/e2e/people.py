"""What people do in a browser: register, add money, pay. By mouse, or by keyboard alone."""

import re
import secrets
from contextlib import suppress
from typing import Protocol
from urllib.parse import urlsplit

from playwright.async_api import FrameLocator, Locator, Page, expect
from playwright.async_api import TimeoutError as NotThereYet

PASSWORD = "quiet harbour lantern 42"
TOP_UP = re.compile(r"/add-money/[0-9a-f]{32}")
_MOST_TABS = 80
_IS_SENT_BY_ENTER = """button => {
  const focused = button.ownerDocument.activeElement;
  return button.type === 'submit' && button.form && focused?.form === button.form && focused.matches('input');
}"""
_LOADED_MS = 30_000  # for many pages at once on a slow connection


class Hands(Protocol):
    """A way to use a page."""

    async def press(self, target: Locator) -> None:
        """Press a button or follow a link."""
        ...

    async def write(self, target: Locator, text: str) -> None:
        """Replace the text of a field."""
        ...

    async def choose(self, target: Locator, words: str) -> None:
        """Choose the option with this label from a list."""
        ...


class Mouse:
    """Points and clicks."""

    async def press(self, target: Locator) -> None:
        await target.click()

    async def write(self, target: Locator, text: str) -> None:
        await target.click()
        await target.fill(text)

    async def choose(self, target: Locator, words: str) -> None:
        await target.select_option(label=words)


class Keyboard:
    """Never touches a mouse: everything has to be reached with Tab, and Enter in a field submits its form.

    `presses` counts the key presses, apart from text.
    """

    def __init__(self, page: Page) -> None:
        self._keys = page.keyboard
        self.presses = 0

    async def press(self, target: Locator) -> None:
        await target.wait_for()
        if not await target.evaluate(_IS_SENT_BY_ENTER):
            await self._reach(target)
        await self._press("Enter")

    async def write(self, target: Locator, text: str) -> None:
        await self._reach(target)
        if await target.input_value():
            await self._press("ControlOrMeta+a")
        await self._keys.type(text)

    async def _press(self, key: str) -> None:
        self.presses += 1
        await self._keys.press(key)

    async def choose(self, target: Locator, words: str) -> None:
        await self._reach(target)
        await self._keys.type(words)

    async def _reach(self, target: Locator) -> None:
        await target.wait_for()
        for _ in range(_MOST_TABS):
            if await target.evaluate(
                "e => e.ownerDocument.hasFocus() && e.ownerDocument.activeElement === e"
            ):
                return
            await self._press("Tab")
        raise AssertionError(f"{target} cannot be reached with the Tab key")


def new_email() -> str:
    """Return an unused email address."""
    return f"ada-{secrets.token_hex(4)}@mail.example"


async def register(page: Page, hands: Hands, *, email: str, country: str = "India") -> None:
    """Register through the pages, starting from the first one."""
    await hands.press(page.get_by_role("link", name="Create an account").first)
    await page.wait_for_url(re.compile(r"/register"))
    await hands.write(page.get_by_label("Email"), email)
    await hands.write(page.get_by_label("Password", exact=True), PASSWORD)
    await hands.write(page.get_by_label("Name"), "Ada King")
    await hands.choose(page.get_by_label("Country"), country)
    await hands.press(page.get_by_role("button", name="Create account"))
    await page.wait_for_url(re.compile(r"/home/?$"))
    await has_loaded(page)  # as people do before they go on


async def register_by_form(page: Page, *, email: str = "", name: str = "Ada King", to: str = "") -> None:
    """Register by posting the form directly, then go to `to` if given, or stay on the current page."""
    form = {"email": email or new_email(), "password": PASSWORD, "display_name": name, "country": "IN"}
    answer = await page.request.post(
        "/api/auth/registration",
        form=form,
        headers={"Origin": _origin(page)},
        max_redirects=0,
    )
    assert answer.headers["location"].endswith("/home"), answer.headers["location"]
    if to:
        await page.goto(to)


async def has_loaded(page: Page) -> None:
    """Wait until a page shows its data: it is live if it can be, and no skeleton is left."""
    if await page.get_by_role("banner").get_by_text(re.compile("Live|Connecting")).count():
        live = page.get_by_role("banner").get_by_text("Live", exact=True)
        await expect(live).to_be_visible(timeout=_LOADED_MS)
    await expect(page.locator(".skeleton")).to_have_count(0, timeout=_LOADED_MS)
    if re.search(r"/add-money/?(\?|$)", page.url):
        await page.wait_for_load_state("networkidle")  # The quote arrives after the page's first data.


async def ask_for(page: Page, hands: Hands, amount: str) -> str:
    """Go through the wizard, from any page. Returns the URL of the top-up."""
    await hands.press(page.get_by_role("link", name="Add money").locator("visible=true").first)
    await page.wait_for_url(re.compile(r"/add-money/?(\?|$)"))
    await expect(page.get_by_text("You receive, about").first).to_be_visible()
    await hands.write(page.get_by_label("You pay"), amount)
    await hands.press(page.get_by_role("button", name="Choose how to pay"))
    for step, button in (("pay", "Continue"), ("check", "")):
        await page.wait_for_url(re.compile(rf"step={step}"))
        # The control that was used is gone; the focus is on the new step's title.
        await expect(page.get_by_role("heading", level=1)).to_be_focused()
        if button:
            await hands.press(page.get_by_role("button", name=button))
    await hands.press(page.get_by_role("button", name=re.compile("^Pay ")))
    await page.wait_for_url(TOP_UP)
    return page.url


async def new_top_up(page: Page, amount: str, *, network: str = "matic20") -> str:
    """Create a top-up without going through the wizard. Returns its URL."""
    asked = {"fiat_currency": "INR", "fiat_amount": amount, "asset": "USDT", "network": network}
    answer = await page.request.post(
        "/api/top-ups", data={**asked, "payment_method": "UPI"}, headers={"Origin": _origin(page)}
    )
    assert answer.status == 201, await answer.text()
    return f"{_origin(page)}/add-money/{(await answer.json())['id']}"


async def open_new_top_up(page: Page, amount: str) -> str:
    """Create a top-up without the wizard, and go to its page. Returns its URL."""
    address = await new_top_up(page, amount)
    await page.goto(address)
    return address


def _origin(page: Page) -> str:
    parts = urlsplit(page.url)
    return f"{parts.scheme}://{parts.netloc}"


def payment_page(page: Page) -> FrameLocator:
    """Return the provider's page inside ours."""
    return page.frame_locator("iframe")


async def pay(page: Page, hands: Hands) -> None:
    """Pay on the provider's page."""
    await hands.press(payment_page(page).get_by_role("button", name="Pay", exact=True))


async def expect_success(page: Page) -> None:
    """Wait until the page, without a reload, says that the money has arrived."""
    await expect(page.get_by_role("heading", name="In your balance", level=1)).to_be_visible(timeout=20_000)


async def follow_mail(page: Page, subject: str, words: str, *, to: str) -> None:
    """Open the newest mail with a subject to an address in the outbox, and follow its button's link."""
    mail = page.get_by_role("button", name=re.compile(rf"^{subject}\s*{re.escape(to)}")).first
    for _ in range(10):  # The list shows the mails from when the page was opened.
        await page.goto("/outbox")
        with suppress(NotThereYet):
            await mail.wait_for(timeout=1000)
            break
    await mail.click()
    await page.frame_locator("iframe").get_by_role("link", name=words).click()
