"""Time from the commit of a credit to the changed balance in Chromium, with 100 idle people signed in.

Run: `python -m tests.benchmarks.commit_to_dom [credits]`. Needs a Chromium. fsync is on.
"""

import asyncio
import statistics
import sys
import time

from playwright.async_api import Page, async_playwright

from onramp_app.running import lifecycle
from tests.benchmarks.credited import credit, measured_site, person
from tests.benchmarks.machine import load
from tests.chromium import FLAGS, chromium_path
from tests.e2e.site import Site
from tests.sockets import TabSocket

IDLE_PEOPLE = 100
PAUSE_SECONDS = 0.1
BALANCE = "main .large-money"

# Both times are from the system clock: a page's `performance.timeOrigin` only estimates it, and may be off by
# more than what is measured. A change is a text node of the balance whose content differs.
_WATCH = """
(element) => {
  let shown = element.textContent;
  window.changes = [];
  new MutationObserver(() => {
    if (element.textContent === shown) return;
    shown = element.textContent;
    window.changes.push(Date.now());
  }).observe(element, {childList: true, characterData: true, subtree: true});
}
"""


async def _measure(page: Page, user_id: str, count: int) -> list[float]:
    balance = page.locator(BALANCE)
    await balance.evaluate(_WATCH)
    took = []
    for _ in range(count):
        seen = await page.evaluate("window.changes.length")
        await credit(user_id)
        committed = time.time() * 1000
        await page.wait_for_function("(seen) => window.changes.length > seen", arg=seen, polling=5)
        changed = await page.evaluate("(seen) => window.changes[seen]", seen)
        took.append(changed - committed)
        await asyncio.sleep(PAUSE_SECONDS)
    # Otherwise some other change was mistaken for a credit.
    assert await page.evaluate("window.changes.length") == count
    return took


async def _run(site: Site, count: int) -> list[float]:
    people = [await person(number) for number in range(IDLE_PEOPLE)]
    sockets = []
    for idle in people:
        tab = await TabSocket.open(site.url, cookie=f"session={idle.cookie_value}")
        await tab.open_page("/home")
        sockets.append(tab)
    watcher = await person(IDLE_PEOPLE)
    await credit(watcher.viewer.user_id)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        # Without reduced motion the amount counts up: it changes before it is right, and for long after.
        context = await browser.new_context(base_url=site.url, reduced_motion="reduce")
        await context.add_cookies([{"name": "session", "value": watcher.cookie_value, "url": site.url}])
        page = await context.new_page()
        await page.goto("/home")
        await page.locator(BALANCE).wait_for()
        await asyncio.sleep(2)
        took = await _measure(page, watcher.viewer.user_id, count)
        await browser.close()
    for tab in sockets:
        await tab.close()
    await lifecycle.disconnect()
    return took


def main() -> None:
    """Measure, and print the percentiles in milliseconds."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with measured_site() as site:
        took = sorted(asyncio.run(_run(site, count)))
    cuts = statistics.quantiles(took, n=100)
    figures = f"p50 {cuts[49]:.0f}, p95 {cuts[94]:.0f}, p99 {cuts[98]:.0f}, most {took[-1]:.0f}"
    print(f"{len(took)} credits beside {IDLE_PEOPLE} idle people, commit to DOM in ms: {figures}; {load()}")  # noqa: T201


if __name__ == "__main__":
    main()
