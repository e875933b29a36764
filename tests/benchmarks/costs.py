"""What one person, top-up, webhook, credit and debit cost: bytes kept, bytes of the log, processor time.

Run: `python -m tests.benchmarks.costs [top-ups] 2>/dev/null`. fsync is on. All of it goes through the
application's own functions; the simulator answers the questions for prices. The first turn only fills the
pages of tables and indexes, the second one is measured. Bytes are those of tables with their indexes, after
a vacuum. Processor times, unlike those of a clock, say little of what else the machine does.
"""

import argparse
import asyncio
import json
import os
import secrets
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import psycopg

from onramp_app.accounts import accounts, sessions
from onramp_app.accounts.sessions import Client
from onramp_app.accounts.views import Viewer
from onramp_app.config import get_settings
from onramp_app.crediting.apply import apply_some
from onramp_app.crediting.delivery import DOCUMENTED
from onramp_app.db.migrate import migrate
from onramp_app.debits import debits
from onramp_app.debits.debits import WantedDebit
from onramp_app.ledger.assets import enable_assets
from onramp_app.local import postgres
from onramp_app.logs import configure_logs
from onramp_app.pricing.quotes import PurchaseRequest
from onramp_app.programs.views import Program
from onramp_app.provider_orders import inbox
from onramp_app.provider_orders.walks import handle_events
from onramp_app.running import lifecycle
from onramp_app.top_ups import top_ups
from tests import rows
from tests.benchmarks.machine import load
from tests.crediting.reads import keep, order_of
from tests.crediting.world import MATIC_ADDRESS, World
from tests.people import PASSWORD
from tests.ports import free_port
from tests.signed_webhooks import event_of, headers_of
from tests.simulator.process import FAST, Process

A_PERSON = 2  # top-ups
AT_ONCE = 200
_SIZES = """
SELECT c.relname, pg_total_relation_size(c.oid) FROM pg_class c
 WHERE c.relkind = 'r' AND c.relnamespace = CAST('public' AS regnamespace)
"""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Meter:
    """Measures what a piece of work costs, per item that it creates."""

    owner: psycopg.Connection
    lines: list[str] = field(default_factory=list)

    @contextmanager
    def of(self, what: str, number: int) -> Iterator[None]:
        """Measure the work in the context, which creates `number` items."""
        kept, log = self._sizes(), self._log()
        own, server = time.process_time(), self._server_seconds()
        yield
        own, server = time.process_time() - own, self._server_seconds() - server
        log = (self._log() - log) / number
        self.owner.execute("VACUUM")
        grown = Counter(self._sizes()) - Counter(kept)
        tables = ", ".join(f"`{name}` {size / number:,.0f}" for name, size in grown.most_common(5))
        self.lines.append(
            f"| {what} | {grown.total() / number:,.0f} | {log:,.0f} | {own * 1000 / number:.2f}"
            f" | {server * 1000 / number:.2f} | {tables} |"
        )

    def _sizes(self) -> dict[str, int]:
        return dict(self.owner.execute(_SIZES).fetchall())

    def _log(self) -> float:
        row = self.owner.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')").fetchone()
        return float(row[0]) if row else 0.0

    def _server_seconds(self) -> float:
        status = Path(f"/proc/{self.owner.info.backend_pid}/status").read_text()
        postmaster = status.partition("PPid:")[2].split()[0]
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        ended = _stat(postmaster)[13:15]
        return (sum(sum(_stat(child)[11:13]) for child in children) + sum(ended)) / _TICKS


def _stat(process: str) -> list[int]:
    """Return the numbers in a process's stat file: its own times at 11 and 12, its children's after them."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended in the meantime
        return [0] * 20
    return [0, *(int(one) for one in fields[1:])]


async def _turn(world: World, meter: Meter, first: int, number: int) -> None:
    people: list[Viewer] = []
    with meter.of("a person who registers", number // A_PERSON):
        for n in range(number // A_PERSON):
            client = Client(f"10.{first % 250}.{n // 250}.{n % 250}", "benchmark")
            email = f"person-{first}-{n}@example.com"
            registration = accounts.Registration(email, PASSWORD, "Asha", "IN")
            opened = await accounts.register(registration, client, sessions.open_browser)
            people.append(opened.viewer)
    request = PurchaseRequest("INR", Decimal(1000), "USDT", "matic20", "UPI")
    with meter.of("a top-up that is begun", number):
        made = [
            await top_ups.create(viewer, request, is_vouched=True)
            for viewer in people
            for _ in range(A_PERSON)
        ]
    order_ids = [first + n for n in range(number)]
    with meter.of("a webhook that is stored", number):
        for start in range(0, number, AT_ONCE):
            arrivals = [_arrival(order_id) for order_id in order_ids[start : start + AT_ONCE]]
            await asyncio.gather(*(inbox.get_inbox().store(arrival) for arrival in arrivals))
    with meter.of("marking the order that it names", number):
        while await handle_events():
            pass
    widgets = {
        row["top_up_id"]: row["recognition_id"]
        for row in world.rows("SELECT top_up_id, recognition_id FROM widget_sessions")
    }
    read = [
        order_of(order_id, 4, merchantRecognitionId=widgets[top_up.id])
        for order_id, top_up in zip(order_ids, made, strict=True)
    ]
    with meter.of("an order that is read", number):
        for start in range(0, number, AT_ONCE):
            await keep(*read[start : start + AT_ONCE])
    with meter.of("a credit: applied, booked, logged, mailed", number):
        while (await apply_some(DOCUMENTED)).orders:
            pass
    world.run("INSERT INTO program_users SELECT 'shop', id, id, now() FROM users ON CONFLICT DO NOTHING")
    program = Program("shop", "shop", "key", frozenset(), "")
    with meter.of("a debit", number):
        for n in range(number):
            wanted = WantedDebit(people[n // A_PERSON].user_id, Decimal(1), f"{first + n}", asset="USDT")
            await debits.create(program, wanted)


def _arrival(order_id: int) -> inbox.Arrival:
    event = event_of(order_id, walletAddress=MATIC_ADDRESS, transactionHash="0x" + secrets.token_hex(32))
    headers = headers_of(event)
    payload, signature = (headers[name].encode() for name in sorted(headers))
    return inbox.verified_arrival(payload, signature, body=json.dumps(event).encode())


async def _measure(world: World, url: str, number: int) -> list[str]:
    await enable_assets()
    rows.keyless_program(world.owner, "shop")
    with psycopg.connect(url, autocommit=True) as owner:
        for first in (200_000_000, 300_000_000):
            meter = Meter(owner)
            await _turn(world, meter, first, number)
    assert not await world.findings()
    await lifecycle.disconnect()
    return meter.lines


def main() -> None:
    """Measure once, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("top_ups", type=int, nargs="?", default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = postgres.start(folder / "data")
        migrate(server.url)
        simulator = Process(folder / "orders.sqlite", free_port(), FAST)
        simulator.start()
        os.environ |= {"APP_ENV": "test", "DATABASE_URL": server.url, "SECRET_KEY": "k" * 48}
        os.environ |= {"ONRAMP_API_URL": simulator.base, "ONRAMP_REQUESTS_PER_MINUTE": "10000"}
        get_settings.cache_clear()
        configure_logs(level="info", style="json")  # as in production
        world = World(server.url, simulator)
        try:
            url = f"{server.superuser_url.rpartition('/')[0]}/{server.url.rpartition('/')[2]}"
            lines = asyncio.run(_measure(world, url, given.top_ups))
        finally:
            world.owner.close()
            simulator.kill()
            server.stop()
    print("| one | bytes | of the log | ms of the process | of PostgreSQL | most of it in |")  # noqa: T201
    print("\n".join(["|---|---|---|---|---|---|", *lines]), load(), sep="\n")  # noqa: T201


if __name__ == "__main__":
    main()
