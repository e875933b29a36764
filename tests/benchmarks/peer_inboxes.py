"""Our inbox compared with others: dj-stripe's webhook view, and a plain insert with FastAPI and SQLAlchemy.

Run: `python -m tests.benchmarks.peer_inboxes [rounds]`. Needs `wrk`. All verify a signature and commit
a row to the same PostgreSQL before they answer; each is served by Granian with one worker, and gets requests
that were written before the load. dj-stripe is installed into a separate environment. fsync is on.
"""

import hashlib
import hmac
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from onramp_app.api.webhook import PATH
from onramp_app.config import PROJECT_DIR
from onramp_app.db.migrate import migrate
from onramp_app.local import postgres
from tests.benchmarks import wrk
from tests.benchmarks.inbox_throughput import serving, signed_requests
from tests.benchmarks.machine import load
from tests.benchmarks.peers.server import granian

SECONDS = 8
# More than are stored in that time.
OURS, THEIRS = 60_000, 20_000
PEERS = Path(__file__).parent / "peers"
# The same as in `peers/dj_stripe_inbox.py`, which only its own environment can import.
_STRIPE_PATH = "/stripe/webhook/5a0f8b1e-2f0f-4a53-9f6a-3f0d7c4f2a10"
_STRIPE_SECRET = "whsec_of_the_benchmark"


@dataclass(frozen=True)
class Peer:
    """An inbox under load: its name, its URL, the script that posts to it, and the table it stores in."""

    name: str
    url: str
    script: Path
    database: str
    table: str


def _stripes() -> Iterator[tuple[dict[str, str], str]]:
    at = int(time.time())
    for number in range(THEIRS):
        event = {"id": f"evt_{number}", "object": "event", "livemode": False, "type": "charge.succeeded"}
        body = json.dumps(event | {"data": {"object": {"id": f"ch_{number}", "amount": 100_000}}})
        signature = hmac.new(_STRIPE_SECRET.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
        yield {"stripe-signature": f"t={at},v1={signature}"}, body


def _environment_of_peers(folder: Path) -> Path:
    """Install the peers' requirements. Returns the Python of that environment."""
    python = folder / "bin" / "python"
    install: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-cache-dir",
        "-r",
        PEERS / "requirements.txt",
    ]
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run(install, check=True)
    return python


def _database(server: postgres.LocalPostgres, name: str) -> str:
    with psycopg.connect(server.superuser_url, autocommit=True) as connection:
        owner = urlsplit(server.url).username
        connection.execute(f'CREATE DATABASE {name} OWNER "{owner}"'.encode())
    return server.url.rpartition("/")[0] + "/" + name


def _stored(peer: Peer) -> int:
    with psycopg.connect(peer.database) as connection:
        (count,) = connection.execute(f"SELECT count(*) FROM {peer.table}".encode()).fetchone() or (0,)
    return int(count)


def _round(peer: Peer) -> float:
    with psycopg.connect(peer.database, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {peer.table}".encode())
    seen = wrk.post(peer.url, peer.script, seconds=SECONDS)
    stored = _stored(peer)
    # Requests in flight at the end are stored without being counted.
    assert not seen.errors, (peer.name, seen)
    assert abs(stored - seen.a_second * SECONDS) <= 0.05 * stored + 256, (peer.name, stored, seen)
    return seen.a_second


def main(rounds: int) -> None:
    """Measure in alternating rounds, and print the medians."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        folder.chmod(0o755)
        python = _environment_of_peers(folder / "environment")
        server = postgres.start(folder / "data")
        stack.callback(server.stop)
        migrate(server.url)
        plain, stripe = (_database(server, name) for name in ("plain", "stripe"))
        migrate(plain)
        subprocess.run(
            [python, PEERS / "dj_stripe_inbox.py"], check=True, env={**os.environ, "DATABASE_URL": stripe}
        )
        ours = stack.enter_context(serving(server.url, "ours"))
        asgi = ("--interface", "asgi", "--loop", "uvloop")
        wsgi = ("--interface", "wsgi", "--blocking-threads", "8")
        target = "tests.benchmarks.peers.plain_inbox:app"
        plainly = stack.enter_context(granian(Path(sys.executable), plain, target, *asgi, cwd=PROJECT_DIR))
        djangos = stack.enter_context(
            granian(python, stripe, "dj_stripe_inbox:application", *wsgi, cwd=PEERS)
        )
        signed = wrk.write_script(folder, "ours", PATH, signed_requests(OURS))
        theirs = wrk.write_script(folder, "stripe", _STRIPE_PATH, _stripes())
        peers = [
            Peer("ours", ours, signed, server.url, "webhook_events"),
            Peer("FastAPI and SQLAlchemy", plainly, signed, plain, "webhook_events"),
            Peer("dj-stripe", djangos, theirs, stripe, "djstripe_webhookeventtrigger"),
        ]
        figures: dict[str, list[float]] = {peer.name: [] for peer in peers}
        for _ in range(rounds):
            for peer in peers:
                figures[peer.name].append(_round(peer))
            print({name: round(values[-1]) for name, values in figures.items()})  # noqa: T201
    ours_values = figures.pop("ours")
    print(f"ours {statistics.median(ours_values):.0f}/s; {load()}")  # noqa: T201
    for name, values in figures.items():
        ratio = statistics.median(a / b for a, b in zip(ours_values, values, strict=True))
        print(f"{name} {statistics.median(values):.0f}/s: ours {ratio:.1f} times that")  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
