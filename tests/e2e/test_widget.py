"""The payment page in a frame: only messages from the frame itself are accepted, and only their type."""

import asyncio
import json
import re
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

import psycopg
import pytest
from playwright.async_api import Page, Route, expect

from onramp_app.top_ups.widget_frame import WIDGET_FEATURES
from tests import rows
from tests.e2e.people import new_email, register_by_form
from tests.e2e.site import OpenPage, Site

WIDGET = "http://localhost:8001/main/buy/?appId=1"
ORIGIN = "http://localhost:8001"
FOREIGN = "http://127.0.0.1:8001"
# A page that posts to its parent whatever the test wants.
TALKER = "<p>The payment page</p><script>window.say = (m) => parent.postMessage(m, '*')</script>"
PROGRESS = "ONRAMP_WIDGET_TX_PURCHASING"
FORGED = 500


@dataclass
class Heard:
    """The message types that the page forwarded to the server."""

    kinds: list[str] = field(default_factory=list)

    def take(self, frame: str | bytes) -> None:
        text = frame if isinstance(frame, str) else frame.decode()
        if "widget_said" in text:
            payload = json.loads(text[text.index("[") :])[1]
            self.kinds.append(payload["payload"]["kind"])

    async def something(self) -> None:
        async with asyncio.timeout(10):
            while not self.kinds:  # noqa: ASYNC110 - frames come by a callback
                await asyncio.sleep(0.05)


def _begin_top_up(site: Site, email: str) -> str:
    with psycopg.connect(site.database_url, autocommit=True) as owner:
        owner.execute("INSERT INTO assets VALUES ('USDT', 18, now()) ON CONFLICT DO NOTHING")
        ((user_id,),) = owner.execute("SELECT id FROM users WHERE email = %s", (email,)).fetchall()
        top_up_id = rows.top_up(owner, user_id)
        rows.widget_session(owner, top_up_id, url=WIDGET)
    return top_up_id


# The style sheet reveals an element late by an animation with a delay.
MOVE_WAITS = "at => document.getAnimations().forEach(each => { each.currentTime = at })"


async def _pay(open_page: OpenPage, site: Site, *, change_script: re.Pattern[str] | None = None):
    """Open the page of a new top-up; `change_script` is replaced by `false` in the page's scripts."""
    # The content policy would block the forgers' frames; here the message check is tested alone.
    page = await open_page(bypass_csp=True)
    email = new_email()
    await register_by_form(page, email=email)
    heard = Heard()
    page.on("websocket", lambda socket: socket.on("framesent", heard.take))
    await page.context.route(
        lambda url: urlsplit(url).port == 8001,
        lambda route: route.fulfill(content_type="text/html", body=TALKER),
    )
    changed: list[str] = []
    if change_script is not None:

        async def change(route: Route) -> None:
            answer = await route.fetch()
            text = await answer.text()
            made, times = change_script.subn("false", text)
            changed.extend([route.request.url] * times)
            await route.fulfill(response=answer, body=made)

        await page.context.route(re.compile(r"\.js$"), change)
    await page.goto(f"/add-money/{_begin_top_up(site, email)}")
    await expect(page.frame_locator("#widget").get_by_text("The payment page")).to_be_visible()
    assert bool(changed) == (change_script is not None)
    return page, heard


def _origin(page: Page) -> str:
    parts = urlsplit(page.url)
    return f"{parts.scheme}://{parts.netloc}"


def _message(kind: object) -> dict[str, object]:
    return {"eventData": {"type": kind, "data": {}, "isOnramp": True}}


async def _widget_says(page: Page, *messages: object) -> None:
    # The frame's URL identifies it among the frames, and names the origin that it may post to.
    spoken_to = urlencode({"mode": "embedded", "origin": _origin(page)})
    frame = next(frame for frame in page.frames if frame.url.startswith(f"{WIDGET}&{spoken_to}"))
    await frame.evaluate("messages => messages.forEach(m => say(m))", list(messages))


async def _forge(page: Page) -> None:
    """Send the widget's exact message from four wrong sources."""
    each = FORGED // 4
    true = _message(PROGRESS)
    await page.evaluate("([m, n]) => { for (let i = 0; i < n; i++) postMessage(m, '*') }", [true, each])
    # Another frame of the widget's origin: right origin, wrong source.
    for address in (WIDGET + "&other=1", FOREIGN + "/main/buy/"):
        await page.evaluate(
            "url => new Promise(done => { const f = document.createElement('iframe'); f.src = url;"
            " f.onload = done; document.body.append(f) })",
            address,
        )
        frame = next(frame for frame in page.frames if frame.url == address)
        await frame.evaluate("([m, n]) => { for (let i = 0; i < n; i++) say(m) }", [true, each])
    # A synthetic event, with the origin and source of a real one.
    await page.evaluate(
        "([m, n, origin]) => { const source = document.getElementById('widget').contentWindow;"
        " const forged = () => new MessageEvent('message', {data: m, origin, source});"
        " for (let i = 0; i < n; i++) dispatchEvent(forged()) }",
        [true, each, ORIGIN],
    )
    await page.wait_for_timeout(500)


async def test_forged_messages_have_no_effect_and_a_true_one_has(open_page: OpenPage, site: Site) -> None:
    page, heard = await _pay(open_page, site)
    await _forge(page)
    assert heard.kinds == []
    await _widget_says(page, _message(PROGRESS))
    await heard.something()
    assert heard.kinds == [PROGRESS]


@pytest.mark.full
@pytest.mark.parametrize(
    "check", [r"\w+\.source!==\w+\.contentWindow", r"\w+\.origin!==[\w.]+"], ids=["source", "origin"]
)
async def test_without_one_of_the_checks_forged_messages_are_heard(
    open_page: OpenPage, site: Site, check: str
) -> None:
    """The control: the same forgeries against a page that skips one check of a message's sender."""
    page, heard = await _pay(open_page, site, change_script=re.compile(check))
    await _forge(page)
    if "origin" in check:  # Only the origin reveals that the frame itself was navigated elsewhere.
        await page.evaluate("url => { document.getElementById('widget').src = url }", FOREIGN + "/led/away")
        await expect(page.frame_locator("#widget").get_by_text("The payment page")).to_be_visible()
        await page.wait_for_timeout(300)
        frame = next(frame for frame in page.frames if frame.url.endswith("/led/away"))
        await frame.evaluate("m => say(m)", _message(PROGRESS))
        await page.wait_for_timeout(300)
    assert heard.kinds != []


async def test_a_frame_that_was_led_to_a_foreign_page_is_not_heard(open_page: OpenPage, site: Site) -> None:
    page, heard = await _pay(open_page, site)
    await page.evaluate("url => { document.getElementById('widget').src = url }", FOREIGN + "/led/away")
    await page.wait_for_timeout(500)
    frame = next(frame for frame in page.frames if frame.url.endswith("/led/away"))
    await frame.evaluate("m => say(m)", _message(PROGRESS))
    await page.wait_for_timeout(300)
    assert heard.kinds == []


async def test_only_the_type_of_a_message_leaves_the_page(open_page: OpenPage, site: Site) -> None:
    page, heard = await _pay(open_page, site)
    secret = _message(PROGRESS)
    secret["eventData"]["data"] = {"walletAddress": "0xsecret"}
    await _widget_says(
        page,
        "text",
        7,
        {},
        _message(None),
        _message({"a": 1}),
        _message("settled"),
        _message("ONRAMP_" + "A" * 5000),
        secret,
    )
    await heard.something()
    assert heard.kinds == [PROGRESS]


async def test_a_top_up_is_canceled_by_keyboard_alone_after_it_asked_once_more(
    open_page: OpenPage, site: Site
) -> None:
    page, _heard = await _pay(open_page, site)
    await page.get_by_role("button", name="Cancel this top-up").focus()
    await page.keyboard.press("Enter")
    question = page.get_by_role("dialog", name="Cancel this top-up?")
    await expect(question).to_be_visible()
    await expect(question).to_contain_text("If you've already paid, we'll still add it.")
    await expect(page.get_by_role("button", name="Keep it")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(question).not_to_be_visible()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="This top-up was canceled")).to_be_visible()
    await expect(page.get_by_text("You weren't charged.", exact=True)).to_be_visible()
    await expect(page.locator("iframe")).to_have_count(0)


async def test_a_payment_page_that_stays_away_is_pointed_out_with_a_way_to_it(
    open_page: OpenPage, site: Site
) -> None:
    page, _heard = await _pay(open_page, site)
    way_out = page.get_by_role("link", name="Open it in a new tab")
    await expect(way_out).not_to_be_visible()
    await page.evaluate(MOVE_WAITS, 7_000)
    await expect(way_out).not_to_be_visible()  # not before it has had its time
    await page.evaluate(MOVE_WAITS, 12_000)
    await expect(way_out).to_be_visible()
    assert await way_out.get_attribute("href") == WIDGET
    await _widget_says(page, _message("ONRAMP_WIDGET_READY"))
    await expect(way_out).not_to_be_visible()


async def test_the_frame_may_use_the_camera_and_the_clipboard_and_only_itself(
    open_page: OpenPage, site: Site
) -> None:
    page, _heard = await _pay(open_page, site)
    frame = page.locator("#widget")
    allowed = dict(part.split() for part in (await frame.get_attribute("allow")).split(";") if part.strip())
    assert allowed == dict.fromkeys(WIDGET_FEATURES, ORIGIN)
    assert await frame.get_attribute("sandbox") is None
    elsewhere = page.get_by_role("link", name="Open in a new tab")
    assert (await elsewhere.get_attribute("href"), await elsewhere.get_attribute("rel")) == (
        WIDGET,
        "noopener",
    )


async def test_a_switched_theme_leaves_an_open_payment_page_alone_and_is_that_of_the_next_one(
    open_page: OpenPage, site: Site
) -> None:
    page, _heard = await _pay(open_page, site)
    inside = next(frame for frame in page.frames if frame.url.startswith(WIDGET))
    await inside.evaluate("window.isTheSamePage = true")
    theme = "JSON.parse(window.name)['theme-default']"
    assert await inside.evaluate(theme) == "lightMode"
    await page.emulate_media(color_scheme="dark")
    await expect(page.locator("html")).to_have_class(re.compile("dark"))
    await expect(page.locator("#widget")).to_have_attribute("name", re.compile("darkMode"))
    assert await inside.evaluate("window.isTheSamePage")
    await page.reload()
    await expect(page.frame_locator("#widget").get_by_text("The payment page")).to_be_visible()
    inside = next(frame for frame in page.frames if frame.url.startswith(WIDGET))
    assert await inside.evaluate(theme) == "darkMode"
