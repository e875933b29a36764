"""Second factors in a browser: a passkey in Chromium's virtual authenticator, and an app's codes."""

import re
import time
from collections.abc import Awaitable, Callable

import pyotp
import pytest
from playwright.async_api import Page, expect

from tests.e2e.people import PASSWORD, has_loaded, new_email, register_by_form
from tests.e2e.site import OpenPage
from tests.e2e.test_account import _sign_in

_VIRTUAL = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


async def _give_passkeys(page: Page) -> Callable[[bool], Awaitable[None]]:
    """Give the page an authenticator. Returns a function that sets whether its owner approves requests."""
    tools = await page.context.new_cdp_session(page)
    await tools.send("WebAuthn.enable")
    made = await tools.send("WebAuthn.addVirtualAuthenticator", {"options": _VIRTUAL})

    async def say_yes(does: bool) -> None:
        wanted = {"authenticatorId": made["authenticatorId"], "enabled": does}
        await tools.send("WebAuthn.setAutomaticPresenceSimulation", wanted)

    return say_yes


REFUSES = """
window.asked = [];
navigator.credentials.get = async ({mediation}) => {
  asked.push(mediation);
  throw new DOMException('there is none', 'NotAllowedError');
};
PublicKeyCredential.isConditionalMediationAvailable = async () => true;
"""


async def _sign_out(page: Page) -> None:
    # A page that is left while it is loading has been seen to redirect the next page too.
    await has_loaded(page)
    await page.context.clear_cookies()
    await page.goto("/login")


async def test_an_offer_that_the_browser_refuses_is_made_once(open_page: OpenPage) -> None:
    page = await open_page()
    await page.add_init_script(REFUSES)
    await page.goto("/login")
    button = page.get_by_role("button", name="Use a passkey")
    await expect(button).to_be_visible()
    await page.wait_for_timeout(500)
    assert await page.evaluate("asked") == ["conditional"]
    await button.click()  # The control: a passkey that the person declined is offered again.
    await expect(page.get_by_text("The passkey wasn't used.")).to_be_visible()
    assert await page.evaluate("asked") == ["conditional", "optional", "conditional"]


async def test_a_passkey_is_added_and_signs_in_without_a_password(open_page: OpenPage) -> None:
    page, email = await open_page(), new_email()
    say_yes = await _give_passkeys(page)
    await register_by_form(page, email=email, to="/profile")
    await page.get_by_role("button", name="Add a passkey").click()
    await expect(page.get_by_text("Your passkey is added.")).to_be_visible()
    codes = page.get_by_text(re.compile(r"^([0-9A-Z]{4}-){3}[0-9A-Z]{4}$"))
    await expect(codes).to_have_count(10)
    first_code = await codes.first.inner_text()
    await page.reload()
    await expect(page.get_by_role("button", name="Remove Passkey on Chrome on Linux")).to_be_visible()
    assert first_code not in await page.content(), "they are shown once"

    await _sign_out(page)  # The browser offers the passkey unprompted, and the owner approves.
    await page.wait_for_url(re.compile(r"/home/?$"))

    await say_yes(False)
    await _sign_out(page)
    await _sign_in(page, email)
    await expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    await say_yes(True)
    await page.get_by_role("button", name="Use a passkey").click()
    await page.wait_for_url(re.compile(r"/home/?$"))

    await say_yes(False)
    await _sign_out(page)
    await _sign_in(page, email)
    await page.get_by_label("Code of your authenticator app").fill(first_code)
    await page.get_by_role("button", name="Continue").click()
    await page.wait_for_url(re.compile(r"/home/?$"))


@pytest.mark.full
async def test_an_app_is_set_up_and_asked_for(open_page: OpenPage) -> None:
    page, email = await open_page(width=360, theme="dark"), new_email()
    await register_by_form(page, email=email)
    await page.goto("/profile")
    await page.get_by_role("button", name="Set up an authenticator app").click()
    key = await page.get_by_text(re.compile(r"^([2-7A-Z]{4} ){7}[2-7A-Z]{4}$")).inner_text()
    app = pyotp.TOTP(key.replace(" ", ""))
    await page.get_by_label("Code that the app shows").fill("000000")
    await page.get_by_role("button", name="Finish").click()
    await expect(page.get_by_text("This code is wrong.")).to_be_visible()
    await page.get_by_label("Code that the app shows").fill(app.now())
    await page.get_by_role("button", name="Finish").click()
    await expect(page.get_by_text("Your authenticator app is set up.")).to_be_visible()

    await _sign_out(page)
    await page.goto("/login?next=%2Factivity")
    await _sign_in(page, email)
    await page.get_by_label("Code of your authenticator app").fill(app.at(int(time.time()) + 30))
    await page.get_by_role("button", name="Continue").click()
    await page.wait_for_url(re.compile(r"/activity/?$"))
    await page.goto("/profile")
    await page.get_by_role("button", name="Remove").click()
    await expect(page.get_by_text("Removed. You're signed out everywhere else.")).to_be_visible()
    await _sign_out(page)
    await _sign_in(page, email, PASSWORD)
    await page.wait_for_url(re.compile(r"/home/?$"))
