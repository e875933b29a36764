"""How long things take as the books grow: one store, made larger step by step, beside one that stays small.

The two take turns, so that a ratio says nothing of what else the machine does.

Run: `python -m tests.benchmarks.growth [rows ...] 2>/dev/null`, by default 1000 100000 1000000 10000000,
which are numbers of ledger entries. fsync is on. It draws `docs/scaling.svg` and prints the tables of
`docs/scaling.md`; `--keep FILE` keeps the figures, and `--draw FILE` draws and prints them again.
"""

import argparse
import asyncio
import json
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from onramp_app.accounts import accounts, sessions
from onramp_app.config import PROJECT_DIR
from onramp_app.db.migrate import migrate
from onramp_app.ledger import sealing
from onramp_app.local import postgres
from onramp_app.logs import configure_logs
from onramp_app.running import lifecycle
from tests.benchmarks.growth.chart import drawn
from tests.benchmarks.growth.filling import ENTRIES_A_LINE, Store
from tests.benchmarks.growth.looks import Looks, prove, settings_for, side_by_side
from tests.benchmarks.growth.table import printed
from tests.benchmarks.machine import load
from tests.people import PASSWORD
from tests.web.conftest import BROWSER

SIZES = [1_000, 100_000, 1_000_000, 10_000_000]
_COUNTED = (
    "ledger_entries",
    "ledger_transfers",
    "provider_orders",
    "top_ups",
    "top_up_steps",
    "users",
    "debits",
    "webhook_events",
    "outbox_mails",
    "ledger_chain",
    "ledger_seals",
)


async def _store(owner: psycopg.Connection, address: str) -> Looks:
    """Start a store in a migrated, empty database."""
    settings_for(address)
    heavy = await accounts.register(
        accounts.Registration("heavy@example.com", PASSWORD, "Heavy", "IN"), BROWSER, sessions.open_browser
    )
    await lifecycle.disconnect()
    return Looks(Store.begin(owner, heavy.viewer.user_id), heavy.viewer, address)


async def _measure(small: Looks, growing: Looks, sizes: list[int], keep: Path | None) -> list[dict[str, Any]]:
    await small.grow(sizes[0] // ENTRIES_A_LINE)
    owner, head = growing.store.owner, None
    found: list[dict[str, Any]] = []
    for size in sizes:
        began = time.perf_counter()
        await growing.grow(size // ENTRIES_A_LINE)
        filled = time.perf_counter() - began
        times = await side_by_side(small, growing)
        found.append({"size": size, "times": times, "filled_seconds": filled, "load": load()})
        found[-1]["log"] = await growing.log()
        print(json.dumps(found[-1]), flush=True)  # noqa: T201
        await growing.use()
        await sealing.seal()
        await lifecycle.disconnect()
        proof = await asyncio.to_thread(prove, owner, head)
        head = proof.head
        rows = {name: _one(owner, f"SELECT count(*) FROM {name}") for name in _COUNTED}
        bytes_ = _one(owner, "SELECT pg_database_size(current_database())")
        found[-1] |= {"proof": asdict(proof), "rows": rows, "bytes": bytes_, "load_after": load()}
        if keep is not None:
            await asyncio.to_thread(keep.write_text, json.dumps(found, indent=1))
    return found


def _one(owner: psycopg.Connection, query: str) -> int:
    row = owner.execute(query.encode()).fetchone()
    return int(row[0]) if row else 0


def _run(sizes: list[int], keep: Path | None) -> list[dict[str, Any]]:
    configure_logs(level="error", style="json")
    with tempfile.TemporaryDirectory() as name, ExitStack() as opened:
        folder = Path(name)
        folder.chmod(0o755)
        server = postgres.start(folder / "data")
        opened.callback(server.stop)
        (superuser, _, main), address = server.superuser_url.rpartition("/"), server.url.rpartition("/")[0]
        with psycopg.connect(f"{superuser}/{main}", autocommit=True) as connection:
            login = urlsplit(server.url).username
            connection.execute(sql.SQL("CREATE DATABASE small OWNER {}").format(sql.Identifier(login or "")))
        stores = []
        for database in ("small", server.url.rpartition("/")[2]):
            migrate(f"{address}/{database}")
            # Only a superuser can write rows that the rules of the books would refuse.
            owner = opened.enter_context(psycopg.connect(f"{superuser}/{database}", autocommit=True))
            stores.append(asyncio.run(_store(owner, f"{address}/{database}")))
        return asyncio.run(_measure(stores[0], stores[1], sorted(sizes), keep))


def main() -> None:
    """Measure once, draw and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="*", default=SIZES)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--draw", type=Path)
    given = parser.parse_args()
    found = json.loads(given.draw.read_text()) if given.draw else _run(given.rows, given.keep)
    (PROJECT_DIR / "docs" / "scaling.svg").write_text(drawn(found))
    print(printed(found))  # noqa: T201


if __name__ == "__main__":
    main()
