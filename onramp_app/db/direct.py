"""Connections of their own, outside the pool: for batches, advisory locks, LISTEN and NOTIFY.

They belong to what opened them and last as long, which a pool would not allow.
"""

import psycopg
from psycopg import sql

from onramp_app.config import ConfigurationError, get_settings
from onramp_app.db.engine import APPLICATION_ROLE
from onramp_app.domain.errors import DatabaseUnavailable

_CONNECT_SECONDS = 3

Connection = psycopg.AsyncConnection[tuple[object, ...]]


async def connect(name: str) -> Connection:
    """Open a connection in autocommit mode that works as the application's role, in UTC.

    Args:
        name: what for, as `pg_stat_activity` shows it.

    Raises:
        ConfigurationError: no database is configured.
        DatabaseUnavailable: it refuses, or does not answer within 3 s.
    """
    url = get_settings().database_url
    if url is None:
        raise ConfigurationError("DATABASE_URL is not set and no embedded database is running.")
    try:
        connection: Connection = await psycopg.AsyncConnection.connect(
            url.get_secret_value(),
            autocommit=True,
            connect_timeout=_CONNECT_SECONDS,
            application_name=f"onramp_app {name}",
            # A server that vanished without a word is noticed within seconds, not after two hours.
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            tcp_user_timeout=5_000,
        )
        try:
            await connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(APPLICATION_ROLE)))
            await connection.execute("SET TIME ZONE 'UTC'")
        except BaseException:
            await connection.close()
            raise
    except psycopg.Error as error:
        raise DatabaseUnavailable(
            "The database does not answer. Try again shortly.", retry_after_seconds=5
        ) from error
    return connection


async def notify(connection: Connection, channel: str, payload: str = "") -> None:
    """Send one notification now. Raises `psycopg.Error`."""
    await connection.execute("SELECT pg_notify(%s, %s)", (channel, payload))
