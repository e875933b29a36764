"""Acknowledged webhooks a second compared with pgbench on the same insert, one commit each, side by side.

Run: `python -m tests.benchmarks.inbox_throughput [rounds]`. Needs `wrk` and `pgbench`. fsync is on. The
requests are written before the load starts. A route that only reads the body and gives the same answer is
measured in the same run: it shows the most that the server underneath can do.
"""

import asyncio
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
from granian.constants import Interfaces
from granian.server.embed import Server
from starlette.types import ASGIApp, Receive, Scope, Send

from onramp_app.api.build import create_api
from onramp_app.api.webhook import PATH, STORED_BODY, STORED_HEADERS
from onramp_app.db.migrate import migrate
from onramp_app.local import postgres
from onramp_app.logs import configure_logs
from onramp_app.provider_orders import inbox
from onramp_app.running.loops import run
from tests.benchmarks import wrk
from tests.benchmarks.machine import load
from tests.ports import free_port
from tests.signed_webhooks import event_of, headers_of

SECONDS = 8
# More than are stored in that time; the bare route gets them repeatedly.
HEADERS = 60_000
# A new header of the same size each time, with the two indexes and the trigger that the route's insert has.
_PGBENCH = """
INSERT INTO webhook_events (environment, header, body, received_at, secret, is_old, differs, kind,
                            status_text, signed_at, is_content_signed, flow, order_id, fiat_type)
VALUES ('simulator', convert_to(repeat(md5(random()::text), 5), 'UTF8'), '{"orderId": 4711, "round": 0}',
        now(), 'current', false, false, 'onramp', '4', now(), true, 'buy', '4711', 1)
    ON CONFLICT (environment, header_hash, body_hash) DO NOTHING;
"""


async def _bare(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": STORED_HEADERS})
        await send(STORED_BODY)


async def _serve(port: int, app: ASGIApp) -> None:
    configure_logs(level="info", style="json")
    server = Server(
        app, address="127.0.0.1", port=port, interface=Interfaces.ASGI, websockets=False, log_enabled=False
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    await server.serve()
    await inbox.close()


@contextmanager
def serving(database: str, kind: str) -> Iterator[str]:
    """Serve `ours` or the `bare` route in a separate process; yield its URL."""
    port = free_port()
    serving = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.inbox_throughput", kind, str(port)],
        env={**os.environ, "DATABASE_URL": database, "APP_ENV": "test"},
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    for _ in range(200):
        with suppress(httpx.TransportError):
            httpx.get(f"{url}/api/health/live", trust_env=False)
            break
        time.sleep(0.1)
    try:
        yield url
    finally:
        serving.terminate()
        serving.wait(10)


def signed_requests(number: int) -> Iterator[tuple[dict[str, str], str]]:
    """Yield the headers and body of `number` webhooks, each for a different order."""
    for order in range(number):
        yield headers_of(event_of(order, at=time.time_ns())), f'{{"orderId": {order}, "round": 0}}'


def _pgbench(url: str, script: Path) -> float:
    parts = urlsplit(url)
    command = ["pgbench", "-n", "-c8", "-j2", f"-T{SECONDS}", "-Mprepared", "-f", str(script)]
    command += ["-h", str(parts.hostname), "-p", str(parts.port), "-U", str(parts.username), parts.path[1:]]
    env = {**os.environ, "PGPASSWORD": parts.password or ""}
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout
    return float(re.findall(r"tps = ([\d.]+)", output)[0])


def main(rounds: int) -> None:
    """Measure in alternating runs and print the medians."""
    for tool in ("wrk", "pgbench"):
        if shutil.which(tool) is None:
            sys.exit(f"{tool} is not installed.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = postgres.start(folder / "data")
        migrate(server.url)
        lua = wrk.write_script(folder, "post", PATH, signed_requests(HEADERS))
        sql = folder / "insert.sql"
        sql.write_text(_PGBENCH)
        figures: dict[str, list[float]] = {"webhooks": [], "pgbench": [], "bare route": []}
        with serving(server.url, "ours") as ours, serving(server.url, "bare") as bare:
            for number in range(rounds):
                with psycopg.connect(server.url, autocommit=True) as connection:
                    connection.execute("TRUNCATE webhook_events")
                with psycopg.connect(server.superuser_url, autocommit=True) as connection:
                    connection.execute("CHECKPOINT")
                seen = wrk.post(ours, lua, seconds=SECONDS)
                with psycopg.connect(server.url) as connection:
                    (stored,) = connection.execute("SELECT count(*) FROM webhook_events").fetchone() or (0,)
                figures["webhooks"].append(seen.a_second)
                figures["pgbench"].append(_pgbench(server.url, sql))
                figures["bare route"].append(wrk.post(bare, lua, seconds=SECONDS).a_second)
                last = ", ".join(f"{name} {values[-1]:.0f}/s" for name, values in figures.items())
                print(f"{number}: {last} (p99 {seen.p99}, errors {seen.errors}, {stored} rows)")  # noqa: T201
        server.stop()
    ratio = statistics.median(a / b for a, b in zip(figures["webhooks"], figures["pgbench"], strict=True))
    medians = ", ".join(f"{name} {statistics.median(values):.0f}/s" for name, values in figures.items())
    print(f"{medians}; webhooks beside pgbench {ratio:.2f}; {load()}")  # noqa: T201


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["ours" | "bare" as kind, port]:
            run(_serve(int(port), create_api("Wallet") if kind == "ours" else _bare))
        case [rounds]:
            main(int(rounds))
        case _:
            main(3)
