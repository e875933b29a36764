"""The database's host vanishes: what is open is swallowed without a reset, and new connections work."""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import text

from onramp_app.api.application import create_api
from onramp_app.db import engine
from onramp_app.services import inbox
from onramp_app.services.inbox import get_inbox
from tests.signed_webhooks import PATH, event_of, headers_of


def _ports_of_clients(server_port: int) -> set[int]:
    """Return the local ports of this machine's connections to the server."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ports = [[int(row[at].rpartition(":")[2], 16) for at in (1, 2)] for row in rows if row[3] == "01"]
    return {local for local, remote in ports if remote == server_port}


@contextmanager
def _dropped(server_port: int) -> Iterator[int]:
    """Drop every packet of the connections that exist now, both ways. Gives their number."""
    ports = _ports_of_clients(server_port)
    rules = [
        ["INPUT", "-i", "lo", "-p", "tcp", f"--{ours}port", str(port), f"--{theirs}port", str(server_port)]
        for port in ports
        for ours, theirs in (("s", "d"), ("d", "s"))
    ]
    made = []
    try:
        for rule in rules:
            command = ["iptables", "-w", "5", "-I", *rule, "-j", "DROP"]
            if subprocess.run(command, check=False, capture_output=True).returncode:
                pytest.skip("iptables may not be changed here")
            made.append(rule)
        yield len(ports)
    finally:
        for rule in made:
            subprocess.run(["iptables", "-w", "5", "-D", *rule, "-j", "DROP"], check=True)


async def _one() -> None:
    async with engine.transaction() as db:
        assert await (await db.connection()).scalar(text("SELECT 1")) == 1


@pytest.mark.full  # for its rules in the firewall, which need root
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("iptables") is None, reason="needs root and iptables")
async def test_requests_and_webhooks_go_on_on_new_connections(database: str) -> None:
    transport = httpx.ASGITransport(app=create_api("Wallet"))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        await get_inbox().open()
        await asyncio.gather(*(_one() for _ in range(engine.pool_size())))
        with _dropped(urlsplit(database).port or 5432) as dropped:
            assert dropped >= engine.pool_size() + 1
            began = time.monotonic()
            event = headers_of(event_of(1))
            answer, *_ = await asyncio.gather(
                client.post(PATH, headers=event, content=b"{}"), *(_one() for _ in range(10))
            )
            assert answer.status_code == 200
            assert time.monotonic() - began < 30
    await inbox.close()
