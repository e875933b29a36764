"""The process's connection pool and its transactions. Every query of the application goes through here.

The pool belongs to the event loop that first used it; `dispose` before another loop takes over.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import time
from typing import Any
from weakref import WeakValueDictionary

import psycopg
from sqlalchemy import CursorResult, Executable, event
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.exc import InvalidatePoolError, InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection, QueuePool
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.config import ConfigurationError, get_settings
from onramp_app.db.direct import (
    APPLICATION_ROLE,
    LOCK_WAIT,
    Connection,
    Use,
    arguments,
    forget_refusals,
    open_connection,
)
from onramp_app.db.outages import AWAY, FULL, READ_ONLY, outage_of, outages, unavailable
from onramp_app.db.pipelines import end_pipelines_with_sync
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.domain.shares import asker, share_of_network

_Values = Mapping[str, Any]
_ON_COMMIT = "on_commit"
_BEFORE_COMMIT = "before_commit"


@dataclass(frozen=True, slots=True)
class Purpose:
    """What transactions are for: how much of the pool they may take, and how long one statement may run.

    At most 1/`share` of the pool's connections serve such transactions at a time (1: all of them); a
    transaction waits up to `wait_seconds` for its place.
    """

    share: int
    wait_seconds: float
    statement_seconds: int


# Somebody is waiting for an answer. The shares below always leave connections for these.
REQUEST = Purpose(share=1, wait_seconds=5, statement_seconds=15)
# Starts and cancels top-ups. The wait for a place and the wait for a held lock together stay below 5 s.
TOP_UP = Purpose(share=3, wait_seconds=1.5, statement_seconds=10)
# Reads the provider, credits, shows changes to open pages.
BACKGROUND = Purpose(share=2, wait_seconds=30, statement_seconds=20)
# Verifies all the books as of one moment, for an operator.
PROOF = Purpose(share=1, wait_seconds=5, statement_seconds=3600)

# A process that stalls in a transaction (suspended, or cut off without the server noticing) must not keep its
# locks.
IDLE_IN_TRANSACTION = "8s"
# A transaction whose client is cut off while it sends a statement is not idle, and no limit on statements
# ends it: PostgreSQL waits for the rest. From PostgreSQL 17 on, a transaction takes no longer than a
# statement may.
_HAS_TRANSACTION_TIMEOUT = 170000

# A connection on which not even BEGIN is answered within this time counts as lost.
_BEGIN_SECONDS = 3.0

_purpose = ContextVar("_purpose", default=REQUEST)


@dataclass(frozen=True, slots=True)
class PoolState:
    """How much of the pool is in use. Places are pairs: how many are taken, and how many there are."""

    size: int
    in_use: int
    top_up_places: tuple[int, int]
    background_places: tuple[int, int]


def work_as(purpose: Purpose) -> None:
    """Set the purpose of all transactions of this task, and of the tasks that it starts."""
    _purpose.set(purpose)


def pool_size() -> int:
    """Return the size of the pool: all connections of the process except one for each `Use`."""
    return get_settings().database_connections - len(Use)


def connections_for(purpose: Purpose) -> int:
    """Return how many connections of the pool a purpose may use at a time."""
    return max(1, pool_size() // purpose.share)


def sqlalchemy_url(url: str) -> str:
    """Return a `postgres://…` or `postgresql://…` address with SQLAlchemy's name of the driver (psycopg)."""
    return "postgresql+psycopg://" + url.split("://", 1)[1]


def _begin(connection: DBAPIConnection, _: ConnectionPoolEntry, __: PoolProxiedConnection) -> None:
    """Begin the transaction, as the application's role, before the pool hands out the connection.

    Everything goes in one message, for which BEGIN needs a round trip anyway. It also tests the connection.
    The role owns nothing and may only insert into and read the ledger: a bug or an injection in the
    application cannot rewrite the books. RESET ROLE is possible, so this guards against mistakes; a separate
    login guards against intent. The role is set for the transaction only, since behind a pooler the next
    transaction may be on another connection; and it is read back, so that no transaction runs as the owner
    because its role was lost.
    """
    seconds = _purpose.get().statement_seconds
    statement = (
        f"BEGIN; SET LOCAL ROLE {APPLICATION_ROLE}; SET LOCAL TIME ZONE 'UTC';"
        f" SET LOCAL lock_timeout = '{LOCK_WAIT}'; SET LOCAL statement_timeout = '{seconds}s';"
        f" SET LOCAL idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION}';"
    )
    limit = f" SET LOCAL transaction_timeout = '{seconds}s';"

    async def begin(driver: Connection) -> object:
        driver.answer_seconds = _BEGIN_SECONDS
        is_limited = driver.info.server_version >= _HAS_TRANSACTION_TIMEOUT
        begun = f"{statement}{limit if is_limited else ''} SHOW role"
        cursor = await driver.execute(begun.encode(), prepare=False)
        driver.answer_seconds = seconds + _BEGIN_SECONDS
        while cursor.nextset():
            pass
        row = await cursor.fetchone()
        return row and row[0]

    try:
        role = connection.run_async(begin)
    except psycopg.Error as error:
        if (outage := outage_of(error)) is None:
            raise DatabaseUnavailable(
                "The database is not ready: its migrations have not run, or its user may not work as"
                f" {APPLICATION_ROLE}.",
                retry_after_seconds=30,
            ) from error
        if outage is AWAY:
            raise InvalidatePoolError from error  # The pool retries with a newly opened connection.
        raise
    if role != APPLICATION_ROLE:
        raise DatabaseUnavailable("The database does not keep to its role.", retry_after_seconds=30)


def _leave_demoted_server(context: ExceptionContext) -> None:
    # After a fail-over the address leads to another server, while pooled connections still lead to the old
    # one.
    if outage_of(context.original_exception) is READ_ONLY:
        context.is_disconnect = True


class _Pool:
    """The engine, and the places of each purpose."""

    def __init__(self) -> None:
        settings = get_settings()
        if settings.database_url is None:
            raise ConfigurationError("DATABASE_URL is not set and no embedded database is running.")
        # If DATABASE_DIRECT_URL is set, DATABASE_URL leads to a pooler, where the next transaction may be on
        # a different connection from the one on which a statement was prepared.
        prepares = settings.database_direct_url is None
        end_pipelines_with_sync()
        self.engine: AsyncEngine = create_async_engine(
            sqlalchemy_url(settings.database_url.get_secret_value()),
            pool_size=pool_size(),
            max_overflow=0,
            pool_timeout=REQUEST.wait_seconds,
            hide_parameters=True,  # Values are personal data: they stay out of logs and errors.
            connect_args={
                **arguments(),
                "prepare_threshold": 5 if prepares else None,
                "async_creator_fn": open_connection,
            },
        )
        event.listen(self.engine.sync_engine, "checkout", _begin)
        event.listen(self.engine.sync_engine, "handle_error", _leave_demoted_server)
        self._places = {
            purpose: asyncio.Semaphore(connections_for(purpose)) for purpose in (TOP_UP, BACKGROUND)
        }
        # An entry lives only while somebody from that network waits for a place or holds one.
        self._of_networks = WeakValueDictionary[tuple[Purpose, str], asyncio.Semaphore]()

    @asynccontextmanager
    async def place(self, purpose: Purpose) -> AsyncIterator[None]:
        """Hold one of the purpose's places, of which the asker's network may hold half.

        Raises `DatabaseUnavailable` when no place becomes free in time.
        """
        limits = [limit for limit in (self._of_network(purpose), self._places.get(purpose)) if limit]
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(purpose.wait_seconds):
                    for limit in limits:
                        await held.enter_async_context(limit)
            except TimeoutError:
                raise unavailable(FULL) from None
            yield

    def state(self) -> PoolState:
        """Return how much of the pool is in use now."""
        pool = self.engine.sync_engine.pool
        assert isinstance(pool, QueuePool)  # noqa: S101 - what `create_async_engine` makes
        free = {purpose: places._value for purpose, places in self._places.items()}
        return PoolState(
            size=pool.size(),
            in_use=pool.checkedout(),
            top_up_places=(connections_for(TOP_UP) - free[TOP_UP], connections_for(TOP_UP)),
            background_places=(connections_for(BACKGROUND) - free[BACKGROUND], connections_for(BACKGROUND)),
        )

    def _of_network(self, purpose: Purpose) -> asyncio.Semaphore | None:
        if (who := asker()) is None:
            return None
        most = share_of_network(connections_for(purpose))
        return self._of_networks.setdefault((purpose, who.network), asyncio.Semaphore(most))


_pool: _Pool | None = None


def _get_pool() -> _Pool:
    global _pool  # noqa: PLW0603 - one process, one database
    if _pool is None:
        _pool = _Pool()
    return _pool


def pool_state() -> PoolState | None:
    """Return how much of the pool is in use, or None if this process has opened no pool."""
    return None if _pool is None else _pool.state()


@asynccontextmanager
async def transaction(purpose: Purpose | None = None) -> AsyncIterator[AsyncSession]:
    """Open one short database transaction; it commits at the end and rolls back on any exception.

    Without `purpose`, the task's own is used (`work_as`).

    Raises:
        DatabaseUnavailable: the database is unavailable, or no place in the pool became free in time.
    """
    pool = _get_pool()
    purpose = purpose or _purpose.get()
    with outages():
        async with (
            pool.place(purpose),
            AsyncSession(pool.engine, expire_on_commit=False) as db,
            db.begin(),
        ):
            await _connect(db, purpose)
            yield db
            for prepare in db.info.pop(_BEFORE_COMMIT, {}).values():
                await prepare(db)
    for do in db.info.pop(_ON_COMMIT, ()):
        do()


def on_commit(db: AsyncSession, do: Callable[[], object]) -> None:
    """Call a function after the transaction has committed; if it rolls back, the function is never called."""
    db.info.setdefault(_ON_COMMIT, []).append(do)


def before_commit(db: AsyncSession, do: Callable[[AsyncSession], Awaitable[None]]) -> None:
    """Call a function within the transaction just before it commits; once, however often it is registered."""
    db.info.setdefault(_BEFORE_COMMIT, {})[do] = do


async def _connect(db: AsyncSession, purpose: Purpose) -> None:
    outer = _purpose.set(purpose)
    try:
        await db.connection()
    except InvalidRequestError as error:  # The pool's retries with new connections failed too.
        raise unavailable(AWAY) from error
    finally:
        _purpose.reset(outer)


async def execute(
    db: AsyncSession, statement: Executable, values: _Values | Sequence[_Values] | None = None
) -> CursorResult[*tuple[Any, ...]]:
    """Run a statement within the transaction and return its rows as tuples, without building ORM objects.

    Args:
        db: the transaction's session.
        statement: the statement to run.
        values: one mapping of parameters, or several to run the statement once with each.
    """
    return await (await db.connection()).execute(statement, values)


def distrust_connections() -> None:
    """Make the pool replace each connection before it is used again, because its other end may be gone."""
    if _pool is not None:
        # SQLAlchemy itself does this after a lost connection. Disposing of the pool would open a second pool
        # beside the connections that are still in use.
        _pool.engine.sync_engine.pool._invalidate_time = time()


async def dispose() -> None:
    """Close the pool, at shutdown or before another event loop uses the engine."""
    global _pool  # noqa: PLW0603
    forget_refusals()
    if _pool is not None:
        await _pool.engine.dispose()
        _pool = None
