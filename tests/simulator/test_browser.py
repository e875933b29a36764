"""The pages in a real Chromium: messages to the parent page, and the redirect back without a frame."""

import http.server
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from playwright.sync_api import Browser, FrameLocator, Page, sync_playwright

from tests.chromium import FLAGS, chromium_path
from tests.simulator.process import Process, eventually

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(chromium_path() is None, reason="no Chromium was found"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 360, "height": 740})
    context.set_default_timeout(8000)
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    """A site of another origin: `/frame?<link>` frames the link and collects the messages that it posts."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            link = unquote(urlsplit(self.path).query)
            html = (
                "<script>window.got=[];addEventListener('message',e=>got.push([e.origin,e.data]))</script>"
                f"<iframe src='{link}' width=340 height=700></iframe>"
            ).encode()
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(html)))
            self.end_headers()
            self.wfile.write(html)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def framed(page: Page, shop: str, link: str, *, origin: str | None = None) -> FrameLocator:
    """Show a link in a frame of the shop; the page posts to the origin named in its URL."""
    spoken_to = f"&mode=embedded&origin={quote(origin or shop, safe='')}" if origin != "" else ""
    page.goto(f"{shop}/frame?{quote(link + spoken_to)}")
    return page.frame_locator("iframe")


def posted(page: Page) -> list[str]:
    return [data["eventData"]["type"] for _, data in page.evaluate("window.got")]


@pytest.mark.parametrize("vocabulary", ["steps", "outcome"])
def test_paying_in_a_frame_posts_the_messages(
    page: Page, simulator: Process, shop: str, vocabulary: str
) -> None:
    frame = framed(page, shop, simulator.link(vocabulary=vocabulary, redirectUrl="http://127.0.0.1:9/back"))
    eventually(lambda: posted(page) == ["ONRAMP_WIDGET_READY"])
    frame.get_by_label("You pay (INR)").fill("2000")
    frame.get_by_text("About 2").wait_for()
    frame.get_by_role("button", name="Pay").click()
    last = {"steps": "ONRAMP_WIDGET_TX_COMPLETED", "outcome": "ONRAMP_WIDGET_TX_SUCCESSFUL"}[vocabulary]
    eventually(lambda: posted(page)[-1] == last)
    assert {origin for origin, _ in page.evaluate("window.got")} == {simulator.base}
    assert simulator.orders()[0]["fiatAmount"] == 2000
    assert page.url.startswith(f"{shop}/frame")


@pytest.mark.parametrize("origin", ["", "http://127.0.0.1:9"])
def test_in_a_frame_without_its_origin_the_page_is_silent(
    page: Page, simulator: Process, shop: str, origin: str
) -> None:
    frame = framed(page, shop, simulator.link(), origin=origin)
    frame.get_by_role("button", name="Pay").click()
    eventually(lambda: [order for order in simulator.orders() if order["status"] in (4, 5, 15, 16)])
    assert posted(page) == []


def test_the_name_of_the_frame_sets_its_colours(page: Page, simulator: Process, shop: str) -> None:
    page.goto(simulator.link())
    assert page.evaluate("document.documentElement.dataset.theme") is None
    theme = '{"theme-default": "darkMode", "theme-dark-baseColor": "#5cc2be"}'
    page.evaluate("theme => { window.name = theme }", theme)
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    button = page.get_by_role("button", name="Pay")
    assert button.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(92, 194, 190)"


def test_a_scenario_chooses_the_vocabulary(page: Page, simulator: Process, shop: str) -> None:
    simulator.scenario("vocabulary", value="outcome")
    frame = framed(page, shop, simulator.link())
    frame.get_by_role("button", name="Fail").click()
    eventually(lambda: posted(page)[-1] == "ONRAMP_WIDGET_TX_FAILED")


def test_a_link_that_cannot_be_used_says_so_to_its_parent(page: Page, simulator: Process, shop: str) -> None:
    frame = framed(page, shop, simulator.link(coinCode="doge"))
    eventually(lambda: posted(page) == ["ONRAMP_WIDGET_FAILED"])
    assert "is not a coin" in frame.locator("main").inner_text()


def test_alone_in_its_tab_the_page_goes_back(page: Page, simulator: Process, shop: str) -> None:
    page.goto(simulator.link(redirectUrl=f"{shop}/back?top_up=1"))
    page.get_by_role("button", name="Pay").click()
    page.wait_for_url(f"{shop}/back?*")
    query = parse_qs(urlsplit(page.url).query)
    order_id = str(simulator.orders()[0]["orderId"])
    assert query == {"top_up": ["1"], "orderId": [order_id], "status": ["success"]}


def test_nothing_is_wider_than_a_phone_and_nothing_is_blocked(page: Page, simulator: Process) -> None:
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    simulator.move(simulator.open(), 4)
    for url in (simulator.link(), simulator.base + "/"):
        page.goto(url)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), url
    assert problems == []
