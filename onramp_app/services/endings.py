"""Which sessions have ended: as it happens, and by asking. For those who show pages to a session."""

from collections.abc import AsyncIterator, Collection

import psycopg
from sqlmodel import col, select

from onramp_app.config import ConfigurationError, get_settings
from onramp_app.db.engine import transaction
from onramp_app.db.tables import AuthSession
from onramp_app.domain import clock
from onramp_app.services.sessions import ENDED_CHANNEL, is_alive


async def listen_for_ended() -> AsyncIterator[str | None]:
    """Yield None once it listens, then the id of each session that is ended, on a connection of its own.

    Sessions that end by age are not announced, nor those that ended before the None; `ended_among` finds
    them.

    Raises:
        psycopg.OperationalError: the connection failed or was lost; what ended meanwhile was missed.
    """
    url = get_settings().database_url
    if url is None:
        raise ConfigurationError("DATABASE_URL is not set and no embedded database is running.")
    connection = await psycopg.AsyncConnection.connect(
        url.get_secret_value(), autocommit=True, application_name="onramp_app endings", connect_timeout=5
    )
    async with connection:
        await connection.execute(f"LISTEN {ENDED_CHANNEL}")
        yield None
        async for notification in connection.notifies():
            yield notification.payload


async def ended_among(session_ids: Collection[str]) -> set[str]:
    """Return those of the sessions that have ended, by age too, in one query. Is no event of theirs.

    Raises:
        DatabaseUnavailable: it could not be read.
    """
    async with transaction() as db:
        rows = (await db.exec(select(AuthSession).where(col(AuthSession.id).in_(session_ids)))).all()
    now = clock.now()
    return set(session_ids) - {row.id for row in rows if is_alive(row, now)}
