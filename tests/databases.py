"""Migrated databases for tests: emptied after each test, or dropped if more than rows was changed."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import cache
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
# A database with more pages than this is dropped: even pages of dead rows affect query plans.
_MAX_BYTES = 3_000_000

# A fingerprint of everything except rows that a test can change. A catalog row gets a newer xmin with each
# change, so this takes from each catalog the newest xmin and the number of the rows that are not built in.
_SCHEMA = "SELECT {}, (SELECT (datdba, datacl, datallowconn)::text FROM pg_database WHERE datname = {})"
_NEWEST = "(SELECT (age('3'::xid) - min(age(xmin)), count(*))::text FROM {} WHERE {})"
_OURS = "oid >= 16384"  # FirstNormalObjectId of PostgreSQL's transam.h
_CATALOGS = {
    "pg_class": _OURS,
    "pg_attribute": "attrelid >= 16384",
    "pg_constraint": _OURS,
    "pg_trigger": _OURS,
    "pg_proc": _OURS,
    "pg_namespace": "nspname !~ '^pg_'",
}
# The size of each table that has, or had, rows.
_USED = """
SELECT relname, size FROM (
    SELECT relname, pg_relation_size(oid) AS size FROM pg_class
     WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'
) each WHERE size > 0
"""
# The pool that tests hand on is idle. Any other connection was left behind by a test.
_NO_OTHERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND (application_name, state) IS DISTINCT FROM ('onramp_app', 'idle')
"""
_SEQUENCES = "SELECT format('%I.%I', schemaname, sequencename), start_value FROM pg_sequences"


@asynccontextmanager
async def in_settings(
    url: str, monkeypatch: pytest.MonkeyPatch, *, keeps_pool: bool = False
) -> AsyncIterator[None]:
    """Point the application's settings to a database.

    With `keeps_pool` the pool stays open for the next test on the same database. Planning its connections'
    statements and compiling them in SQLAlchemy is half of what a test costs.
    """
    monkeypatch.setenv("APP_ENV", "test")
    monkeypatch.setenv("DATABASE_URL", url)
    get_settings.cache_clear()
    throttle.forget()
    sealing.forget()
    await _take_kept_pool(url if keeps_pool else None)
    before = asyncio.all_tasks()
    # The connections that the test opened are closed with it: the next test has another provider.
    async with lifecycle.connections([close for close in lifecycle.HELD if close != engine.dispose]):
        yield
    if keeps_pool:
        await _end_of_tasks(before)
    get_settings.cache_clear()
    if keeps_pool:
        _keep_pool(url)
    await engine.dispose()


async def _end_of_tasks(before: set[asyncio.Task[Any]]) -> None:
    """Wait until the tasks that the test started have ended: a loop left running would disturb the next test.

    Only the application's own tasks count: Reflex keeps some running for as long as the process lives.
    """
    if left := {task for task in asyncio.all_tasks() - before if is_ours(task)}:
        _, left = await asyncio.wait(left, timeout=10)
    assert not left, f"these go on: {[str(task.get_coro()) for task in left]}"


def is_ours(task: asyncio.Task[Any]) -> bool:
    """Return whether a task runs a function of the application itself."""
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and Path(code.co_filename).is_relative_to(PROJECT_DIR / "onramp_app")


# Kept here, outside the application, between tests: a test without a database must find no pool.
_kept: list[tuple[str, engine._Pool]] = []


async def _take_kept_pool(url: str | None) -> None:
    """Hand the application the kept pool if it belongs to this database; dispose of it otherwise."""
    while _kept:
        of, pool = _kept.pop()
        if of == url and engine._pool is None:
            engine._pool = pool
        else:
            await pool.engine.dispose()


def _keep_pool(url: str) -> None:
    """Keep the application's pool if it has the default settings and none of its connections is in use."""
    if engine._pool is None:
        return
    opened, pool = engine._pool.engine, engine._pool.engine.pool
    is_of_database = opened.url.render_as_string(hide_password=False) == engine.sqlalchemy_url(url)
    if is_of_database and isinstance(pool, QueuePool) and pool.size() == _POOL and not pool.checkedout():
        _kept.append((url, engine._pool))
        engine._pool = None


class Databases:
    """The pool of migrated test databases on one server."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._superuser = psycopg.connect(f"{server}/postgres", autocommit=True)
        self._schemas: dict[str, object] = {}
        self._empty: list[str] = []
        self._run("CREATE DATABASE {}", _TEMPLATE)
        migrate(f"{server}/{_TEMPLATE}")
        with psycopg.connect(f"{server}/{_TEMPLATE}") as template:
            sequences = template.execute(_SEQUENCES).fetchall()
        self._from_one = "SELECT " + ", ".join(
            f"setval('{name}', {first}, false)" for name, first in sequences
        )

    def take(self) -> str:
        """Return the name of a migrated, empty database."""
        return self._empty.pop() if self._empty else self.make()

    def make(self) -> str:
        """Create another migrated database and return its name."""
        name = f"test_{secrets.token_hex(6)}"
        # Copying its 9 MB of files costs some 200 ms of processor time, which is why databases are reused.
        self._run("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, _TEMPLATE)
        self._schemas[name], _ = self._look_at(name)
        return name

    def give_back(self, name: str) -> None:
        """Empty a database and keep it for the next test; drop it if more than rows was changed."""
        try:
            schema, used = self._look_at(name)
        except psycopg.OperationalError:  # The test has ended the connection.
            schema, used = self._look_at(name)
        if schema == self._schemas[name] and sum(used.values()) < _MAX_BYTES:
            self._empty_out(name, used)
            self._empty.append(name)
        else:
            owner_of(self._address(name)).close()
            self._run("DROP DATABASE {} WITH (FORCE)", name)

    def _look_at(self, name: str) -> tuple[object, dict[str, int]]:
        """Return the fingerprint of the schema, and the size of each table that was used."""
        owner = owner_of(self._address(name))
        owner.rollback()
        with owner.pipeline():
            owner.execute("RESET ALL")
            owner.execute("UNLISTEN *")
            owner.execute(_NO_OTHERS)
            schema = owner.execute(_schema_of(name))
            used = owner.execute(_USED)
        return schema.fetchone(), dict(used.fetchall())

    def _empty_out(self, name: str, tables: Iterable[str]) -> None:
        owner = owner_of(self._address(name))
        with owner.pipeline():
            # In the replica role no foreign key is checked and no trigger fires: the books are append-only.
            owner.execute("SET session_replication_role = replica")
            for table in tables:
                owner.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
            owner.execute("RESET session_replication_role")
            owner.execute(self._from_one)

    def _address(self, name: str) -> str:
        return f"{self._server}/{name}"

    def _run(self, statement: str, *names: str) -> None:
        self._superuser.execute(sql.SQL(statement).format(*(sql.Identifier(name) for name in names)))

    def close(self) -> None:
        for connection in (self._superuser, *_owners.values()):
            connection.close()


# By URL. A new connection has no catalog cached, and its first statements take five times as long.
_owners: dict[str, psycopg.Connection] = {}


def owner_of(address: str) -> psycopg.Connection:
    """Return the owner's connection to a database, in autocommit; it stays open for all tests."""
    if address not in _owners or _owners[address].closed:
        _owners[address] = psycopg.connect(address, autocommit=True, application_name="owner of the tests")
    return _owners[address]


@cache
def _schema_of(name: str) -> sql.Composed:
    newest = (sql.SQL(_NEWEST).format(*map(sql.SQL, each)) for each in _CATALOGS.items())
    return sql.SQL(_SCHEMA).format(sql.SQL(", ").join(newest), name)
