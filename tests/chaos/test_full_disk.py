"""The database's disk is full: webhooks that cannot be stored are refused, and all settle afterwards."""

import asyncio
import contextlib
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.chaos.fleet import Fleet, running_fleet
from tests.chaos.sender import Sender
from tests.crediting.world import World
from tests.databases import in_settings

# The folders of a cluster that hold the tables and the write-ahead log, with a size for each.
FOLDERS = {"base": "160m", "pg_wal": "96m"}
ORDERS = 20

can_mount = sys.platform == "linux" and os.geteuid() == 0


@contextmanager
def _small_disk(fleet: Fleet, folder: Path, size: str) -> Iterator[None]:
    """Move a folder of the stopped database to a small file system, and start the database on it."""
    fleet.database.stop()
    owner, kept = folder.stat(), folder.with_name(f"{folder.name}_before")
    shutil.copytree(folder, kept, symlinks=True)
    rights = f"size={size},mode=0700,uid={owner.st_uid},gid={owner.st_gid}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", rights, "tmpfs", folder], check=True)
    try:
        subprocess.run(["cp", "-a", f"{kept}/.", folder], check=True)
        subprocess.run(["chown", "-R", f"{owner.st_uid}:{owner.st_gid}", folder], check=True)
        fleet.database.start()
        fleet.heal()
        yield
    finally:
        fleet.database.stop()
        subprocess.run(["umount", folder], check=True)


def _fill(folder: Path) -> Path:
    """Fill the file system. Returns the file that takes up the space."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(65536))
    return filler


@pytest.mark.full
@pytest.mark.skipif(not can_mount, reason="needs root, to mount a small file system")
@pytest.mark.parametrize("name", FOLDERS)
async def test_nothing_is_lost_where_the_disk_is_full_and_all_settles_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / "postgres" / "postgres" / "cluster" / name
    with running_fleet(tmp_path, monkeypatch) as fleet, _small_disk(fleet, folder, FOLDERS[name]):
        world, numbers = World(fleet.database.url, fleet.provider), itertools.count()
        top_ups = [world.top_up(world.user()) for _ in range(ORDERS)]
        orders = [world.open_order(top_up) for top_up in top_ups]
        sender = Sender([one.url for one in fleet.instances], lambda: next(numbers) % 5)
        sending = asyncio.create_task(sender.send(range(3_000), a_second=100))
        await asyncio.sleep(3)
        filler = await asyncio.to_thread(_fill, folder)
        for order in orders:
            await asyncio.to_thread(world.simulator.move, order, 4)
        async with asyncio.timeout(120):
            while sender.answers[503] < 50:
                if name == "pg_wal":
                    await asyncio.to_thread(_write, fleet)
                await asyncio.sleep(0.2)
        filler.unlink()
        # Without space for its write-ahead log PostgreSQL stops, and a supervisor restarts it.
        await asyncio.to_thread(fleet.database.stop)
        await asyncio.to_thread(fleet.database.start)
        await sending
        await asyncio.to_thread(fleet.heal)
        world = World(fleet.database.url, fleet.provider)
        settled = "SELECT count(*) FROM top_ups WHERE status = 'settled'"
        await world.until(lambda: world.one(settled) == ORDERS, seconds=30)
        assert sender.lost(fleet.database.url) == set()
        assert set(sender.answers) == {200, 503}
        assert sender.without_retry_after == 0
        async with in_settings(fleet.database.url, monkeypatch):
            assert await world.findings() == set()
        world.owner.close()
    print(f"{name}: answers {dict(sender.answers)}, {ORDERS} orders settled")  # noqa: T201 - the figures


def _write(fleet: Fleet) -> None:
    """Write to the write-ahead log until its disk is full."""
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(fleet.database.superuser_url) as one:
        one.execute(
            "SELECT pg_logical_emit_message(false, 'room', repeat('x', 1000000)) FROM generate_series(1, 30)"
        )
