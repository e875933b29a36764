"""The sample shop is paid from a balance: link, payment, webhook, debit, even while the wallet is killed."""

import asyncio
import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from playwright.async_api import Browser, Error, Locator, Page, expect

from onramp_app.config import PROJECT_DIR
from tests import rows
from tests.e2e.people import Mouse, expect_success, pay, payment_page
from tests.e2e.site import OpenPage, Site
from tests.served import answers

SALES = int(os.environ.get("SHOP_SALES", "50"))
SALE_SECONDS = 120
PRICE = 5 * 10**18
KILLED = "Kill shop"
STEP_MS = 15_000


@dataclass(frozen=True)
class Shop:
    url: str
    database: Path

    def orders(self) -> list[tuple[str, str]]:
        """Return each order and its state."""
        with sqlite3.connect(self.database) as connection:
            return connection.execute("SELECT id, status FROM orders").fetchall()


@contextmanager
def _open_shop(site: Site, folder: Path, *, name: str) -> Iterator[Shop]:
    """Run the sample shop at the origin that links may return to."""
    with psycopg.connect(site.database_url, autocommit=True) as owner:
        _, key = rows.program(owner, name=name)
    url = site.environment["RETURN_ORIGINS"].rpartition(",")[2]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PROJECT_DIR / "clients" / "python"),
        "API_KEY": key,
        "WALLET_URL": site.url,
        "SHOP_URL": url,
        "SHOP_DATABASE": str(folder / "shop.sqlite"),
    }
    with (folder / "shop.log").open("w") as log:
        command = [sys.executable, str(PROJECT_DIR / "examples" / "shop" / "shop.py")]
        shop = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        until = time.monotonic() + 20
        while not answers(url):
            assert shop.poll() is None, (folder / "shop.log").read_text()
            assert time.monotonic() < until
            time.sleep(0.1)
        yield Shop(url, folder / "shop.sqlite")
    finally:
        shop.kill()
        shop.wait()


def _debits(site: Site, name: str) -> list[tuple[str, int]]:
    """Return the reference and amount of each debit of a program."""
    query = (
        "SELECT d.reference, d.posted_minor FROM debits d"
        " JOIN programs p ON p.id = d.program_id WHERE p.name = %s"
    )
    with psycopg.connect(site.database_url) as owner:
        return [(reference, int(amount)) for reference, amount in owner.execute(query, (name,))]


async def test_a_poster_is_sold_for_money_that_is_added_on_the_way(
    open_page: OpenPage, site: Site, tmp_path: Path
) -> None:
    with _open_shop(site, tmp_path, name="Harbour shop") as shop:
        page = await open_page(shop.url)
        await page.get_by_role("button", name="Buy").click()
        await expect(page.get_by_role("heading", name=re.compile("^Harbour shop asks you"))).to_be_visible()
        await page.get_by_role("button", name="Continue").click()
        await expect(page.get_by_text("You receive, about").first).to_be_visible(timeout=STEP_MS)
        await page.get_by_role("button", name="Choose how to pay").click(timeout=STEP_MS)
        await page.wait_for_url(re.compile("step=pay"))
        await page.get_by_role("button", name="Continue").click()
        await page.wait_for_url(re.compile("step=check"))
        await page.get_by_role("button", name=re.compile("^Pay ")).click(timeout=STEP_MS)
        await pay(page, Mouse())
        await expect_success(page)
        # The webhook arrives before the person returns to the shop.
        async with asyncio.timeout(15):
            while [status for _, status in shop.orders()] != ["paid"]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await page.get_by_role("link", name=re.compile("^Return to Harbour shop")).click()
        await expect(page.get_by_role("heading", name="Thank you")).to_be_visible(timeout=STEP_MS)
        await page.goto(shop.url)
        await expect(page.get_by_text("Your balance")).to_contain_text(re.compile(r"5\d\.\d+ USDT"))
        debits = _debits(site, "Harbour shop")
        assert debits == [(shop.orders()[0][0], PRICE)]


# Killing the wallet while it sells


async def _seen(target: Locator) -> bool:
    return await target.count() > 0 and await target.first.is_visible() and await target.first.is_enabled()


async def _do_what_is_offered(page: Page, shop: Shop) -> bool:
    """Click what a person would click next. Returns whether the order is paid."""
    if page.url.startswith(shop.url):
        if await _seen(page.get_by_role("heading", name="Thank you")):
            return True
        if await _seen(page.get_by_role("button", name="Buy")):
            await page.get_by_role("button", name="Buy").click(timeout=2_000)
        elif await _seen(page.get_by_role("link", name="Add money")):
            # The page refreshes itself; a person who has paid already waits a moment for it.
            await page.wait_for_timeout(3_000)
            if await _seen(page.get_by_role("link", name="Add money")):
                await page.get_by_role("link", name="Add money").click(timeout=2_000)
        return False
    offered = (
        page.get_by_role("link", name=f"Return to {KILLED}", exact=True),
        page.get_by_role("button", name=re.compile("^Pay ")),
        page.get_by_role("button", name="Choose how to pay"),
        page.get_by_role("button", name="Continue"),
        payment_page(page).get_by_role("button", name="Pay", exact=True),
    )
    for target in offered:
        if await _seen(target):
            await target.first.click(timeout=2_000)
            return False
    return False


async def _buy(page: Page, shop: Shop) -> None:
    """Go from the shop to a paid order, whatever happens on the way."""
    until = time.monotonic() + SALE_SECONDS
    address, changed_at = shop.url, time.monotonic()
    await page.goto(shop.url)
    while True:
        assert time.monotonic() < until, f"not sold in time: {page.url} {await page.inner_text('body')}"
        with suppress(Error):
            if await _do_what_is_offered(page, shop):
                return
        is_away = not page.url.startswith("http")  # The browser shows its own error page.
        if not is_away and page.url != address:
            address, changed_at = page.url, time.monotonic()
        # A person reloads a page that does nothing for this long.
        if time.monotonic() - changed_at > (1 if is_away else 12):
            changed_at = time.monotonic()
            with suppress(Error):
                await page.goto(address)
        await page.wait_for_timeout(200)


async def _kill_at(site: Site, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await asyncio.to_thread(site.kill)
    await asyncio.to_thread(site.start)


def _settled_and_delivered(site: Site) -> tuple[int, int]:
    delivered = sum(order["status"] in (4, 5, 15, 16) for order in site.simulator.orders())
    with psycopg.connect(site.database_url) as owner:
        row = owner.execute("SELECT count(*) FROM ledger_transfers WHERE kind = 'receive'").fetchone()
    return (int(row[0]) if row else 0), delivered


@pytest.mark.full
async def test_fifty_kills_of_the_wallet_lose_and_double_nothing(
    site: Site, chromium: Browser, tmp_path: Path
) -> None:
    seed = int(os.environ.get("SHOP_SEED", "0")) or random.randrange(1, 10**9)
    print(f"SHOP_SEED={seed} SHOP_SALES={SALES}")  # noqa: T201
    chance = random.Random(seed)
    with _open_shop(site, tmp_path, name=KILLED) as shop:
        for number in range(SALES):
            context = await chromium.new_context(viewport={"width": 1280, "height": 800})
            page = await context.new_page()
            at = chance.uniform(0, 14)
            began = time.monotonic()
            await asyncio.gather(_buy(page, shop), _kill_at(site, at))
            print(f"sale {number + 1}: killed after {at:.1f} s, sold after {time.monotonic() - began:.1f} s")  # noqa: T201
            await context.close()
        orders = shop.orders()
    assert [status for _, status in orders] == ["paid"] * len(orders)
    assert len(orders) >= SALES
    debits = _debits(site, KILLED)
    assert sorted(reference for reference, _ in debits) == sorted(order for order, _ in orders)
    assert {amount for _, amount in debits} == {PRICE}
    async with asyncio.timeout(60):
        while len(set(_settled_and_delivered(site))) > 1:  # noqa: ASYNC110
            await asyncio.sleep(0.5)
    command = [sys.executable, "-m", "onramp_app", "verify-ledger", "--json"]
    done = subprocess.run(command, env=site.environment, capture_output=True, text=True, check=False)  # noqa: ASYNC221
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["findings"] == []
