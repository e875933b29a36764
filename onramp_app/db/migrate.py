"""Brings a database's schema up to date; the only code that runs as the database's owner.

Alembic is imported only where it has something to do: at nearly every start the schema is current, and
importing Alembic and reading all migrations took longer than the rest of the check.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

import structlog
from psycopg.errors import DeadlockDetected, LockNotAvailable
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.config import PROJECT_DIR, ConfigurationError, Settings
from onramp_app.db.direct import arguments
from onramp_app.db.engine import execute, sqlalchemy_url
from onramp_app.db.locks import Lock
from onramp_app.db.outages import outages
from onramp_app.db.poolers import refuse_poolers
from onramp_app.domain.progress import report

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATIONS = PROJECT_DIR / "alembic" / "versions"
# How long a schema change waits for a table's lock; meanwhile all later users of the table wait behind it.
_LOCK_WAIT = "1s"
# The wait above is short enough for those queued behind it; it is repeated until the lock is obtained.
_TRY_LOCKS_FOR_SECONDS = 60
_LOCK_PAUSE_SECONDS = 1
# The newest migration of the first release; no older code is expected to run on any schema.
FIRST_RELEASE = "0022"
_OLDEST = "oldest release: "
_TRY_EVERY_SECONDS = 0.2
_SAY_AFTER_SECONDS = 5

_HAS_REVISION = text("SELECT to_regclass('alembic_version') IS NOT NULL")
_REVISION = text("SELECT version_num FROM alembic_version")
# Stored beside the revision, so that a release that does not know the revision can read it, and backups have
# it.
_NOTE = text("SELECT obj_description(to_regclass('alembic_version'), 'pg_class')")

T = TypeVar("T")

_log = structlog.get_logger(__name__)


def owner_url(settings: Settings) -> str:
    """Return the address that logs in as the tables' owner and whose connections are real sessions.

    Raises:
        ConfigurationError: no database is configured.
    """
    url = settings.database_owner_url or settings.database_direct_url or settings.database_url
    if url is None:
        raise ConfigurationError("DATABASE_URL is not set and no embedded database is running.")
    return url.get_secret_value()


def _config(connection: Connection | None = None) -> "Config":
    from alembic.config import Config

    config = Config(PROJECT_DIR / "alembic.ini")
    config.set_main_option("script_location", str(PROJECT_DIR / "alembic").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


@contextmanager
def alone(url: str) -> Iterator[Connection]:
    """Yield a connection of the owner; while it is open, no other process migrates or restores the database.

    Args:
        url: the owner's `postgres://` or `postgresql://` address.

    Raises:
        DatabaseUnavailable: the database does not answer, or is unavailable at the moment.
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
            report("waiting for another process that migrates the database")
        time.sleep(_TRY_EVERY_SECONDS)
    # The lock belongs to the connection, not to a transaction: it outlives this commit and is released with
    # the connection, even when the process dies.
    connection.commit()


def migrate(url: str, revision: str = "head") -> str:
    """Apply all outstanding migrations under a lock: a second caller waits and finds nothing to do.

    A schema of a newer release is left as it is, provided that this release can use it.

    Args:
        url: the owner's `postgres://` or `postgresql://` address.
        revision: the last one to apply; by default the newest.

    Returns:
        The revision that the schema is at now.

    Raises:
        ConfigurationError: the owner may not create the application's role; or a newer release has migrated
            the database to a schema that this release cannot use.
        DatabaseUnavailable: the database does not answer, or is unavailable at the moment.
        sqlalchemy.exc.SQLAlchemyError: the database refuses a statement.
    """
    report("migrating the database")
    with alone(url) as connection:
        stands_at, note = _in_turns(connection, lambda: _standing(connection))
        if stands_at is not None and stands_at not in known_revisions():
            _accept_newer(stands_at, note)
            return str(stands_at)
        connection.commit()
        if revision == "head" and stands_at == latest_revision() and note is not None:
            return str(stands_at)
        _upgrade(connection, revision)
        if revision == "head":
            # Text of our own migrations: a comment takes no parameters.
            connection.execute(text(f"COMMENT ON TABLE alembic_version IS '{_OLDEST}{oldest_release()}'"))
        stands_at = connection.scalar(_REVISION)
        connection.commit()
        return str(stands_at)


def _standing(connection: Connection) -> tuple[str | None, str | None]:
    """Return the revision that the schema is at and the note beside it; None for each that is missing."""
    stands_at = connection.scalar(_REVISION) if connection.scalar(_HAS_REVISION) else None
    return stands_at, connection.scalar(_NOTE) if stands_at is not None else None


def _accept_newer(stands_at: str, note: str | None) -> None:
    if _understands(note):
        _log.warning("a newer release has migrated the database", schema=stands_at, release=latest_revision())
        return
    raise ConfigurationError(
        f"A newer release has migrated the database, to {stands_at}, and this one, of {latest_revision()},"
        " cannot use that any more; start the newer release, or restore the backup from before."
    )


def _understands(note: str | None) -> bool:
    """Return whether this code can use a newer schema. Revisions are numbers of equal length."""
    return note is None or latest_revision() >= note.removeprefix(_OLDEST)


def _upgrade(connection: Connection, revision: str) -> None:
    """Apply migrations up to `revision`, each in its own transaction."""
    from alembic import command

    _in_turns(connection, lambda: command.upgrade(_config(connection), revision))


def _in_turns(connection: Connection, work: Callable[[], T]) -> T:
    """Run `work`, retrying for a minute while others' locks block it; each attempt waits only briefly."""
    deadline = time.monotonic() + _TRY_LOCKS_FOR_SECONDS
    while True:
        try:
            return work()
        except OperationalError as error:
            is_in_the_way = isinstance(error.orig, (LockNotAvailable, DeadlockDetected))
            if not is_in_the_way or time.monotonic() > deadline:
                raise
            connection.rollback()
            _log.warning("a migration waits for others who use its tables")
            report("migrating the database, waiting for others who use its tables")
            time.sleep(_LOCK_PAUSE_SECONDS)


async def bring_up_to_date(settings: Settings) -> str:
    """Apply all outstanding migrations to the configured database; return the revision that it is at now.

    Raises:
        ConfigurationError: a pooler is in front of the database, the owner lacks a privilege, or a newer
            release has migrated the database to a schema that this release cannot use.
        DatabaseUnavailable: the database does not answer, or is unavailable at the moment.
    """
    url = owner_url(settings)
    await refuse_poolers(settings)
    try:
        return await asyncio.to_thread(migrate, url)
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        raise ConfigurationError(f"The database refuses to be migrated: {reason}") from error


def downgrade(url: str, revision: str) -> None:
    """Revert migrations down to `revision` (`base`: all). The tables and columns they made are lost."""
    from alembic import command

    with alone(url) as connection:
        command.downgrade(_config(connection), revision)


def latest_revision() -> str:
    """Return the revision of the newest migration in this code."""
    return max(known_revisions())


@lru_cache(maxsize=1)
def known_revisions() -> frozenset[str]:
    """Return the revisions of all migrations in this code: the numbers of their files."""
    return frozenset(file.name.partition("_")[0] for file in _MIGRATIONS.glob("[0-9]*_*.py"))


def oldest_release() -> str:
    """Return the oldest release that can use this code's schema, as the revision of its newest migration.

    A migration that removes something which the previous release uses names, as `oldest_release`, the first
    release that does without it. All other migrations only add.
    """
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    return max(FIRST_RELEASE, *(getattr(one.module, "oldest_release", FIRST_RELEASE) for one in scripts))


class Schema(Enum):
    """How the schema of a database compares with this code."""

    OLDER = auto()
    CURRENT = auto()
    NEWER = auto()
    TOO_NEW = auto()


async def schema_of(db: AsyncSession) -> Schema:
    """Return how the database's schema compares with this code.

    `NEWER` if a later release has migrated it and this code can still use it, `TOO_NEW` if it cannot.
    """
    if not (await execute(db, _HAS_REVISION)).scalar():
        return Schema.OLDER
    stands_at: str | None = (await execute(db, _REVISION)).scalar()
    if stands_at == latest_revision():
        return Schema.CURRENT
    if stands_at is None or stands_at in known_revisions():
        return Schema.OLDER
    return Schema.NEWER if _understands((await execute(db, _NOTE)).scalar()) else Schema.TOO_NEW


async def schema_is_current(db: AsyncSession) -> bool:
    """Return whether the database is at the newest migration of this code."""
    return await schema_of(db) is Schema.CURRENT
