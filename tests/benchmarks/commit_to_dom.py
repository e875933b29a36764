"""From the commit of a credit to the changed balance in Chromium, with 100 other people signed in and idle.

Run: `python -m tests.benchmarks.commit_to_dom [credits]`. Needs a Chromium. fsync is on.
"""

import asyncio
import os
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from playwright.async_api import Page, async_playwright

from onramp_app.config import get_settings
from onramp_app.db import engine
from onramp_app.db.engine import transaction
from onramp_app.domain.ids import new_id
from onramp_app.domain.ledger import StepSource
from onramp_app.ledger.instructions import UserAmount, make_good
from onramp_app.ledger.posting import post
from onramp_app.ledger.transfers import Cause
from onramp_app.local import postgres
from onramp_app.services import accounts, changed_users, sessions
from onramp_app.services.environment import current_environment
from onramp_app.services.sessions import BrowserSession, Client
from tests.e2e.site import CHROMIUM_FLAGS, Site, chromium_path, running_site
from tests.people import PASSWORD
from tests.sockets import TabSocket

IDLE_PEOPLE = 100
PAUSE_SECONDS = 0.1
_ONE = 1_000_000_000_000_000_000  # one USDT in minor units: its scale is 18

# Both clocks are of one machine. A change is a text node of the balance that is no longer what it was.
_WATCH = """
(element) => {
  window.changes = [];
  new MutationObserver(() => {
    window.changes.push([performance.timeOrigin + performance.now(), element.textContent]);
  }).observe(element, {childList: true, characterData: true, subtree: true});
}
"""


async def _person(number: int) -> BrowserSession:
    email = f"person-{number}-{secrets.token_hex(4)}@example.com"
    registration = accounts.Registration(email, PASSWORD, "Ada", "US")
    return await accounts.register(registration, Client("127.0.0.1", "benchmark"), sessions.open_browser)


async def _credit(user_id: str) -> float:
    """Add one USDT to the balance. Returns the moment after the commit, in milliseconds since 1970."""
    cause = Cause(StepSource.OPERATOR, actor="benchmark", reason="benchmark")
    async with transaction() as db:
        await post(
            db, [make_good(new_id(), UserAmount(current_environment(), user_id, "USDT", _ONE), cause=cause)]
        )
    committed = time.time() * 1000
    changed_users.tell_changed([user_id])
    return committed


async def _measure(page: Page, user_id: str, count: int) -> list[float]:
    balance = page.get_by_test_id("balance")
    await balance.evaluate(_WATCH)
    took = []
    for _ in range(count):
        seen = await page.evaluate("window.changes.length")
        committed = await _credit(user_id)
        await page.wait_for_function("(seen) => window.changes.length > seen", arg=seen, polling=5)
        changed = await page.evaluate("(seen) => window.changes[seen][0]", seen)
        took.append(changed - committed)
        await asyncio.sleep(PAUSE_SECONDS)
    return took


async def _run(site: Site, count: int) -> list[float]:
    people = [await _person(number) for number in range(IDLE_PEOPLE)]
    sockets = []
    for person in people:
        tab = await TabSocket.open(site.url, cookie=f"session={person.cookie_value}")
        await tab.open_page("/home")
        sockets.append(tab)
    watcher = await _person(IDLE_PEOPLE)
    await _credit(watcher.viewer.user_id)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_FLAGS)
        context = await browser.new_context(base_url=site.url)
        await context.add_cookies([{"name": "session", "value": watcher.cookie_value, "url": site.url}])
        page = await context.new_page()
        await page.goto("/home")
        await page.get_by_test_id("balance").wait_for()
        await asyncio.sleep(2)
        took = await _measure(page, watcher.viewer.user_id, count)
        await browser.close()
    for tab in sockets:
        await tab.close()
    await changed_users.close()
    await engine.dispose()
    return took


def main() -> None:
    """Measure, and print the percentiles in milliseconds."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with tempfile.TemporaryDirectory() as name:
        server = postgres.start(Path(name) / "postgres")
        address = f"{server.url.rpartition('/')[0]}/site"
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE site")
        try:
            with running_site(Path(name), address) as site:
                os.environ |= {"APP_ENV": "test", "DATABASE_URL": address, "SECRET_KEY": "k" * 48}
                os.environ["ONRAMP_API_URL"] = site.simulator.base
                get_settings.cache_clear()
                took = sorted(asyncio.run(_run(site, count)))
        finally:
            server.stop()
    cuts = statistics.quantiles(took, n=100)
    figures = f"p50 {cuts[49]:.0f}, p95 {cuts[94]:.0f}, p99 {cuts[98]:.0f}, most {took[-1]:.0f}"
    print(f"{len(took)} credits beside {IDLE_PEOPLE} idle people, commit to DOM in ms: {figures}")  # noqa: T201


if __name__ == "__main__":
    main()
