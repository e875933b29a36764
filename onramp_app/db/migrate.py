"""Brings a database's schema up to date; the only code that runs as the database's owner."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.config import PROJECT_DIR
from onramp_app.db.engine import sqlalchemy_url
from onramp_app.db.locks import Lock


def _config() -> Config:
    config = Config(PROJECT_DIR / "alembic.ini")
    config.set_main_option("script_location", str(PROJECT_DIR / "alembic").replace("%", "%%"))
    return config


@contextmanager
def _connect(url: str) -> Iterator[Connection]:
    engine = create_engine(
        sqlalchemy_url(url),
        poolclass=NullPool,
        connect_args={"connect_timeout": 5, "application_name": "onramp_app migrate"},
    )
    with engine.connect() as connection:
        yield connection


@contextmanager
def _alone(url: str) -> Iterator[Config]:
    with _connect(url) as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": Lock.MIGRATION})
        # The lock belongs to the connection and not to a transaction: it outlives this commit and
        # ends with the connection, also when the process dies.
        connection.commit()
        config = _config()
        config.attributes["connection"] = connection
        yield config


def migrate(url: str) -> None:
    """Apply all outstanding migrations, alone: a second caller waits and finds nothing to do.

    Args:
        url: the owner's `postgres://` or `postgresql://` address.

    Raises:
        ConfigurationError: the owner may not create the application's role.
        sqlalchemy.exc.SQLAlchemyError: the database does not answer or refuses.
    """
    with _alone(url) as config:
        command.upgrade(config, "head")


def downgrade(url: str, revision: str) -> None:
    """Take migrations back to `revision` (`base`: all). Data in what they made is lost."""
    with _alone(url) as config:
        command.downgrade(config, revision)


@lru_cache(maxsize=1)
def latest_revision() -> str:
    """Return the name of the newest migration that this code brings along."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise AssertionError("There are no migrations beside this code.")
    return revision


async def schema_is_current(session: AsyncSession) -> bool:
    """Say whether the database stands at the newest migration of this code."""
    connection = await session.connection()
    if not await connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL")):
        return False
    stands_at: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    return stands_at == latest_revision()
