"""The measurements at each size: lists, balances, the reader's queries, applying, storing, verification."""

import asyncio
import json
import os
import random
import re
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg

from onramp_app.accounts.views import Viewer
from onramp_app.config import get_settings
from onramp_app.crediting.apply import ORDERS_AT_ONCE, apply_some, judge_again
from onramp_app.crediting.delivery import DOCUMENTED
from onramp_app.db.engine import transaction
from onramp_app.domain.paging import Position, write_cursor
from onramp_app.provider_orders import inbox
from onramp_app.provider_orders.inbox import MAX_GROUP
from onramp_app.provider_orders.reader import HISTORY_EVERY_SECONDS
from onramp_app.provider_orders.walked_lists import due_history
from onramp_app.provider_orders.walks import due_walks, handle_events, open_walks
from onramp_app.running import health, lifecycle, metrics
from onramp_app.top_ups.moves import run_clock
from onramp_app.wallet import balances, transactions
from onramp_app.wallet.home import Wallets
from onramp_app.wallet.transaction_queries import Filters
from tests import rows
from tests.benchmarks.growth.filling import ADDRESS, LINES_A_PERSON, PACE, Store
from tests.crediting.reads import keep, order_of
from tests.signed_webhooks import event_of, headers_of

ROUNDS = 6
REPEATED = 8  # in each round, after warm-ups that connect, plan and read into memory
FIRST = 3
PEOPLE = 8
PAGE = 20
# Orders that the benchmark delivers are numbered from here, above the numbers in the store.
_FIRST_NUMBER = 500_000_000

Look = Callable[[], Awaitable[float]]


@dataclass
class Looks:
    """The measurements in one store. `heavy` has a tenth of all rows; other people have few, at any size.

    `low` and `high` bound the lines added last; `delivered` counts the orders that were applied here.
    """

    store: Store
    heavy: Viewer
    address: str
    low: int = 1
    high: int = 0
    delivered: int = 0

    async def grow(self, high: int) -> None:
        """Grow the store up to line `high`."""
        self.low, self.high = self.high + 1, high
        await asyncio.to_thread(self.store.grow, self.low, high)

    async def use(self) -> None:
        """Make the application use this store from here on."""
        await lifecycle.disconnect()
        await inbox.close()
        settings_for(self.address)
        self.store.owner.execute("UPDATE exchange_rates SET as_of = now()")

    def all(self) -> dict[str, Look]:
        """Return the timed looks, by name. Each look returns its milliseconds."""
        others = self._others()
        middle = Position(self.store.start - PACE * (self.high // 2), "f" * 32)
        turn = iter(range(10**9))

        def other() -> Viewer:
            return others[next(turn) % len(others)]

        def page(viewer: Viewer | None = None, cursor: str | None = None, **filters: object) -> Look:
            wanted = Filters(**filters)  # type: ignore[arg-type]
            return _timed(lambda: transactions.page(viewer or other(), wanted, limit=PAGE, cursor=cursor))

        return {
            "list": page(),
            "list, heavy": page(self.heavy),
            "list, heavy, middle": page(self.heavy, write_cursor(middle)),
            "list, heavy, search for an amount": page(self.heavy, search="1,000"),
            "list, heavy, search for a reference": page(self.heavy, search="0000-000A"),
            "balances": _timed(lambda: balances.get(other())),
            "home": _timed(lambda: _home(other())),
            "home, heavy": _timed(lambda: _home(self.heavy)),
            "reader: what is due": _timed(lambda: due_walks(newest_first=True)),
            "reader: what is open": _timed(open_walks),
            "reader: which lists": _timed(lambda: due_history(HISTORY_EVERY_SECONDS)),
            "reader: new webhooks": _timed(handle_events),
            "clock": _timed(run_clock),
            "deliveries to judge again": _timed(judge_again),
            "health and metrics": _timed(_watched),
            "apply 50 deliveries": self._apply,
            "store 200 webhooks": self._store_webhooks,
            "mark what 200 webhooks name": self._mark,
        }

    def _others(self) -> list[Viewer]:
        """Return people from the last lines, who have about the same number of rows at every size."""
        query = "SELECT id FROM growth.person WHERE k BETWEEN %s AND %s ORDER BY md5(id) LIMIT %s"
        between = [(self.low - 1) // LINES_A_PERSON + 1, self.high // LINES_A_PERSON, PEOPLE]
        found = self.store.owner.execute(query, between).fetchall()
        return [replace(self.heavy, user_id=user_id) for (user_id,) in found]

    async def _apply(self) -> float:
        """Apply fifty deliveries, each for a new top-up of a random person. Returns the milliseconds."""
        owner, orders = self.store.owner, []
        for _ in range(ORDERS_AT_ONCE):
            row = owner.execute(
                "SELECT id FROM growth.person WHERE k = %s",
                [random.randint(1, self.high // LINES_A_PERSON)],
            ).fetchone()
            assert row is not None
            widget = secrets.token_hex(16)
            rows.widget_session(owner, rows.top_up(owner, row[0]), recognition_id=widget, address=ADDRESS)
            self.delivered += 1
            orders.append(order_of(_FIRST_NUMBER + self.delivered, 4, merchantRecognitionId=widget))
        await keep(*orders)
        began = time.perf_counter()
        applied = await apply_some(DOCUMENTED)
        took = (time.perf_counter() - began) * 1000
        assert (applied.orders, applied.failed) == (ORDERS_AT_ONCE, 0)
        return took

    async def _store_webhooks(self) -> float:
        """Store a group of webhooks. Returns the milliseconds.

        They name settled orders, as repeated webhooks do, so that nothing becomes due.
        """
        arrivals = []
        for _ in range(MAX_GROUP):
            event = event_of(_FIRST_NUMBER + random.randint(1, self.delivered), walletAddress=ADDRESS)
            headers = headers_of(event | {"turn": secrets.token_hex(8)})
            payload, signature = (headers[name].encode() for name in sorted(headers))
            arrivals.append(inbox.verified_arrival(payload, signature, body=json.dumps(event).encode()))
        await inbox.get_inbox().open()
        began = time.perf_counter()
        await asyncio.gather(*(inbox.get_inbox().store(arrival) for arrival in arrivals))
        return (time.perf_counter() - began) * 1000

    async def log(self) -> dict[str, float]:
        """Return the bytes of write-ahead log for one top-up with its credit, and for one webhook.

        Both are measured right after a checkpoint, when each page is logged in full at its first change.
        """
        await self.use()
        found = {}
        for name, look, number in (
            ("a top-up with its credit", self._apply, ORDERS_AT_ONCE),
            ("a webhook", self._store_webhooks, MAX_GROUP),
        ):
            self.store.owner.execute("CHECKPOINT")
            before = self._written()
            await look()
            found[name] = (self._written() - before) / number
        return found

    def _written(self) -> float:
        query = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"
        row = self.store.owner.execute(query).fetchone()
        return float(row[0]) if row else 0.0

    async def _mark(self) -> float:
        await self._store_webhooks()
        while True:
            began = time.perf_counter()
            marked = await handle_events()
            if marked <= MAX_GROUP:
                return (time.perf_counter() - began) * 1000


def _timed(look: Callable[[], Awaitable[object]]) -> Look:
    async def timed() -> float:
        began = time.perf_counter()
        await look()
        return (time.perf_counter() - began) * 1000

    return timed


async def side_by_side(one: Looks, other: Looks) -> dict[str, tuple[float, float]]:
    """Return, by look, the median milliseconds in both stores, which are measured in turn."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    # Looks that write are repeated less often, so that the small store stays small.
    for _ in range(ROUNDS):
        for place, looks in enumerate((one, other)):
            await looks.use()
            for name, look in looks.all().items():
                writes = name.startswith(("apply", "store", "mark"))
                took = [await look() for _ in range(3 if writes else FIRST + REPEATED)]
                found.setdefault(name, ([], []))[place].extend(took[1 if writes else FIRST :])
    return {name: (statistics.median(a), statistics.median(b)) for name, (a, b) in found.items()}


async def _home(viewer: Viewer) -> object:
    return await Wallets([viewer]).of(viewer)


async def _watched() -> None:
    """Read what `/api/health/status` and `/metrics` query about the whole system."""
    async with transaction() as db:
        await health._system(db)
    await metrics._read_system()


@dataclass(frozen=True)
class Proof:
    """A run of `verify-ledger`: its seconds, its head, and its peak memory in MB.

    PostgreSQL's memory is its processes' private memory, without the shared buffers; the MB that it wrote to
    temporary files are listed separately.
    """

    seconds: float
    head: str
    links: int
    command_mb: float
    server_mb: float
    temporary_mb: float


def prove(owner: psycopg.Connection, head: str | None) -> Proof:
    """Run the command as an operator does, with the head that the previous run printed."""
    command = [sys.executable, "-m", "onramp_app", "verify-ledger", "--json"]
    before, began, most = _temporary(owner), time.perf_counter(), 0
    postmaster = _postmaster(owner)
    with subprocess.Popen(command + (["--head", head] if head else []), stdout=subprocess.PIPE) as running:
        own = 0
        while running.poll() is None:
            most = max(most, sum(_private_kb(pid) for pid in _children(postmaster)))
            own = max(own, _kb(running.pid, "VmHWM"))
            time.sleep(0.05)
        assert running.stdout is not None
        said = json.loads(running.stdout.read())
    seconds = time.perf_counter() - began
    assert said["findings"] == [], said["findings"][:5]
    links = int(str(said["head"]).partition(":")[0])
    temporary = (_temporary(owner) - before) / 2**20
    return Proof(seconds, said["head"], links, own / 1024, most / 1024, temporary)


def _temporary(owner: psycopg.Connection) -> int:
    owner.execute("SELECT pg_stat_clear_snapshot()")
    row = owner.execute(
        "SELECT temp_bytes FROM pg_stat_database WHERE datname = current_database()"
    ).fetchone()
    return int(row[0]) if row else 0


def _postmaster(owner: psycopg.Connection) -> int:
    return int(re.findall(r"PPid:\s+(\d+)", Path(f"/proc/{owner.info.backend_pid}/status").read_text())[0])


def _children(parent: int) -> list[int]:
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(one) for one in found]


def _kb(process: int, name: str) -> int:
    try:
        found = re.findall(rf"{name}:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    except OSError:  # it has ended in the meantime
        return 0
    return int(found[0]) if found else 0


def _private_kb(process: int) -> int:
    return _kb(process, "RssAnon")


def settings_for(address: str) -> None:
    """Point this process, and the commands that it starts, to the database."""
    os.environ |= {"APP_ENV": "test", "DATABASE_URL": address, "SECRET_KEY": "k" * 48, "AUDIT_KEY": "a" * 48}
    get_settings.cache_clear()
