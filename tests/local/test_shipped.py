"""An instance as it is shipped: `reflex run --env prod` with built pages, no Node, and a read-only folder.

It listens on the configured address, and shuts down in time whatever connections are open.
"""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest

from onramp_app.config import PROJECT_DIR
from tests.built_pages import PAGE, shipped
from tests.databases import Databases
from tests.listening import listening_at
from tests.local.test_start import PRODUCTION
from tests.ports import free_port
from tests.served import answers
from tests.sockets import TabSocket

SETTINGS = PRODUCTION | {
    "BACKGROUND_WORK": "off",  # It would query the real provider.
    "HOST": "127.0.0.1",
}
# Root may write everywhere, unless it drops that capability.
_AS_ANYBODY = ["setpriv", "--inh-caps=-all", "--bounding-set=-dac_override,-dac_read_search"]


@dataclass(frozen=True)
class Shipped:
    """A running instance, and the folder that it may not write to."""

    url: str
    project: Path
    database: str
    process: subprocess.Popen[bytes]
    log: Path
    started_at: float


@pytest.fixture(scope="module")
def instance(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: str, databases: Databases
) -> Iterator[Shipped]:
    folder = tmp_path_factory.mktemp("shipped")
    project, log, port = folder / "wallet", folder / "log", free_port()
    for name in ("onramp_app", "alembic", "assets"):
        shutil.copytree(PROJECT_DIR / name, project / name)
    for name in ("rxconfig.py", "alembic.ini"):
        shutil.copy(PROJECT_DIR / name, project)
    shipped(project, **SETTINGS, DATABASE_URL="postgresql://wallet@db/wallet")
    for path in (project, *project.rglob("*")):
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    # A Python without Node next to it or on its PATH.
    python = folder / "bin" / "python3"
    python.parent.mkdir()
    python.symlink_to(Path(sys.executable).resolve())
    database = f"{postgres_server}/{databases.take()}"
    environment = {
        **SETTINGS,
        "DATABASE_URL": database,
        "PORT": str(port),
        "PATH": str(python.parent),
        "HOME": str(folder / "no-home"),
        "PYTHONPATH": sysconfig.get_paths()["purelib"],
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    start = [python, "-m", "reflex", "run", "--env", "prod"]
    if os.getuid() == 0:
        start = [shutil.which(_AS_ANYBODY[0]) or "", *_AS_ANYBODY[1:], *start]
    started_at = time.time()
    with log.open("wb") as output:
        process = subprocess.Popen(start, cwd=project, env=environment, stdout=output, stderr=output)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while not answers(f"{url}/api/health/ready"):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield Shipped(url, project, database, process, log, started_at)
    finally:
        process.kill()
        process.wait()


def test_it_serves_pages_without_node_and_writes_nothing(instance: Shipped) -> None:
    assert httpx.get(f"{instance.url}/no-such-page").text == PAGE
    files = instance.project.rglob("*")
    assert [str(path) for path in files if path.stat().st_mtime > instance.started_at] == []
    assert "Wallet: https://wallet.mycompany.io\n" in instance.log.read_text()


def test_it_listens_at_the_named_address_alone(instance: Shipped) -> None:
    port = int(instance.url.rpartition(":")[2])
    assert listening_at(port) == {"127.0.0.1"}


async def test_it_ends_in_time_with_everything_that_is_open(instance: Shipped) -> None:
    """This test comes last, as it ends the instance."""
    account = {"email": "asha@example.org", "password": "correct horse battery staple"}
    async with httpx.AsyncClient(base_url=instance.url, timeout=20) as client:
        token = (await client.post("/api/auth/register", json=account)).json()["access_token"]
        tabs = [await TabSocket.open(instance.url, origin=SETTINGS["PUBLIC_URL"]) for _ in range(3)]
        with psycopg.connect(instance.database) as other:
            other.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
            asked = asyncio.create_task(
                client.get("/api/auth/me", headers={"Authorization": f"Bearer {token}"})
            )
            await asyncio.sleep(0.5)
            began = time.monotonic()
            instance.process.send_signal(signal.SIGTERM)
            assert [await tab.closed_with() for tab in tabs] == [1012] * 3
            assert not asked.done()
            await asyncio.sleep(1)
            other.rollback()
        assert (await asked).status_code == 200
    assert await asyncio.to_thread(instance.process.wait, 10) == 0, instance.log.read_text()
    assert time.monotonic() - began < 10
