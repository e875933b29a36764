"""Settled webhooks a second compared with pgbench on the same rows, and the latency of credits at scale.

Run: `python -m tests.benchmarks.settling [orders] [seconds]`. Needs `pgbench`. fsync is on. The simulator
delivers `orders` orders, whose webhooks are stored; then a worker reads the orders back, posts them and moves
their top-ups. pgbench writes the same rows, one order per transaction. After that, with all those orders in
the provider's list, five orders a second are delivered for `seconds`, at the default request limit.
"""

import asyncio
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from onramp_app.config import get_settings
from onramp_app.db.migrate import migrate
from onramp_app.local import postgres
from tests.benchmarks.machine import load
from tests.crediting.world import World
from tests.ports import free_port
from tests.simulator.process import PATIENT, Process

A_SECOND = 5
PEOPLE = 200
# What one settled order writes, with its locks, in a transaction of its own; nothing is read back.
_PGBENCH = """
SELECT nextval('bench_turn') AS n \\gset
SELECT order_id, top_up_id, user_id, account, recognition_id FROM bench_targets WHERE n = :n \\gset
BEGIN;
UPDATE webhook_events SET handled_at = now() WHERE id = :n;
INSERT INTO provider_orders (id, environment, provider, flow, order_id, fiat_type, ordered_at, first_seen_at,
    due_at, hinted_top_up_id, hinted_at, version, applied_version)
VALUES (:order_id, 'simulator', 'onramp', 'buy', :order_id, 1, now(), now(), now(), :top_up_id, now(), 0, 0);
UPDATE provider_orders SET raw = repeat('x', 800), status_number = 4, status_class = 'delivered',
    class_since = now(), recognition_id = :recognition_id, wallet_address = 'a', coin_id = 54, chain_id = 3,
    fiat_currency = 'INR', fiat_amount = 1000, bought_amount = 10.5, gas_fee = 0.5, expected_amount = 10,
    read_at = now(), version = 1
 WHERE environment = 'simulator' AND provider = 'onramp' AND flow = 'buy' AND order_id = :order_id;
UPDATE provider_orders SET due_at = NULL, read_failures = 0
 WHERE environment = 'simulator' AND flow = 'buy' AND order_id = :order_id;
SELECT id FROM users WHERE id = :user_id FOR SHARE;
SELECT id FROM top_ups WHERE id = :top_up_id FOR UPDATE;
UPDATE provider_orders SET top_up_id = :top_up_id, asset = 'USDT', network = 'matic20', is_ours = true,
    delivered_minor = 10000000000000000000, delivered_rule = 'actual_minus_gas', applied_version = 1
 WHERE id = :order_id;
UPDATE top_ups SET status = 'settled', charged = 'yes', rank = 70, has_entry = true,
    received_minor = 10000000000000000000, received_asset = 'USDT', updated_at = now(), settled_at = now()
 WHERE id = :top_up_id;
INSERT INTO top_up_steps (top_up_id, at, status, charged, source, detail, provider_order_id, order_version,
    act, status_class)
VALUES (:top_up_id, now(), 'settled', 'yes', 'poll', '', :order_id, 1, 'read', 'delivered');
UPDATE exceptions SET closed_at = now() WHERE closed_at IS NULL AND top_up_id = :top_up_id;
SELECT * FROM lock_user_balances(ARRAY[CAST(:user_id AS text)], ARRAY['USDT']);
INSERT INTO ledger_transfers (id, environment, reference, input_hash, kind, user_id, top_up_id,
    provider_order_id, source, reason, created_at)
VALUES (:order_id, 'simulator', :order_id, decode(repeat('00', 32), 'hex'), 'receive', :user_id, :top_up_id,
    :order_id, 'poll', NULL, now());
INSERT INTO ledger_accounts (kind, asset, user_id)
SELECT 'available', 'USDT', :user_id
 WHERE NOT EXISTS (SELECT FROM ledger_accounts WHERE name = :account) ON CONFLICT (name) DO NOTHING;
INSERT INTO ledger_entries (transfer_id, account_id, amount_minor)
SELECT :order_id, id, CASE WHEN kind = 'treasury' THEN 1 ELSE -1 END * 10000000000000000000
  FROM ledger_accounts WHERE name IN (:account, (SELECT name FROM bench_treasury));
INSERT INTO outbox_mails (id, event_key, kind, user_id, recipient, language, details, created_at,
    useless_after, due_at, attempts)
VALUES (:order_id, :order_id, 'top_up_settled', :user_id, 'x@example.org', 'en', '{}', now(),
    now() + interval '1 day', now() + interval '1 hour', 0) ON CONFLICT (event_key) DO NOTHING;
SELECT pg_notify('user_changed', :user_id);
COMMIT;
"""


@contextmanager
def _worker(world: World, log: Path, **more: str) -> Iterator[int]:
    """Run a separate worker, as a deployment does; yield its process id once it holds the reader's lease."""
    environment = {**os.environ, "WORKER_PORT": str(free_port()), **more}
    with log.open("a") as output:
        running = subprocess.Popen(
            [sys.executable, "-m", "onramp_app", "worker"], env=environment, stdout=output, stderr=output
        )
    try:
        while not world.rows("SELECT FROM leases WHERE name = 'reader' AND until > clock_timestamp()"):
            time.sleep(0.05)
            assert running.poll() is None, log.read_text()[-2000:]
        yield running.pid
    finally:
        running.terminate()
        running.wait(20)


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _in_turn(work: Any, items: list[Any]) -> list[Any]:
    with ThreadPoolExecutor(8) as threads:
        return list(threads.map(work, items))


def _until(world: World, statement: str, number: int) -> None:
    while int(world.one(statement)) < number:
        time.sleep(0.2)


_SETTLED = "SELECT count(*) FROM top_ups WHERE status = 'settled'"


def _ours(world: World, folder: Path, number: int) -> float:
    """Settle `number` stored webhooks. Returns the rate per second, from the first one handled."""
    before = int(world.one(_SETTLED))
    users = [world.user() for _ in range(PEOPLE)]
    orders = [world.open_order(world.top_up(users[n % PEOPLE])) for n in range(number)]
    events = int(world.one("SELECT count(*) FROM webhook_events"))
    _in_turn(lambda order: world.simulator.move(order, 4), orders)
    _until(world, "SELECT count(*) FROM webhook_events", events + number)
    assert world.simulator.running is not None
    simulator = world.simulator.running.pid
    busy = _cpu_seconds(simulator)
    began = world.one("SELECT clock_timestamp()")
    with _worker(world, folder / "worker.log", ONRAMP_REQUESTS_PER_MINUTE="10000") as worker:
        _until(world, _SETTLED, before + number)
        took = world.one(
            "SELECT extract(epoch FROM max(t.settled_at) - min(w.handled_at))::float8"
            " FROM top_ups t, webhook_events w WHERE w.handled_at > %s AND t.settled_at > %s",
            began,
            began,
        )
        used = _cpu_seconds(worker)
    print(  # noqa: T201
        f"{number} settled in {took:.1f} s; processor time: worker {used:.1f} s with its start,"
        f" simulator {_cpu_seconds(simulator) - busy:.1f} s"
    )
    return number / float(took)


def _pgbench(world: World, script: Path, url: str, number: int) -> float:
    """Write the same rows for `number` orders with 8 pgbench clients. Returns the rate per second."""
    world.run("DROP SEQUENCE IF EXISTS bench_turn")
    world.run("DROP TABLE IF EXISTS bench_targets, bench_treasury")
    world.run(
        "CREATE TABLE bench_treasury AS SELECT name FROM ledger_accounts WHERE kind = 'treasury' LIMIT 1"
    )
    users = [world.user() for _ in range(PEOPLE)]
    top_ups = [world.top_up(users[n % PEOPLE]) for n in range(number)]
    events = "SELECT id FROM webhook_events WHERE handled_at IS NOT NULL ORDER BY id DESC LIMIT %s"
    ids = sorted(row["id"] for row in world.rows(events, number))
    world.run(
        "CREATE TABLE bench_targets (n bigint PRIMARY KEY, order_id text, top_up_id text, user_id text,"
        " account text, recognition_id text)"
    )
    world.run(
        "INSERT INTO bench_targets SELECT g.n, 'bench-' || g.n, t.id, t.user_id,"
        " 'user:' || t.user_id || ':USDT:available', w.recognition_id"
        " FROM unnest(%s::bigint[], %s::text[]) AS g (n, id) JOIN top_ups t ON t.id = g.id"
        " JOIN widget_sessions w ON w.top_up_id = t.id",
        ids,
        top_ups,
    )
    world.run(f"CREATE SEQUENCE bench_turn START {ids[0]}")
    world.run("ANALYZE")
    parts = urlsplit(url)
    command = ["pgbench", "-n", "-c8", "-j2", "-t", str(number // 8), "-Mprepared", "-f", str(script)]
    command += ["-h", str(parts.hostname), "-p", str(parts.port), "-U", str(parts.username), parts.path[1:]]
    env = {**os.environ, "PGPASSWORD": parts.password or ""}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr[-1000:]
    output = done.stdout
    return float(re.findall(r"tps = ([\d.]+)", output)[0])


def _latencies(world: World, folder: Path, seconds: int) -> list[float]:
    """Deliver orders at a steady rate. Returns the seconds each took to settle, sorted."""
    users = [world.user() for _ in range(PEOPLE)]
    top_ups = [world.top_up(users[n % PEOPLE]) for n in range(A_SECOND * seconds)]
    orders = [world.open_order(top_up) for top_up in top_ups]
    moved: dict[str, datetime] = {}
    with _worker(world, folder / "worker.log"):
        time.sleep(15)  # By now the first reads, of changes in the last hour, are in progress.
        began = time.monotonic()
        for n, (top_up, order) in enumerate(zip(top_ups, orders, strict=True)):
            time.sleep(max(0.0, began + n / A_SECOND - time.monotonic()))
            moved[top_up] = datetime.now(UTC)
            world.simulator.move(order, 4)
        left = time.monotonic() + 60
        found: dict[str, datetime] = {}
        while len(found) < len(orders) and time.monotonic() < left:
            time.sleep(0.5)
            rows = world.rows("SELECT id, settled_at FROM top_ups WHERE id = ANY(%s)", top_ups)
            found = {row["id"]: row["settled_at"] for row in rows if row["settled_at"] is not None}
    print(f"{len(found)} of {len(orders)} settled within a minute of the last")  # noqa: T201
    return sorted((found[top_up] - moved[top_up]).total_seconds() for top_up in found)


async def _measure(world: World, folder: Path, url: str, number: int, seconds: int) -> None:
    script = folder / "settle.sql"
    script.write_text(_PGBENCH)
    ratios = []
    async with world.running(in_background=False):
        with _worker(world, folder / "worker.log", ONRAMP_REQUESTS_PER_MINUTE="10000"):
            lists = "SELECT count(*) FROM history_walks"
            await asyncio.to_thread(_until, world, lists, 20)  # The last weeks are read before the load.
        for _ in range(3):
            ours = await asyncio.to_thread(_ours, world, folder, number)
            beside = await asyncio.to_thread(_pgbench, world, script, url, number)
            ratios.append(ours / beside)
            print(f"settled {ours:.0f}/s, pgbench {beside:.0f}/s")  # noqa: T201
        print(f"settled beside pgbench {statistics.median(ratios):.2f}; {load()}")  # noqa: T201
        took = await asyncio.to_thread(_latencies, world, folder, seconds)
    listed = world.one("SELECT count(*) FROM provider_orders WHERE order_id !~ 'bench'")
    assert world.one("SELECT count(*) FROM ledger_transfers WHERE id !~ 'bench'") == listed
    print(  # noqa: T201
        f"{A_SECOND} a second in a list of {listed} orders, {get_settings().onramp_requests_per_minute}"
        f" requests a minute: half settled within {statistics.median(took):.1f} s,"
        f" 95 % within {took[int(len(took) * 0.95)]:.1f} s, the last within {took[-1]:.1f} s; {load()}"
    )


def main(number: int, seconds: int) -> None:
    """Measure both rates three times in turn, then the latencies."""
    if shutil.which("pgbench") is None:
        sys.exit("pgbench is not installed.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = postgres.start(folder / "data")
        migrate(server.url)
        simulator = Process(folder / "orders.sqlite", free_port(), PATIENT)
        simulator.start()
        os.environ |= {"APP_ENV": "test", "DATABASE_URL": server.url, "SECRET_KEY": "k" * 48}
        os.environ["ONRAMP_API_URL"] = simulator.base
        get_settings.cache_clear()
        world = World(server.url, simulator)
        try:
            asyncio.run(_measure(world, folder, server.url, number, seconds))
        finally:
            world.owner.close()
            simulator.kill()
            server.stop()


if __name__ == "__main__":
    arguments = [int(one) for one in sys.argv[1:]]
    main(*(arguments + [1_700, 60][len(arguments) :]))
