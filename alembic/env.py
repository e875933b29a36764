"""Alembic's environment: runs migrations on the connection that it is given, or on one from the settings."""

from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationInfo
from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from onramp_app.config import get_settings
from onramp_app.db.engine import sqlalchemy_url
from onramp_app.db.migrate import owner_url
from onramp_app.domain.progress import report
from onramp_app.schema import METADATA


def _say_which(*, step: MigrationInfo, **_: Any) -> None:
    report(f"migrating the database, {step.up_revision_id} is done")


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=METADATA,
        compare_type=True,
        on_version_apply=_say_which,
        # Locks are held only for one migration at a time, and completed migrations stay applied.
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    with create_engine(sqlalchemy_url(owner_url(get_settings())), poolclass=NullPool).connect() as own:
        _run(own)
