"""Every fault that can be injected into a fleet, by name; each one ends before the next begins."""

import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import psycopg
from redis import Redis
from redis.exceptions import RedisError

from onramp_app.db.locks import Lock
from tests.chaos.fleet import Child, Fleet

_ROWS = {
    "balances": "SELECT FROM user_balances FOR UPDATE",
    "accounts": "SELECT FROM ledger_accounts FOR UPDATE",
    "orders": "SELECT FROM provider_orders FOR UPDATE",
    "top-ups": "SELECT FROM top_ups FOR UPDATE",
    "people": "SELECT FROM users FOR UPDATE",
    "webhooks": "SELECT FROM webhook_events WHERE handled_at IS NULL FOR UPDATE",
    "the lease": "SELECT FROM leases FOR UPDATE",
}
_TABLES = "LOCK TABLE provider_orders, top_ups IN ACCESS EXCLUSIVE MODE"
_ADVISORY = "SELECT pg_advisory_xact_lock(%s)"
_END_CONNECTIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = 'onramp' AND pid <> pg_backend_pid()"
)


class Faults:
    """Injects faults into a fleet. `chance` picks the fault, its target and its duration."""

    def __init__(self, fleet: Fleet, chance: random.Random) -> None:
        self._fleet = fleet
        self._chance = chance

    def hurt(self, seconds: float) -> Counter[str]:
        """Inject one fault after another and restart killed processes, as a supervisor does.

        Returns how often each fault was injected.
        """
        done: Counter[str] = Counter()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            name, fault = self._chance.choice(list(self._all().items()))
            fault()
            done[name] += 1
            self._wait(0.2, 1.5)
            for child in self._fleet.children:
                if child.process is not None and child.process.poll() is not None:
                    child.start()
        return done

    def _all(self) -> dict[str, Callable[[], None]]:
        child = self._chance.choice(self._fleet.children)
        rows, lock = self._chance.choice(list(_ROWS)), self._chance.choice(list(Lock))
        database, redis = self._fleet.database, self._fleet.redis
        clocks: dict[str, Callable[[], None]] = {}
        if child.has_own_clock:
            seconds = self._chance.uniform(-300, 300)
            clocks[f"step the clock of {child.name}"] = lambda: child.step_clock(seconds)
        return clocks | {
            f"kill {child.name}": child.kill,
            f"freeze {child.name}": lambda: self._freeze(child),
            "restart the database": lambda: self._away(database.stop, database.start),
            "kill the database": lambda: self._away(database.crash, database.start),
            "end all connections": lambda: self._as_superuser(_END_CONNECTIONS),
            "take all connections": self._take_connections,
            "lock tables": lambda: self._hold(_TABLES),
            f"lock the rows of {rows}": lambda: self._hold(_ROWS[rows]),
            f"hold the lock {lock.name}": lambda: self._hold(_ADVISORY, lock.value),
            "restart Redis": lambda: self._away(redis.kill, redis.start),
            "flush Redis": self._flush_redis,
            "provider away": self._provider("api_down", value=self._chance.randint(1, 5), times=None),
            "provider slow": self._provider("api_slow", value=2, times=5),
            "provider limits": self._provider("rate_limited", times=3),
            "history lags": self._provider("history_lags", value=3, times=None),
            "webhooks lost": self._provider("lost_webhook", times=8),
            "webhooks doubled": self._provider("duplicate_webhooks", times=8),
            "webhooks out of order": self._provider("out_of_order", times=8),
            "webhooks late": self._provider("delayed_webhook", value=4, times=8),
        }

    def _wait(self, least: float, most: float) -> None:
        time.sleep(self._chance.uniform(least, most))

    def _freeze(self, child: Child) -> None:
        child.send(signal.SIGSTOP)
        self._wait(1, 9)
        child.send(signal.SIGCONT)

    def _away(self, stop: Callable[[], None], start: Callable[[], None]) -> None:
        stop()
        self._wait(0, 3)
        start()

    def _flush_redis(self) -> None:
        try:
            Redis.from_url(self._fleet.redis.url).flushall()
        except RedisError:
            self._fleet.redis.start()

    def _hold(self, statement: str, *values: object) -> None:
        """Hold locks in a foreign transaction, sometimes for longer than requests wait for them."""
        # In a deadlock with a request, PostgreSQL may abort this transaction.
        with (
            contextlib.suppress(psycopg.errors.DeadlockDetected),
            psycopg.connect(self._fleet.database.url) as other,
        ):
            other.execute(statement.encode(), values)
            self._wait(0.5, 6)

    def _take_connections(self) -> None:
        """Exhaust the server's connections: existing ones are terminated, and only three may reconnect."""
        self._as_superuser("ALTER DATABASE onramp CONNECTION LIMIT 3")
        self._as_superuser(_END_CONNECTIONS)
        self._wait(1, 5)
        self._as_superuser("ALTER DATABASE onramp CONNECTION LIMIT -1")

    def _as_superuser(self, statement: str) -> None:
        with psycopg.connect(self._fleet.database.superuser_url, autocommit=True) as superuser:
            superuser.execute(statement.encode())

    def _provider(self, name: str, **more: Any) -> Callable[[], None]:
        return lambda: self._fleet.provider.control("scenario", {"name": name, **more})
