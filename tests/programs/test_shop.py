"""The sample shop: it sells once, believes the wallet only, and catches up on what it missed."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from onramp_app.config import PROJECT_DIR, get_settings
from tests import rows
from tests.crediting.conftest import money_simulator, world
from tests.crediting.world import World
from tests.programs.test_guide import pay
from tests.simulator.process import free_port

__all__ = ["money_simulator", "world"]

PRICE = 5 * 10**18


class Shop:
    """The shop in a process of its own, and a browser that keeps its cookie."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._process: Process | None = None
        self.browser = httpx.AsyncClient(base_url=environment["SHOP_URL"], trust_env=False, timeout=10)

    async def open(self) -> None:
        command = [sys.executable, str(PROJECT_DIR / "examples" / "shop" / "shop.py")]
        self._process = await asyncio.create_subprocess_exec(*command, env=self._environment)
        for _ in range(200):
            with suppress(httpx.TransportError):
                await self.browser.get("/nothing")
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the shop does not open")

    async def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            await self._process.wait()

    async def buy(self) -> str:
        """Press Buy. Returns where that leads."""
        return str((await self.browser.post("/buy")).headers["location"])

    async def order(self) -> str:
        """Return the path of the newest order."""
        page = (await self.browser.get("/")).text
        return page.partition('<a href="')[2].partition('"')[0]

    async def says(self, path: str, words: str) -> None:
        for _ in range(150):
            if words in (await self.browser.get(path)).text:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{path} does not say {words}")


@pytest.fixture
async def shop(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    address = f"http://localhost:{free_port()}"
    monkeypatch.setenv("RETURN_ORIGINS", address)
    get_settings.cache_clear()
    _, key = rows.program(world.owner, name="Harbour shop")
    async with world.running() as url, _opened(url, key, address, tmp_path) as found:
        yield found


@asynccontextmanager
async def _opened(url: str, key: str, address: str, folder: Path) -> AsyncIterator[Shop]:
    shop = Shop(
        {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(PROJECT_DIR / "clients" / "python"),
            "API_KEY": key,
            "WALLET_URL": url,
            "SHOP_URL": address,
            "SHOP_DATABASE": str(folder / "shop.sqlite"),
        }
    )
    await shop.open()
    yield shop
    await shop.close()
    await shop.browser.aclose()


async def test_it_sends_for_money_is_told_and_takes_the_price_once(world: World, shop: Shop) -> None:
    await shop.says("/", "Your balance: <b>0 USDT</b>")
    link = await shop.buy()
    assert "/link/" in link
    order = await shop.order()
    await shop.says(order, "Waiting for your money")
    await pay(world, link)
    await shop.says(order, "Thank you")
    assert await shop.buy() == await shop.order(), "there was enough for another one"
    debits = world.rows("SELECT reference, posted_minor FROM debits ORDER BY created_at")
    assert [int(row["posted_minor"]) for row in debits] == [PRICE, PRICE]
    assert debits[0]["reference"] == order.rpartition("/")[2]
    assert len(world.rows("SELECT FROM webhook_endpoints")) == 1


async def test_what_it_missed_while_it_was_closed_is_paid_when_it_opens(world: World, shop: Shop) -> None:
    link = await shop.buy()
    order = await shop.order()
    await shop.close()
    await pay(world, link)
    await shop.open()
    await shop.says("/", ": paid")
    await shop.says(order, "Thank you")
    assert world.one("SELECT count(*) FROM debits") == 1
    assert len(world.rows("SELECT FROM webhook_endpoints")) == 1, "it listens once"


async def test_it_takes_no_webhook_that_the_wallet_has_not_signed(world: World, shop: Shop) -> None:
    body = b'{"type": "top_up.settled", "data": {"user_id": "u"}}'
    for headers in (
        {},
        {"webhook-id": "1", "webhook-timestamp": "0", "webhook-signature": "v1,AAAA"},
        {"webhook-id": "1", "webhook-timestamp": "9999999999", "webhook-signature": "v1,AAAA"},
    ):
        answer = await shop.browser.post("/webhooks", content=body, headers=headers)
        assert answer.status_code == 401
    order = await shop.order() if "/link/" in await shop.buy() else ""
    page = (await shop.browser.get(f"{order}?status=settled&signature={'0' * 64}")).text
    assert "Adding money" not in page
    assert "Waiting for your money" in page
    assert world.one("SELECT count(*) FROM debits") == 0
