"""Brings a database's schema up to date; the only code that runs as the database's owner."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum, auto
from functools import lru_cache

import structlog
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.config import PROJECT_DIR, ConfigurationError, Settings
from onramp_app.db.direct import arguments
from onramp_app.db.engine import execute, sqlalchemy_url
from onramp_app.db.locks import Lock
from onramp_app.db.outages import outages
from onramp_app.db.poolers import refuse_poolers
from onramp_app.domain.progress import report

# How long a change of a table waits for its users; meanwhile all later users wait behind the change.
_LOCK_WAIT = "10s"
_TRY_EVERY_SECONDS = 0.2
_SAY_AFTER_SECONDS = 5

_HAS_REVISION = text("SELECT to_regclass('alembic_version') IS NOT NULL")
_REVISION = text("SELECT version_num FROM alembic_version")

_log = structlog.get_logger(__name__)


def owner_url(settings: Settings) -> str:
    """Return the address of the owner of the tables, where a connection is a session.

    Raises:
        ConfigurationError: no database is configured.
    """
    url = settings.database_owner_url or settings.database_direct_url or settings.database_url
    if url is None:
        raise ConfigurationError("DATABASE_URL is not set and no embedded database is running.")
    return url.get_secret_value()


def _config(connection: Connection | None = None) -> Config:
    config = Config(PROJECT_DIR / "alembic.ini")
    config.set_main_option("script_location", str(PROJECT_DIR / "alembic").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def alone(url: str) -> Iterator[Connection]:
    """Give a connection of the owner during which no other process migrates or restores the database.

    Args:
        url: the owner's `postgres://` or `postgresql://` address.

    Raises:
        DatabaseUnavailable: the database does not answer, or cannot do it now.
    """
    engine = create_engine(sqlalchemy_url(url), poolclass=NullPool, connect_args=arguments("migrate"))
    with outages(), engine.connect() as connection:
        connection.execute(text(f"SET lock_timeout = '{_LOCK_WAIT}'"))
        _take_lock(connection)
        yield connection


def _take_lock(connection: Connection) -> None:
    began, is_said = time.monotonic(), False
    while not connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": Lock.MIGRATION}):
        connection.commit()
        if not is_said and time.monotonic() - began > _SAY_AFTER_SECONDS:
            is_said = True
            _log.warning("waiting for another process that migrates the database")
        time.sleep(_TRY_EVERY_SECONDS)
    # The lock belongs to the connection and not to a transaction: it outlives this commit and
    # ends with the connection, also when the process dies.
    connection.commit()


def migrate(url: str, revision: str = "head") -> None:
    """Apply all outstanding migrations, alone: a second caller waits and finds nothing to do.

    Args:
        url: the owner's `postgres://` or `postgresql://` address.
        revision: the last one to apply; by default the newest.

    Raises:
        ConfigurationError: the owner may not create the application's role.
        DatabaseUnavailable: the database does not answer, or cannot do it now.
        sqlalchemy.exc.SQLAlchemyError: the database refuses.
    """
    report("migrating the database")
    with alone(url) as connection:
        command.upgrade(_config(connection), revision)


async def bring_up_to_date(settings: Settings) -> None:
    """Apply all outstanding migrations to the configured database.

    Raises:
        ConfigurationError: a pooler stands before the database, or the owner may not do something.
        DatabaseUnavailable: the database does not answer, or cannot do it now.
    """
    url = owner_url(settings)
    await refuse_poolers(settings)
    try:
        await asyncio.to_thread(migrate, url)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        raise ConfigurationError(f"The database refuses to be migrated: {reason}") from error


def downgrade(url: str, revision: str) -> None:
    """Take migrations back to `revision` (`base`: all). Data in the tables and columns they made is lost."""
    with alone(url) as connection:
        command.downgrade(_config(connection), revision)


@lru_cache(maxsize=1)
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


@lru_cache(maxsize=1)
def latest_revision() -> str:
    """Return the name of the newest migration that this code brings along."""
    revision = _scripts().get_current_head()
    if revision is None:
        raise AssertionError("There are no migrations beside this code.")
    return revision


@lru_cache(maxsize=1)
def known_revisions() -> frozenset[str]:
    """Return the names of all migrations that this code brings along."""
    return frozenset(script.revision for script in _scripts().walk_revisions())


class Schema(Enum):
    """How the schema of a database compares with this code."""

    OLDER = auto()
    CURRENT = auto()
    NEWER = auto()


async def schema_of(db: AsyncSession) -> Schema:
    """Return how the database's schema compares with this code: newer where a later release migrated it."""
    if not (await execute(db, _HAS_REVISION)).scalar():
        return Schema.OLDER
    stands_at: str | None = (await execute(db, _REVISION)).scalar()
    if stands_at == latest_revision():
        return Schema.CURRENT
    return Schema.OLDER if stands_at is None or stands_at in known_revisions() else Schema.NEWER


async def schema_is_current(db: AsyncSession) -> bool:
    """Return whether the database is at the newest migration of this code."""
    return await schema_of(db) is Schema.CURRENT
