"""Migrated databases for tests: emptied after each test, and dropped where more than rows was changed."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.pool import QueuePool

from onramp_app.config import PROJECT_DIR, get_settings
from onramp_app.db import engine
from onramp_app.db.migrate import migrate
from onramp_app.ledger import sealing
from onramp_app.running import lifecycle
from onramp_app.throttle import throttle

_TEMPLATE = "migrated_template"
_POOL = 4  # connections of the pool where no setting says otherwise
# What a test leaves behind in pages of dead rows counts too: plans depend on it.
_MAX_BYTES = 8_000_000

# Everything but rows that a test can change: a row of a catalog gets a new xmin with each change.
_SCHEMA = """
SELECT count(*), bit_xor(hashtextextended(concat_ws(' ', name, id, version), 0)) FROM (
    SELECT 'relation', oid, xmin::text FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT 'column', a.attrelid, a.xmin::text FROM pg_attribute a
                JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL SELECT 'constraint', oid, xmin::text FROM pg_constraint
               WHERE connamespace = 'public'::regnamespace
    UNION ALL SELECT 'trigger', oid, xmin::text FROM pg_trigger
    UNION ALL SELECT 'function', oid, xmin::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT 'schema', oid, xmin::text FROM pg_namespace WHERE nspname !~ '^pg_'
    UNION ALL SELECT 'database', 0, concat_ws(' ', datdba, datacl, datallowconn) FROM pg_database
               WHERE datname = current_database()
) each (name, id, version)
"""
_BYTES = """
SELECT sum(pg_total_relation_size(oid)) FROM pg_class
 WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
# The pool that tests hand on is idle. Anything else is what a test has left behind.
_NO_OTHERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND (application_name, state) IS DISTINCT FROM ('onramp_app', 'idle')
"""
_FROM_ONE = """
SELECT setval(format('%I.%I', schemaname, sequencename), start_value, false) FROM pg_sequences
 WHERE last_value IS NOT NULL
"""


@asynccontextmanager
async def in_settings(
    url: str, monkeypatch: pytest.MonkeyPatch, *, keeps_pool: bool = False
) -> AsyncIterator[None]:
    """Name a database in the application's settings.

    With `keeps_pool` the pool stays open for the next test on the same database. What its connections have
    planned and what SQLAlchemy has compiled for it is half of what a test costs.
    """
    monkeypatch.setenv("APP_ENV", "test")
    monkeypatch.setenv("DATABASE_URL", url)
    get_settings.cache_clear()
    throttle.forget()
    sealing.forget()
    await _take_kept_pool(url if keeps_pool else None)
    before = asyncio.all_tasks()
    # What the test has begun to use ends with it: the next one has another provider.
    async with lifecycle.connections([close for close in lifecycle.HELD if close != engine.dispose]):
        yield
    if keeps_pool:
        await _end_of_tasks(before)
    get_settings.cache_clear()
    if keeps_pool:
        _keep_pool(url)
    await engine.dispose()


async def _end_of_tasks(before: set[asyncio.Task[Any]]) -> None:
    """Wait for the end of what the test began. A loop that goes on would work beside the next test.

    Only of what the application itself began: Reflex keeps tasks of its own for as long as the process lives.
    """
    if left := {task for task in asyncio.all_tasks() - before if is_ours(task)}:
        _, left = await asyncio.wait(left, timeout=10)
    assert not left, f"these go on: {[str(task.get_coro()) for task in left]}"


def is_ours(task: asyncio.Task[Any]) -> bool:
    """Say whether a task runs a function of the application itself."""
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and Path(code.co_filename).is_relative_to(PROJECT_DIR / "onramp_app")


# Out of the application's sight between two tests: one that names no database finds no pool.
_kept: list[tuple[str, engine._Pool]] = []


async def _take_kept_pool(url: str | None) -> None:
    """Give the application the pool that was kept, where it is one of this database."""
    while _kept:
        of, pool = _kept.pop()
        if of == url and engine._pool is None:
            engine._pool = pool
        else:
            await pool.engine.dispose()


def _keep_pool(url: str) -> None:
    """Keep the application's pool where it is as every test would have it, and nothing of it is in use."""
    if engine._pool is None:
        return
    opened, pool = engine._pool.engine, engine._pool.engine.pool
    is_of_database = opened.url.render_as_string(hide_password=False) == engine.sqlalchemy_url(url)
    if is_of_database and isinstance(pool, QueuePool) and pool.size() == _POOL and not pool.checkedout():
        _kept.append((url, engine._pool))
        engine._pool = None


class Databases:
    """The migrated databases of one server."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._superuser = psycopg.connect(f"{server}/postgres", autocommit=True)
        # A new connection knows nothing of the catalog, and giving a database back takes five times as long.
        self._owners: dict[str, psycopg.Connection] = {}
        self._schemas: dict[str, object] = {}
        self._empty: list[str] = []
        self._run("CREATE DATABASE {}", _TEMPLATE)
        migrate(f"{server}/{_TEMPLATE}")

    def take(self) -> str:
        """Return the name of a migrated database without a row."""
        return self._empty.pop() if self._empty else self.make()

    def make(self) -> str:
        """Make one more."""
        name = f"test_{secrets.token_hex(6)}"
        # Copying the files of 9 MB costs some 200 ms of a processor: that is why they are used again.
        self._run("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, _TEMPLATE)
        self._schemas[name] = self._owner(name).execute(_SCHEMA).fetchone()
        return name

    def give_back(self, name: str) -> None:
        """Keep a database for the next test, without its rows; drop one of which more was changed."""
        owner = self._owner(name)
        owner.execute(_NO_OTHERS)
        (size,) = owner.execute(_BYTES).fetchone() or (0,)
        if owner.execute(_SCHEMA).fetchone() == self._schemas[name] and size < _MAX_BYTES:
            _delete_rows(owner)
            self._empty.append(name)
        else:
            self._owners.pop(name).close()
            self._run("DROP DATABASE {} WITH (FORCE)", name)

    def _owner(self, name: str) -> psycopg.Connection:
        """Return the connection to a database that is kept, or a new one where a test has ended it."""
        if name in self._owners:
            with suppress(psycopg.OperationalError):
                self._owners[name].execute("SELECT 1")
        if name not in self._owners or self._owners[name].closed:
            self._owners[name] = psycopg.connect(
                f"{self._server}/{name}", autocommit=True, application_name="owner of the tests"
            )
        return self._owners[name]

    def _run(self, statement: str, *names: str) -> None:
        self._superuser.execute(sql.SQL(statement).format(*(sql.Identifier(name) for name in names)))

    def close(self) -> None:
        for connection in (self._superuser, *self._owners.values()):
            connection.close()


def _delete_rows(owner: psycopg.Connection) -> None:
    tables = [sql.Identifier(name) for (name,) in owner.execute(_TABLES)]
    has_rows = sql.SQL(", ").join(sql.SQL("EXISTS (SELECT FROM {})").format(table) for table in tables)
    found = owner.execute(sql.SQL("SELECT {}").format(has_rows)).fetchone() or ()
    # As a replica nothing looks at foreign keys and nothing refuses: the books are append-only by triggers.
    owner.execute("SET session_replication_role = replica")
    for table, has_any in zip(tables, found, strict=True):
        if has_any:
            owner.execute(sql.SQL("DELETE FROM {}").format(table))
    owner.execute("RESET session_replication_role")
    owner.execute(_FROM_ONE)
