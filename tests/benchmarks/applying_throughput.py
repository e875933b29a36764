"""Delivered orders applied a second: judged, their top-ups settled, posted, on one connection. fsync is on.

Beside it, how much each writes into the database's log, which is the same on a busy machine.

Run: `python -m tests.benchmarks.applying_throughput [orders] [--without INDEX ...] [--told] 2>/dev/null`, as
each credit is a line in the log. Without some indexes it shows what they cost; with `--told` a program knows
all of the people and has an endpoint, so each credit is written as a webhook too.
"""

import argparse
import asyncio
import os
import tempfile
import time
from pathlib import Path

from psycopg import sql

from onramp_app.crediting.apply import apply_some
from onramp_app.crediting.delivery import DOCUMENTED
from onramp_app.db import engine
from onramp_app.db.migrate import migrate
from onramp_app.local import postgres
from onramp_app.logs import configure_logs
from tests import rows
from tests.crediting.reads import keep, order_of, recognition_id
from tests.crediting.world import World
from tests.ports import free_port
from tests.simulator.process import Process


def _written(world: World) -> int:
    return int(world.one("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"))


async def _measure(world: World, orders: int, *, is_told: bool) -> None:
    users = [world.user() for _ in range(200)]
    if is_told:
        for user in users:
            rows.keyless_program(world.owner, "shop", knows=user)
        rows.webhook_endpoint(world.owner, "shop")
    recognitions = [recognition_id(world, world.top_up(users[n % 200])) for n in range(orders)]
    delivered = [order_of(n, 4, merchantRecognitionId=r) for n, r in enumerate(recognitions)]
    began = time.perf_counter()
    for start in range(0, orders, 500):
        await keep(*delivered[start : start + 500])
    kept, written = time.perf_counter(), _written(world)
    while (await apply_some(DOCUMENTED)).orders:
        pass
    ended = time.perf_counter()
    assert world.one("SELECT count(*) FROM top_ups WHERE status = 'settled'") == orders
    assert world.one("SELECT count(*) FROM outgoing_events") == (orders if is_told else 0)
    assert not await world.findings()
    figures = f"recorded {orders / (kept - began):.0f}/s, applied {orders / (ended - kept):.0f}/s"
    print(f"{figures}, {(_written(world) - written) / orders:.0f} bytes each")  # noqa: T201
    await engine.dispose()


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("orders", type=int, nargs="?", default=2000)
    parser.add_argument("--without", nargs="*", default=[], metavar="INDEX")
    parser.add_argument("--told", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = postgres.start(folder / "data")
        migrate(server.url)
        os.environ |= {"APP_ENV": "test", "DATABASE_URL": server.url}
        configure_logs(level="info", style="json")  # as in production
        world = World(server.url, Process(folder / "unused.sqlite", free_port(), ()))
        for index in arguments.without:
            world.owner.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(index)))
        asyncio.run(_measure(world, arguments.orders, is_told=arguments.told))
        world.owner.close()
        server.stop()


if __name__ == "__main__":
    main()
