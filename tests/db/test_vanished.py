"""The database's host vanishes: open connections go silent without a reset, and new ones work."""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import text

from onramp_app.config import get_settings
from onramp_app.db import engine
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.provider_orders import inbox
from onramp_app.provider_orders.inbox import get_inbox
from onramp_app.running import lifecycle
from onramp_app.wallet import announcements
from tests.served import whole_api
from tests.signed_webhooks import PATH, event_of, headers_of
from tests.wall import Wall


def _ports_of_clients(server_port: int) -> set[int]:
    """Return the local ports of this machine's connections to the server."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ports = [[int(row[at].rpartition(":")[2], 16) for at in (1, 2)] for row in rows if row[3] == "01"]
    return {local for local, remote in ports if remote == server_port}


@contextmanager
def _dropped(server_port: int) -> Iterator[None]:
    """Drop every packet of the current connections, in both directions."""
    ports = _ports_of_clients(server_port)
    assert len(ports) > engine.pool_size()
    rules = [
        [
            "INPUT",
            "-i",
            "lo",
            "-p",
            "tcp",
            f"--{our_end}port",
            str(port),
            f"--{server_end}port",
            str(server_port),
        ]
        for port in ports
        for our_end, server_end in (("s", "d"), ("d", "s"))
    ]
    made = []
    try:
        for rule in rules:
            command = ["iptables", "-w", "5", "-I", *rule, "-j", "DROP"]
            if subprocess.run(command, check=False, capture_output=True).returncode:
                pytest.skip("iptables may not be changed here")
            made.append(rule)
        yield
    finally:
        for rule in made:
            subprocess.run(["iptables", "-w", "5", "-D", *rule, "-j", "DROP"], check=True)


async def _one() -> None:
    async with engine.transaction() as db:
        assert await (await db.connection()).scalar(text("SELECT 1")) == 1


async def _recovers(swallow: AbstractContextManager[object]) -> float:
    """Send a webhook and ten requests while open connections are swallowed. Returns the seconds taken."""
    transport = httpx.ASGITransport(app=whole_api())
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        await get_inbox().open()
        await asyncio.gather(*(_one() for _ in range(engine.pool_size())))
        with swallow:
            began = time.monotonic()
            sending = client.post(PATH, headers=headers_of(event_of(1)), content=b"{}")
            answer, *_ = await asyncio.gather(sending, *(_one() for _ in range(10)))
            took = time.monotonic() - began
    assert answer.status_code == 200
    await lifecycle.disconnect()
    return took


async def test_what_a_proxy_has_swallowed_is_replaced(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy acknowledges all data, so no TCP timeout reveals that nothing is forwarded."""
    monkeypatch.setattr(engine, "_BEGIN_SECONDS", 0.3)
    monkeypatch.setattr(inbox, "ANSWER_SECONDS", 0.3)
    with Wall(database).standing() as wall:
        monkeypatch.setenv("DATABASE_URL", wall.url)
        get_settings.cache_clear()

        @contextmanager
        def swallowed() -> Iterator[None]:
            wall.swallow()
            yield

        assert await _recovers(swallowed()) < 4


async def test_a_listener_that_was_swallowed_notices_it(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcements, "TEST_EVERY_SECONDS", 0.1)
    monkeypatch.setattr(announcements, "ANSWER_SECONDS", 0.3)
    with Wall(database).standing() as wall:
        monkeypatch.setenv("DATABASE_URL", wall.url)
        get_settings.cache_clear()
        listening = announcements.listen()
        assert await anext(listening) == announcements.Listening()
        wall.swallow()
        with pytest.raises(DatabaseUnavailable):
            await asyncio.wait_for(anext(listening), 5)


@pytest.mark.full  # its firewall rules need root
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("iptables") is None, reason="needs root and iptables")
async def test_requests_and_webhooks_go_on_although_their_packets_are_dropped(database: str) -> None:
    assert await _recovers(_dropped(urlsplit(database).port or 5432)) < 30
