"""A newcomer's account in a browser: register, sign in on a second device, edit the profile, sign out."""

import re
import time
from urllib.parse import urlsplit

import psycopg
import pytest
from playwright.async_api import Page, WebSocket, expect

from tests.e2e.people import PASSWORD, has_loaded, new_email, register_by_form
from tests.e2e.site import OpenPage, Site


def _path(page: Page) -> str:
    return urlsplit(page.url).path.rstrip("/") or "/"


async def _register(page: Page, email: str, *, name: str = "Ada Lovelace") -> None:
    if _path(page) != "/register":
        await page.goto("/register")
    await page.get_by_label("Email").fill(email)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Country").select_option("IN")
    await page.get_by_role("button", name="Create account").click()
    await page.wait_for_url(re.compile(r"/home/?$"))


async def _sign_in(page: Page, email: str, password: str = PASSWORD) -> None:
    await page.get_by_label("Email").fill(email)
    await page.get_by_label("Password", exact=True).fill(password)
    await page.get_by_role("main").get_by_role("button", name="Sign in").click()


async def test_a_newcomer_registers_comes_back_edits_the_profile_and_leaves(open_page: OpenPage) -> None:
    email = new_email()
    first = await open_page("/")
    await first.get_by_role("link", name="Create an account").click()
    await first.wait_for_url(re.compile(r"/register/?$"))
    await _register(first, email)
    await expect(first.get_by_role("main").get_by_role("heading", level=1)).to_be_visible()

    second = await open_page("/login", width=360, theme="dark")
    await _sign_in(second, email)
    await second.wait_for_url(re.compile(r"/home/?$"))
    await second.goto("/profile")
    await expect(second.get_by_label("Country")).to_have_value("IN")
    await expect(second.get_by_label("Display currency")).to_have_value("INR")
    await second.get_by_label("Name").fill("Ada King")
    await second.get_by_label("Country").select_option("BR")
    await second.get_by_label("Display currency").select_option("BRL")
    await second.get_by_role("button", name="Save").click()
    await expect(second.get_by_text("Saved.")).to_be_visible()

    await first.goto("/profile")
    await expect(first.get_by_label("Name")).to_have_value("Ada King")
    await expect(first.get_by_label("Display currency")).to_have_value("BRL")

    await first.get_by_role("button", name="Your menu").click()
    await first.get_by_role("button", name="Sign out", exact=True).click()
    await first.wait_for_url(re.compile(r"/login/?\?reason=signed_out$"))
    assert [c for c in await first.context.cookies() if "session" in c["name"]] == []
    await first.goto("/home")
    await expect(first).to_have_url(re.compile(r"/login/?\?next=%2Fhome$"))


async def test_the_session_cookie_is_out_of_reach_and_in_no_page_state(open_page: OpenPage) -> None:
    page = await open_page("/register")
    seen: list[str] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda data: seen.append(str(data)))
        socket.on("framesent", lambda data: seen.append(str(data)))

    page.on("websocket", listen)
    await _register(page, new_email())
    await page.goto("/profile")
    await expect(page.get_by_label("Country")).to_have_value("IN")
    cookie = next(c for c in await page.context.cookies() if "session" in c["name"])
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Lax", "/")
    storage = await page.evaluate("JSON.stringify([localStorage, sessionStorage, document.cookie])")
    everything = [*seen, storage, await page.content()]
    assert sum("Ada Lovelace" in part for part in seen) > 0, "the control: page state was observed"
    assert not any(cookie["value"] in part or PASSWORD in part for part in everything)


async def test_a_visitor_is_sent_to_sign_in_brought_back_and_ends_the_row_of_another_tab(
    open_page: OpenPage, site: Site
) -> None:
    email = new_email()
    tab = await open_page()
    await register_by_form(tab, email=email, to="/profile")
    await expect(tab.get_by_role("main").get_by_text(email)).to_be_visible()
    other = await open_page("/profile")
    await expect(other).to_have_url(re.compile(r"/login/?\?next=%2Fprofile$"))
    assert "Where you're signed in" not in await other.content()
    await _sign_in(other, email)
    await other.wait_for_url(re.compile(r"/profile/?$"))
    started = time.monotonic()
    await other.get_by_role("main").get_by_role("button", name=re.compile("^Sign out .+ on Linux")).click()
    await tab.wait_for_url(re.compile(r"/login"), timeout=5000)
    assert time.monotonic() - started < 2
    assert email not in await tab.content()
    with psycopg.connect(site.database_url) as connection:
        ended = connection.execute(
            "SELECT count(*) FROM auth_sessions s JOIN users u ON u.id = s.user_id"
            " WHERE u.email = %s AND s.revoked_at IS NOT NULL",
            (email,),
        ).fetchone()
    assert ended == (1,)
    await expect(other.get_by_text("This device")).to_be_visible()  # the session that ended it stays open
    await expect(other.get_by_text("Signed out from your list of devices")).to_be_visible()
    await other.get_by_role("button", name="Sign out everywhere, including here").click()
    await other.wait_for_url(re.compile(r"/login/?\?reason=signed_out$"))


async def test_a_row_that_ends_in_the_database_ends_the_tab_too(open_page: OpenPage, site: Site) -> None:
    """A lost notification: nobody announces this change, and the regular check finds it."""
    email = new_email()
    tab = await open_page()
    await register_by_form(tab, email=email, to="/home")
    with psycopg.connect(site.database_url) as connection:
        connection.execute(
            "UPDATE auth_sessions s SET revoked_at = now(), end_reason = 'signed_out'"
            " FROM users u WHERE u.id = s.user_id AND u.email = %s",
            (email,),
        )
    await tab.wait_for_url(re.compile(r"/login"), timeout=15_000)


@pytest.mark.full
async def test_a_visitor_is_never_brought_to_a_foreign_place(open_page: OpenPage, site: Site) -> None:
    email = new_email()
    await register_by_form(await open_page(), email=email)
    for foreign in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        visitor = await open_page(f"/login?next={foreign}")
        await _sign_in(visitor, email)
        await visitor.wait_for_url(re.compile(r"/home/?$"))
        assert visitor.url.startswith(site.url)


async def test_a_refused_sign_in_says_why_and_keeps_what_was_typed(open_page: OpenPage) -> None:
    email = new_email()
    page = await open_page("/login?next=/profile")
    await _sign_in(page, email, "not the password")
    await expect(page.get_by_role("alert")).to_be_visible()
    await expect(page.get_by_label("Email")).to_have_value(email)
    await expect(page.get_by_label("Password", exact=True)).to_have_value("")
    assert email not in page.url
    assert "next=" in page.url


@pytest.mark.full
async def test_a_taken_e_mail_offers_to_sign_in(open_page: OpenPage) -> None:
    email = new_email()
    await register_by_form(await open_page(), email=email)
    page = await open_page("/register")
    await page.get_by_label("Email").fill(email)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Create account").click()
    await expect(page.get_by_text("An account with this email exists.")).to_be_visible()
    await expect(page.get_by_label("Email")).to_have_value(email)


async def test_changing_the_password_ends_the_other_tabs_and_keeps_this_one(open_page: OpenPage) -> None:
    email, new_password = new_email(), "another calm evening 7"
    keeps = await open_page()
    await register_by_form(keeps, email=email, to="/profile")
    ends = await open_page("/login")
    await _sign_in(ends, email)
    await ends.wait_for_url(re.compile(r"/home/?$"))
    await keeps.get_by_label("Current password").fill(PASSWORD)
    await keeps.get_by_label("New password").fill(new_password)
    await keeps.get_by_role("button", name="Change password").click()
    await expect(keeps.get_by_text("Your password is changed.")).to_be_visible()
    await ends.wait_for_url(re.compile(r"/login"), timeout=5000)
    await _sign_in(ends, email, new_password)
    await ends.wait_for_url(re.compile(r"/home/?$"))


async def test_what_is_pressed_twice_at_once_is_done_once(open_page: OpenPage) -> None:
    page, email, other = await open_page("/register"), new_email(), "another calm evening 7"
    sent: list[str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(str(frame))))

    async def press_twice(name: str) -> None:
        button = page.get_by_role("button", name=name)
        await button.focus()
        for _ in range(2):
            await page.keyboard.press("Enter")
            await page.wait_for_timeout(150)

    await has_loaded(page)
    await page.get_by_label("Email").fill(email)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_label("Name").fill("Ada King")
    await page.get_by_label("Country").select_option("IN")
    await page.get_by_role("button", name="Create account").dblclick()
    await page.wait_for_url(re.compile(r"/home/?$"))

    await page.goto("/profile")
    await has_loaded(page)
    await page.get_by_label("Current password").fill(PASSWORD)
    await page.get_by_label("New password").fill(other)
    await page.get_by_role("button", name="Change password").dblclick()
    await expect(page.get_by_text("Your password is changed.")).to_be_visible()
    await page.wait_for_timeout(500)
    await expect(page.get_by_text("This isn't your current password.")).to_have_count(0)

    await press_twice("Update emails")
    await page.get_by_role("checkbox").first.uncheck()
    save = page.get_by_role("button", name="Update emails")
    await save.click()  # A changed form is sent at once,
    await page.wait_for_timeout(700)
    await save.click()  # and it can be sent again once it was answered.
    await page.wait_for_timeout(200)
    assert len([frame for frame in sent if "profile_state.save_mails" in frame]) == 3
    await page.get_by_role("button", name="Close account").click()
    await press_twice("Close my account for good")
    await page.wait_for_url(re.compile(r"/login/?\?reason=account_closed"))
