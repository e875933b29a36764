"""SIGTERM ends a process within ten seconds, whatever connections are open.

`local/test_shipped.py` has more on this, and `crediting/test_inbox_to_ledger.py` covers the worker.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from onramp_app.config import PROJECT_DIR
from tests.ports import free_port
from tests.served import answers
from tests.sockets import TabSocket


@contextmanager
def _running(log: Path, *arguments: str, **values: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "APP_ENV": "test", **values}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments], cwd=PROJECT_DIR, env=environment, stdout=output, stderr=output
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.full
def test_a_worker_that_waits_for_a_migration_ends(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        with _running(tmp_path / "log", "onramp_app", "worker", DATABASE_URL=database) as worker:
            time.sleep(5)
            assert worker.poll() is None, (tmp_path / "log").read_text()
            worker.send_signal(signal.SIGTERM)
            worker.wait(10)


@pytest.mark.full
@pytest.mark.parametrize(
    ("app", "is_drained"),
    [("onramp_app.onramp_app:app", True), ("tests.fleet.undrained_instance:app", False)],
    ids=["drained", "control"],
)
async def test_an_upload_without_an_end_and_a_frozen_page_keep_nobody(
    database: str, tmp_path: Path, app: str, *, is_drained: bool
) -> None:
    port, log = free_port(), tmp_path / "log"
    url = f"http://127.0.0.1:{port}"
    values = {
        "DATABASE_URL": database,
        "PUBLIC_URL": url,
        "REFLEX_ENV_MODE": "prod",
        "__REFLEX_SKIP_COMPILE": "true",
        "ONRAMP_API_URL": "http://localhost:1",
    }
    with _running(log, "tests.limited_server", "127.0.0.1", str(port), app, "10", **values) as server:
        while not await asyncio.to_thread(answers, f"{url}/api/health/ready"):
            assert server.poll() is None, log.read_text()
        tab = await TabSocket.open(url)
        frozen = await asyncio.to_thread(_frozen_page, url)
        _, upload = await asyncio.open_connection("127.0.0.1", port)
        upload.write(
            b"POST /api/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
        )
        await upload.drain()
        await asyncio.sleep(0.5)
        began = time.monotonic()
        server.send_signal(signal.SIGTERM)
        code = await tab.closed_with()
        assert await asyncio.to_thread(server.wait, 12) == 0
        assert time.monotonic() - began < 10
        frozen.kill()
        upload.close()
    was_killed = "Killing worker" in log.read_text()
    assert (code == 1012, was_killed) == (is_drained, not is_drained), log.read_text()


_PAGE = """
import asyncio, sys
from tests.sockets import TabSocket

async def stay():
    await TabSocket.open(sys.argv[1])
    print("open", flush=True)
    await asyncio.sleep(60)

asyncio.run(stay())
"""


def _frozen_page(url: str) -> subprocess.Popen[bytes]:
    page = subprocess.Popen([sys.executable, "-c", _PAGE, url], cwd=PROJECT_DIR, stdout=subprocess.PIPE)
    assert page.stdout is not None
    page.stdout.readline()
    page.send_signal(signal.SIGSTOP)
    return page
