"""Acknowledged webhooks a second against pgbench on the same insert, one commit each, side by side.

Run: `python -m tests.benchmarks.inbox_throughput [rounds]`. Needs `wrk` and `pgbench`. fsync is on.
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
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
from granian.constants import Interfaces
from granian.server.embed import Server

from onramp_app.api.build import create_api
from onramp_app.db.migrate import migrate
from onramp_app.local import postgres
from onramp_app.logs import configure_logs
from onramp_app.provider_orders import inbox
from tests.benchmarks.machine import load
from tests.signed_webhooks import PATH, event_of, headers_of
from tests.simulator.process import free_port

SECONDS = 8
HEADERS = 40_000
_LUA = """
local lines = {}
for line in io.lines("%s") do lines[#lines + 1] = line end
local at, round = 0, 0
request = function()
  at = at + 1
  if at > #lines then at = 1; round = round + 1 end
  local payload, signature = lines[at]:match("(%%S+) (%%S+)")
  return wrk.format("POST", "%s", {["x-onramp-payload"] = payload, ["x-onramp-signature"] = signature,
    ["content-type"] = "application/json"}, '{"orderId": ' .. at .. ', "round": ' .. round .. '}')
end
done = function(summary, latency, requests)
  io.write(string.format("errors %%d\\n", summary.errors.status + summary.errors.connect + summary.errors.read
    + summary.errors.timeout))
end
"""
# A header of the same size that was never seen, and the two indexes and the trigger that the route pays for.
_PGBENCH = """
INSERT INTO webhook_events (environment, header, body, received_at, secret, is_old, differs, kind,
                            status_text, signed_at, is_content_signed, flow, order_id, fiat_type)
VALUES ('simulator', convert_to(repeat(md5(random()::text), 5), 'UTF8'), '{"orderId": 4711, "round": 0}',
        now(), 'current', false, false, 'onramp', '4', now(), true, 'buy', '4711', 1)
    ON CONFLICT (environment, header_hash, body_hash) DO NOTHING;
"""


async def _serve(port: int) -> None:
    configure_logs(level="info", style="json")
    server = Server(
        create_api("Wallet"),
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGI,
        websockets=False,
        log_enabled=False,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    await server.serve()
    await inbox.close()


def _wrk(url: str, script: Path) -> tuple[float, str]:
    command = ["wrk", "-t1", "-c128", f"-d{SECONDS}s", "--latency", "-s", str(script), url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    figures = re.search(r"99%\s+(\S+)", output), re.search(r"errors (\d+)", output)
    p99, errors = (found[1] if found else "?" for found in figures)
    return float(re.findall(r"Requests/sec:\s+([\d.]+)", output)[0]), f"p99 {p99}, errors {errors}"


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
        port = free_port()
        headers = folder / "headers"
        signed = (headers_of(event_of(number, at=time.time_ns())) for number in range(HEADERS))
        headers.write_text("".join(f"{h['x-onramp-payload']} {h['x-onramp-signature']}\n" for h in signed))
        lua, sql = folder / "post.lua", folder / "insert.sql"
        lua.write_text(_LUA % (headers, PATH))
        sql.write_text(_PGBENCH)
        environment = {**os.environ, "DATABASE_URL": server.url, "APP_ENV": "test", "BENCH_PORT": str(port)}
        serving = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.inbox_throughput"],
            env=environment,
            stderr=subprocess.DEVNULL,
        )
        url = f"http://127.0.0.1:{port}"
        for _ in range(100):
            try:
                httpx.get(f"{url}/api/health/live", trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        our_figures, pgbench_figures = [], []
        for number in range(rounds):
            with psycopg.connect(server.url, autocommit=True) as connection:
                connection.execute("TRUNCATE webhook_events")
            with psycopg.connect(server.superuser_url, autocommit=True) as connection:
                connection.execute("CHECKPOINT")
            figure, more = _wrk(url, lua)
            with psycopg.connect(server.url) as connection:
                (stored,) = connection.execute("SELECT count(*) FROM webhook_events").fetchone() or (0,)
            our_figures.append(figure)
            pgbench_figures.append(_pgbench(server.url, sql))
            last = pgbench_figures[-1]
            print(f"{number}: webhooks {figure:.0f}/s ({more}, {stored} rows), pgbench {last:.0f}/s")  # noqa: T201
        serving.terminate()
        serving.wait(10)
        server.stop()
    ratio = statistics.median(a / b for a, b in zip(our_figures, pgbench_figures, strict=True))
    medians = statistics.median(our_figures), statistics.median(pgbench_figures)
    print(f"webhooks {medians[0]:.0f}/s, pgbench {medians[1]:.0f}/s, ratio {ratio:.2f}; {load()}")  # noqa: T201


if __name__ == "__main__":
    if "BENCH_PORT" in os.environ:
        asyncio.run(_serve(int(os.environ["BENCH_PORT"])))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
