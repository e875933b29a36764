"""The sample shop sells once, trusts only the wallet, and catches up on missed webhooks."""

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
from tests.ports import free_port
from tests.programs.test_guide import pay

__all__ = ["money_simulator", "world"]

PRICE = 5 * 10**18


class Shop:
    """The shop in a separate process, and a browser that keeps its cookie."""

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
        """Press Buy. Returns the URL that it redirects to."""
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


class LossyProxy:
    """Forwards requests to the wallet, and loses the answer to the first debit."""

    def __init__(self, url: str) -> None:
        self._wallet = httpx.AsyncClient(base_url=url, trust_env=False)
        self.lost = 0
        self.url = ""

    async def __aenter__(self) -> "LossyProxy":
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._wallet.aclose()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        body = await reader.readexactly(int(headers.get("Content-Length", "0")))
        kept = {name: headers[name] for name in ("Authorization", "Content-Type") if name in headers}
        method, path, _ = first.split(" ")
        answer = await self._wallet.request(method, path, content=body, headers=kept)
        if path == "/api/debits" and not self.lost:
            self.lost += 1
        else:
            kind = answer.headers["content-type"]
            writer.write(
                f"HTTP/1.1 {answer.status_code} x\r\ncontent-type: {kind}\r\nconnection: close\r\n"
                f"content-length: {len(answer.content)}\r\n\r\n".encode()
                + answer.content
            )
            await writer.drain()
        writer.close()


@pytest.mark.parametrize("is_broken", [False, True], ids=["as it is", "control: a reference for each try"])
async def test_an_answer_that_is_lost_takes_the_price_once(
    world: World, monkeypatch: pytest.MonkeyPatch, is_broken: bool
) -> None:
    monkeypatch.syspath_prepend(str(PROJECT_DIR / "examples" / "shop"))
    import shop as sample

    program_id, key = rows.program(world.owner)
    user_id = world.user()
    rows.program_user(world.owner, program_id, user_id, external_id="c-1")
    top_up = world.top_up(user_id)
    async with world.running() as url, LossyProxy(url) as proxy:
        world.simulator.move(world.open_order(top_up), 4)
        await world.ends(top_up, "settled")

        def sell() -> None:
            with sample.Wallet(proxy.url, key) as wallet:
                create = wallet.debits.create

                def with_another(**given: str) -> object:
                    for reference in ("try-1", "try-2"):
                        with suppress(httpx.TransportError):
                            return create(**{**given, "reference": reference})
                    raise AssertionError

                if is_broken:
                    wallet.debits._calls._tries = 1
                    wallet.debits.create = with_another
                shop = sample.Shop(wallet, Path(world.simulator.database).with_name(f"{user_id}.sqlite"))
                assert shop.buy(user_id).startswith("/orders/")

        await asyncio.to_thread(sell)
        assert proxy.lost == 1
    assert world.one("SELECT count(*) FROM debits") == 1 + is_broken


async def test_an_order_that_was_left_is_not_charged_later(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(PROJECT_DIR / "examples" / "shop"))
    import shop as sample

    program_id, key = rows.program(world.owner)
    user_id = world.user()
    rows.program_user(world.owner, program_id, user_id, external_id="c-1")
    top_up = world.top_up(user_id)
    monkeypatch.setenv("RETURN_ORIGINS", sample.SHOP_URL)
    get_settings.cache_clear()

    def left(url: str) -> tuple[sample.Shop, str]:
        shop = sample.Shop(sample.Wallet(url, key), tmp_path / "shop.sqlite")
        assert "/link/" in shop.buy(user_id)
        (order,) = shop.orders(user_id)
        shop._run("UPDATE orders SET at = at - 3601")
        return shop, order["id"]

    async with world.running() as url:
        shop, order = await asyncio.to_thread(left, url)
        world.simulator.move(world.open_order(top_up), 4)
        await world.ends(top_up, "settled")
        assert not await asyncio.to_thread(shop.pay, order)
        assert [one["status"] for one in shop.orders(user_id)] == ["lapsed"]
        assert await asyncio.to_thread(shop.buy, user_id) != order, "another one is paid"
    assert world.one("SELECT count(*) FROM debits") == 1


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
