"""The process's connection pool and its transactions. Every query of the application goes through here.

The pool belongs to the event loop that first used it; `dispose` before another loop takes over.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache

from psycopg import Error as PsycopgError
from sqlalchemy import event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.config import ConfigurationError, get_settings
from onramp_app.domain.errors import DatabaseUnavailable

APPLICATION_ROLE = "onramp_app"


def sqlalchemy_url(url: str) -> str:
    """Return `postgres://…` or `postgresql://…` with the driver SQLAlchemy is to use."""
    return "postgresql+psycopg://" + url.split("://", 1)[1]


def _prepare_connection(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # The role owns nothing and may only insert into and read the ledger: a bug or an injection
    # in the application cannot rewrite the books. RESET ROLE is possible, so this guards against
    # mistakes; DATABASE_OWNER_URL with a separate login guards against intent.
    # Whoever logs in as the role already may also set it.
    cursor = connection.cursor()
    try:
        cursor.execute(f"SET ROLE {APPLICATION_ROLE}")
        cursor.execute("SET TIME ZONE 'UTC'")  # Times are read in UTC, whatever the server's own zone is.
    except PsycopgError as error:
        raise DatabaseUnavailable(
            "The database is not ready: its migrations have not run, or its user may not work as"
            f" {APPLICATION_ROLE}.",
            retry_after_seconds=30,
        ) from error
    cursor.close()
    connection.commit()


@lru_cache(maxsize=1)
def get_engine() -> AsyncEngine:
    """Return the process's engine. Raises `ConfigurationError` when no database is configured."""
    settings = get_settings()
    if settings.database_url is None:
        raise ConfigurationError("DATABASE_URL is not set and no embedded database is running.")
    engine = create_async_engine(
        sqlalchemy_url(settings.database_url.get_secret_value()),
        pool_size=10,
        max_overflow=10,
        pool_timeout=5,
        pool_pre_ping=True,
        hide_parameters=True,  # Values are personal: they stay out of logs and of errors.
        connect_args={"connect_timeout": 5, "application_name": "onramp_app"},
    )
    event.listen(engine.sync_engine, "connect", _prepare_connection)
    return engine


@asynccontextmanager
async def transaction() -> AsyncIterator[AsyncSession]:
    """Open one short database transaction; commits at the end, rolls back on any exception.

    Raises:
        DatabaseUnavailable: the database refuses connections, or the pool is exhausted for 5 s.
    """
    try:
        async with AsyncSession(get_engine(), expire_on_commit=False) as session, session.begin():
            yield session
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        raise DatabaseUnavailable(
            "The database does not answer. Try again shortly.", retry_after_seconds=5
        ) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable(
                "The database connection was lost. Try again shortly.", retry_after_seconds=5
            ) from error
        raise


async def ping() -> None:
    """Make one round trip. Raises `DatabaseUnavailable`."""
    async with transaction() as session:
        await (await session.connection()).execute(text("SELECT 1"))


async def dispose() -> None:
    """Close the pool, at shutdown or before another event loop uses the engine."""
    if get_engine.cache_info().currsize:
        await get_engine().dispose()
        get_engine.cache_clear()
