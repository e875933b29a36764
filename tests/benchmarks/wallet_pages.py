"""Server time of the wallet's pages, in a small store and a large one. fsync is on.

Measured from a tab's first event to the state that its page is rendered from: session, handler, queries. A
tenth of all rows belong to the person. Run: `python -m tests.benchmarks.wallet_pages [rows]`.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from reflex.event import EventHandler

from onramp_app.accounts import accounts, sessions
from onramp_app.db.migrate import migrate
from onramp_app.local import postgres
from onramp_app.running import lifecycle
from onramp_app.throttle import throttle
from onramp_app.web.activity.state import ActivityState
from onramp_app.web.home.state import HomeState
from tests.benchmarks.machine import load
from tests.people import PASSWORD
from tests.web.conftest import BROWSER, Tab, cookie_of

ROUNDS = 60

_FILL = """
INSERT INTO provider_orders (id, environment, provider, flow, order_id, raw, transaction_hash, first_seen_at,
                             read_at, version, applied_version)
SELECT 'a' || lpad(to_hex(n), 31, '0'), 'simulator', 'onramp', 'buy', n, '{}', '0x' || n, now(), now(), 1, 1
  FROM generate_series(%(from)s::int, %(to)s::int) AS n;
INSERT INTO top_ups (id, user_id, environment, fiat_amount, fiat_currency, fiat_type, asset, network,
                     payment_method, status, charged, rank, has_entry, received_minor, received_asset,
                     best_order_id, version, created_at, updated_at, settled_at)
SELECT 'b' || lpad(to_hex(n), 31, '0'), CASE WHEN n %% 10 = 0 THEN %(me)s ELSE %(other)s END, 'simulator',
       1000, 'INR', 1, 'USDT', 'matic20', 'UPI', 'settled', 'yes', 70, true, 1000000, 'USDT',
       'a' || lpad(to_hex(n), 31, '0'), 1, now() - n * interval '10 seconds', now(), now()
  FROM generate_series(%(from)s::int, %(to)s::int) AS n;
INSERT INTO ledger_transfers (id, environment, reference, input_hash, kind, user_id, provider_order_id,
                              source, created_at)
SELECT 'c' || lpad(to_hex(n), 31, '0'), 'simulator', 'r' || n, sha256(''), 'receive',
       CASE WHEN n %% 10 = 0 THEN %(me)s ELSE %(other)s END, 'a' || lpad(to_hex(n), 31, '0'), 'poll',
       now() - n * interval '10 seconds'
  FROM generate_series(%(from)s::int, %(to)s::int) AS n;
INSERT INTO ledger_entries (transfer_id, account_id, amount_minor)
SELECT t.id, a.id, -1000000 FROM ledger_transfers t JOIN ledger_accounts a ON a.user_id = t.user_id
 WHERE NOT EXISTS (SELECT FROM ledger_entries e WHERE e.transfer_id = t.id);
"""
_ONCE = """
INSERT INTO assets VALUES ('USDT', 6, now());
INSERT INTO exchange_rates VALUES ('simulator', 'USDT', 1, now()), ('simulator', 'USD', 1, now()),
                                  ('simulator', 'INR', 80, now());
INSERT INTO ledger_accounts (kind, asset, user_id) SELECT 'available', 'USDT', id FROM users;
INSERT INTO user_balances SELECT id, 'USDT', 100000000000, 0, 0, 1 FROM users;
"""


def _fill(owner: psycopg.Connection, script: str, **values: object) -> None:
    owner.execute(
        "SET session_replication_role = replica"
    )  # The triggers of the books are slow, and not what is measured.
    for part in script.strip().split(";\n"):
        owner.execute(part.encode(), values or None)
    owner.execute("VACUUM ANALYZE")


async def _open(cookie: str, path: str, load: EventHandler) -> float:
    tab = Tab(cookie, path=path)
    began = time.perf_counter()
    await tab.hydrate()
    assert (await tab.send(load)).went_on
    return (time.perf_counter() - began) * 1000


async def _median(cookie: str, path: str, load: EventHandler) -> float:
    throttle.forget()
    return statistics.median([await _open(cookie, path, load) for _ in range(ROUNDS)])


async def _measure(owner: psycopg.Connection, rows: int) -> None:
    me, other = [
        await accounts.register(
            accounts.Registration(f"{name}@example.com", PASSWORD, name, "IN"), BROWSER, sessions.open_browser
        )
        for name in ("me", "other")
    ]
    people = {"me": me.viewer.user_id, "other": other.viewer.user_id}
    _fill(owner, _ONCE)
    home, activity = HomeState.event_handlers["load"], ActivityState.event_handlers["load"]
    for low, high in ((1, 1000), (1001, rows)):
        _fill(owner, _FILL, **{"from": low, "to": high}, **people)
        middle = f"/activity?to={time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(time.time() - high * 5))}"
        times = {
            "home": await _median(cookie_of(me), "/home", home),
            "activity": await _median(cookie_of(me), "/activity", activity),
            "activity, from the middle": await _median(cookie_of(me), middle, activity),
            "activity, by state": await _median(cookie_of(me), "/activity?status=settled", activity),
            # All rows have this amount, method and delivery: the most that a search can find.
            "a search for an amount": await _median(cookie_of(me), "/activity?search=1,000", activity),
            "for what was received": await _median(cookie_of(me), "/activity?search=1.00+USDT", activity),
            "for a method": await _median(cookie_of(me), "/activity?search=upi", activity),
            "for a reference": await _median(cookie_of(me), "/activity?search=0000-000A", activity),
        }
        figures = " · ".join(f"{name} {ms:.1f} ms" for name, ms in times.items())
        print(f"{high:>9,} rows: {figures}; {load()}")  # noqa: T201
    await lifecycle.disconnect()


def main(rows: int) -> None:
    """Measure once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = postgres.start(folder / "data")
        migrate(server.url)
        os.environ |= {"APP_ENV": "test", "DATABASE_URL": server.url}
        os.environ.setdefault("SECRET_KEY", "k" * 48)
        # Only a superuser can write rows that the rules of the books would refuse.
        database = server.url.rpartition("/")[2]
        url = f"{server.superuser_url.rpartition('/')[0]}/{database}"
        with psycopg.connect(url, autocommit=True) as owner:
            asyncio.run(_measure(owner, rows))
        server.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
