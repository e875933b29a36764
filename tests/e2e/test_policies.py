"""In the production build, our policy headers make browsers refuse injected content and nothing of ours.

`open_page` fails any test of this folder in which a page has something refused; these tests visit all pages.
"""

import asyncio
import re
import secrets

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Route, expect

from onramp_app.top_ups.widget_frame import WIDGET_FEATURES
from tests.e2e.people import PASSWORD, has_loaded
from tests.e2e.site import OpenPage, Site
from tests.e2e.watched import PRIVATE, PUBLIC, record_violations

_ADD = (
    "const add = (tag, fields) => document.body.append(Object.assign(document.createElement(tag), fields));"
)
PLANTED = (
    (
        "document.body.setAttribute('onclick', 'window.planted = true'); document.body.click()",
        "script-src-attr",
    ),
    (_ADD + "add('script', {src: '//evil.example/x.js'})", "script-src-elem"),
    (_ADD + "add('style', {textContent: 'p {color: red}'})", "style-src-elem"),
    (_ADD + "add('iframe', {src: '//evil.example'})", "frame-src"),
    ("fetch('//evil.example/').catch(() => 0)", "connect-src"),
    ("new Image().src = '//evil.example/x.png'", "img-src"),
    # The inspector may always use eval, so the page itself has to call it.
    ("new Promise(done => setTimeout(() => { try { eval('1') } catch {} done() }))", "script-src"),
)


async def _walk(page: Page, paths: tuple[str, ...]) -> None:
    """Open all pages at once, each in its own tab."""
    await asyncio.gather(*(_visit(page.context, path) for path in paths))


async def _visit(context: BrowserContext, path: str) -> None:
    page = await context.new_page()
    answer = await page.goto(path)
    assert answer is not None
    assert "unsafe" not in answer.headers["content-security-policy"]
    await has_loaded(page)
    for theme in ("Dark", "Light", "System"):
        for button in await page.get_by_role("button", name=theme, exact=True).all():
            if await button.is_visible():
                await button.click()
    await page.close()


@pytest.mark.full
async def test_nothing_of_ours_is_refused_on_any_page(open_page: OpenPage) -> None:
    """Opens every page in every theme; in the short run `test_pages.py` opens them all."""
    email = f"{secrets.token_hex(8)}@mail.example"
    page = await open_page("/")
    await _walk(page, PUBLIC)
    await page.goto("/register")
    await page.get_by_label("Email").fill(email)
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.get_by_role("button", name="Create account").click()
    await page.wait_for_url("**/home**")
    await _walk(page, PRIVATE)
    await page.goto("/profile")
    await page.get_by_label("Name").fill("Ada")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("Saved.")).to_be_visible()
    await page.get_by_role("button", name="Your menu").click()
    await page.get_by_role("button", name="Sign out", exact=True).click()
    await page.wait_for_url("**/login**")
    await page.get_by_label("Email").fill(email)
    await page.get_by_label("Password", exact=True).fill("not the password")
    await page.get_by_role("main").get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_be_visible()


@pytest.mark.full
async def test_the_documentation_works_under_its_policy(open_page: OpenPage) -> None:
    page = await open_page("/api/docs")
    await page.locator("#operations-health-live_api_health_live_get .opblock-summary").click()
    await page.get_by_role("button", name="Try it out").click()
    await page.get_by_role("button", name="Execute").click()
    await expect(page.locator(".live-responses-table .response-col_status").last).to_have_text("200")


async def test_what_is_planted_is_refused_and_noticed(chromium: Browser, site: Site) -> None:
    """The control: the same check, on pages with injected content."""
    context = await chromium.new_context(base_url=site.url)
    found: list[str] = []
    await record_violations(context, found)
    page = await context.new_page()

    async def plant(route: Route) -> None:
        answer = await route.fetch()
        body = (await answer.text()).replace("</body>", "<script>window.planted = true</script></body>")
        await route.fulfill(response=answer, body=body)

    await page.route("**/login/", plant)
    await page.goto("/login/")
    await page.wait_for_load_state("networkidle")
    assert await page.evaluate("window.planted") is None
    assert [line for line in found if line.startswith("refused: script-src-elem inline")] != []
    for statement, refused in PLANTED:
        found.clear()
        await page.evaluate(statement)
        await page.wait_for_timeout(200)
        assert [line for line in found if line.startswith(f"refused: {refused} ")] != [], statement
    assert await page.evaluate("window.planted") is None
    await context.close()


async def test_the_camera_is_for_the_widget_alone(open_page: OpenPage) -> None:
    page = await open_page("/")
    policy = (await page.request.get("/")).headers["content-security-policy"]
    (widget_origin,) = re.findall(r"frame-src ([^; ]+)", policy)
    await page.route(
        f"{widget_origin}/**",
        lambda route: route.fulfill(body="<p>The widget</p>", content_type="text/html"),
    )
    allowed = "feature => document.featurePolicy.allowsFeature(feature)"
    for feature in ("geolocation", "payment", "usb"):
        assert not await page.evaluate(allowed, feature), feature
    await page.evaluate(
        "src => document.body.append(Object.assign(document.createElement('iframe'),"
        " {src, allow: 'camera; geolocation; clipboard-read; clipboard-write; microphone; payment'}))",
        f"{widget_origin}/main/buy/",
    )
    await expect(page.frame_locator("iframe").get_by_text("The widget")).to_be_visible()
    frame = page.frames[1]
    given = [f for f in (*WIDGET_FEATURES, "geolocation", "payment") if await frame.evaluate(allowed, f)]
    assert given == list(WIDGET_FEATURES)
