"""Opens and holds connections outside the pool: for batches, advisory locks, LISTEN and NOTIFY.

A held connection belongs to one `Use` and lives as long as that, which a pool would not allow. The pool and
the held connections together take `DATABASE_CONNECTIONS`: each use counts as one, open or not.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

from onramp_app.config import ConfigurationError, get_settings
from onramp_app.db.outages import outages
from onramp_app.telemetry.faults import Fault

APPLICATION_ROLE = "onramp_app"
# How long to wait for a held lock; together with the wait for a place in the pool below a webhook's 5 s.
LOCK_WAIT = "2500ms"
_CONNECT_SECONDS = 3
_STATEMENT_WAIT = "20s"
_ANSWER_SECONDS = 25.0
_LOOK_EVERY_SECONDS = 0.1
# What readiness means by "just now".
_REFUSED_SECONDS = 10

Result = TypeVar("Result")

_refused_at = float("-inf")
database_away = Fault("database", lasts="the database is away", is_over="the database answers again")


class Connection(psycopg.AsyncConnection[tuple[object, ...]]):
    """A connection on which no statement waits for an answer for ever.

    If something in between drops the connection silently, the server's time-outs never arrive, and a proxy
    may acknowledge what it never forwards. After `answer_seconds` without an answer, the connection counts as
    lost.
    """

    answer_seconds: float = _ANSWER_SECONDS

    async def wait(
        self,
        gen: PQGen[Result],
        interval: float = _LOOK_EVERY_SECONDS,
        timeout: float | None = None,  # noqa: ASYNC109 - the driver's own signature
    ) -> Result:
        """Wait as the driver does, for up to `answer_seconds`. LISTEN passes its own `timeout`."""
        if timeout is not None:
            return await super().wait(gen, interval, timeout)
        began = time.monotonic()
        try:
            return await super().wait(gen, interval, self.answer_seconds)
        except psycopg.OperationalError:
            if time.monotonic() - began >= self.answer_seconds:
                self.pgconn.finish()  # The state of the statement is unknown.
            raise


class Use(StrEnum):
    """What a connection outside the pool is for. A process has at most one open for each use at a time."""

    INBOX = "inbox"
    ANNOUNCEMENTS = "announcements"
    READER = "reader"
    INSTANCE = "instance"
    RATES = "rates"


def arguments(name: str = "") -> dict[str, Any]:
    """Return libpq's parameters for every connection; `pg_stat_activity` shows `name`.

    With these, a server that vanished silently is noticed within seconds: by a missing acknowledgement,
    or by keepalive probes where nothing is being sent. Without them, the kernel waits a quarter of an hour.
    """
    return {
        "connect_timeout": _CONNECT_SECONDS,
        "application_name": f"onramp_app {name}".rstrip(),
        "keepalives": 1,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 3_000,
    }


async def open_connection(**kwargs: Any) -> Connection:
    """Open a connection in autocommit mode. Raises `psycopg.Error`; readiness reports it for ten seconds."""
    global _refused_at  # noqa: PLW0603 - one process, one database
    try:
        connection = await Connection.connect(**{**kwargs, "autocommit": True})
    except psycopg.Error as error:
        _refused_at = time.monotonic()
        # The server's message may hold its address or the login, so only the kind of the error is logged.
        database_away.happened(error=type(error).__name__, sqlstate=error.sqlstate)
        raise
    database_away.over()
    return connection


def was_refused() -> bool:
    """Return whether the database refused this process a connection within the last ten seconds."""
    return time.monotonic() - _refused_at < _REFUSED_SECONDS


def forget_refusals() -> None:
    """Forget refused connections, before this process uses another database."""
    global _refused_at  # noqa: PLW0603
    _refused_at = float("-inf")


def session_url() -> str:
    """Return the address whose connections are real sessions: `DATABASE_DIRECT_URL`, or `DATABASE_URL`.

    Raises:
        ConfigurationError: no database is configured.
    """
    settings = get_settings()
    url = settings.database_direct_url or settings.database_url
    if url is None:
        raise ConfigurationError("DATABASE_URL is not set and no embedded database is running.")
    return url.get_secret_value()


async def connect(use: Use, *, setup: str = "", answer_seconds: float = _ANSWER_SECONDS) -> Connection:
    """Open a session in autocommit mode that runs as the application's role, in UTC.

    `setup` is a further statement to run first. After `answer_seconds` without an answer to a statement, the
    connection counts as lost.

    Raises:
        ConfigurationError: no database is configured.
        DatabaseUnavailable: the database refuses, or does not answer within 3 s.
    """
    url = session_url()
    with outages():
        connection = await open_connection(conninfo=url, **arguments(use))
        connection.answer_seconds = answer_seconds
        try:
            await connection.execute(f"{_SESSION}; {setup}".encode())
        except BaseException:
            await connection.close()
            raise
    return connection


_SESSION = (
    f"SET ROLE {APPLICATION_ROLE}; SET TIME ZONE 'UTC'; SET lock_timeout = '{LOCK_WAIT}';"
    f" SET statement_timeout = '{_STATEMENT_WAIT}'; SET idle_session_timeout = 0"
)


class HeldConnection:
    """A connection held for one use: opened when first needed, and replaced once it is lost.

    Belongs to one event loop; close it before another loop takes over.
    """

    def __init__(self, use: Use, *, setup: str = "", answer_seconds: float = _ANSWER_SECONDS) -> None:
        """Take the arguments with which `connect` opens the connection."""
        self._use = use
        self._setup = setup
        self._answer_seconds = answer_seconds
        self._connection: Connection | None = None
        self._opening = asyncio.Lock()

    async def run(self, work: Callable[[Connection], Awaitable[Result]]) -> Result:
        """Run `work` on the connection, and once more on a new one if the connection was lost.

        So statements that ran before the connection was lost may run twice.

        Raises:
            DatabaseUnavailable: no connection, or the database cannot do it now.
            psycopg.Error: the database refuses the work.
        """
        with outages():
            connection = await self.open()
            try:
                return await work(connection)
            except psycopg.Error as error:
                if not (connection.closed or _is_demoted(error)):
                    raise
                await self.close()
            return await work(await self.open())

    async def open(self) -> Connection:
        """Return the connection, opening a new one where there is none. Raises `DatabaseUnavailable`."""
        async with self._opening:
            if self._connection is None or self._connection.closed:
                self._connection = await connect(
                    self._use, setup=self._setup, answer_seconds=self._answer_seconds
                )
            return self._connection

    async def close(self) -> None:
        """Close the connection. The next use opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(psycopg.Error):
                await connection.close()


def _is_demoted(error: psycopg.Error) -> bool:
    # After a fail-over the address leads to another server, while this connection still leads to the old one.
    return isinstance(error, psycopg.errors.ReadOnlySqlTransaction)


async def notify(connection: Connection, channel: str, payload: str = "") -> None:
    """Send one notification now. Raises `psycopg.Error`."""
    await connection.execute("SELECT pg_notify(%s, %s)", (channel, payload))
