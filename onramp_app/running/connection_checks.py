"""Checks this process's database connections: how many it gets, that they are sessions, and their role."""

import contextlib

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.config import ConfigurationError, Settings, get_settings
from onramp_app.db.capacity import Capacity, capacity
from onramp_app.db.direct import APPLICATION_ROLE, Use, was_refused
from onramp_app.db.engine import execute, transaction
from onramp_app.db.poolers import refuse_poolers
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.local.reachable import why_no_redis
from onramp_app.provider_orders.inbox import get_inbox
from onramp_app.running.parts import CheckedPart, UnwellError

_ROLE = text("""
SELECT session_user, current_user, has_schema_privilege('public', 'CREATE'),
       EXISTS (SELECT FROM pg_class WHERE pg_get_userbyid(relowner) = current_user),
       EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace
                                      AND pg_has_role(session_user, relowner, 'MEMBER'))
""")
_log = structlog.get_logger(__name__)


def _needed(settings: Settings) -> int:
    """Return how many server connections one process needs: behind a pooler, only its long-lived ones."""
    return len(Use) if settings.database_direct_url else settings.database_connections


async def ask_redis(url: str, *, seconds: float) -> None:
    """Ping Redis.

    Raises:
        UnwellError: it does not answer in time, or refuses the login.
    """
    client = Redis.from_url(url, socket_timeout=seconds, socket_connect_timeout=seconds)
    try:
        await client.ping()  # type: ignore[misc]  # typed for the synchronous client too
    except (RedisError, OSError) as error:
        raise UnwellError(why_no_redis(url, error)) from error
    finally:
        await client.aclose()


async def _capacity() -> Capacity:
    async with transaction() as db:
        return await capacity(db)


def _too_few(settings: Settings, found: Capacity) -> str:
    return (
        f"DATABASE_CONNECTIONS is {settings.database_connections}, and the database grants this login"
        f" {found.limit} in all: raise its limit, or lower the setting."
    )


async def connections(settings: Settings) -> str:
    """Compare the connections that one process needs with what the server grants its login."""
    if settings.database_url is None:
        return f"The embedded PostgreSQL grants the {settings.database_connections} of DATABASE_CONNECTIONS."
    found, needed = await _capacity(), _needed(settings)
    if found.limit < needed:
        raise UnwellError(_too_few(settings, found))
    return (
        f"Each instance and worker takes up to {needed}. The database grants {found.limit}, of which"
        f" {found.free} are free: enough for {found.limit // needed} of them in all."
    )


async def sessions(settings: Settings) -> str:
    """Check that locks and notifications get a connection that no pooler shares."""
    if settings.database_url is None:
        return "The embedded PostgreSQL is used without a pooler."
    try:
        await refuse_poolers(settings)
    except ConfigurationError as error:
        raise UnwellError(str(error)) from None
    if settings.database_direct_url:
        return "DATABASE_DIRECT_URL gives locks, notifications and migrations a connection of their own."
    return "No pooler shares the connections."


async def role(settings: Settings) -> str:
    """Check that transactions cannot change the schema; in production, that the login cannot either."""
    if settings.database_url is None:
        return f"The embedded PostgreSQL is used as {APPLICATION_ROLE}."
    async with transaction() as db:
        row = (await execute(db, _ROLE)).one()
    login, role, can_create, owns_tables, may_own = row
    if can_create:
        raise UnwellError(
            f"{role} may create tables: run REVOKE CREATE ON SCHEMA public FROM PUBLIC, {role}."
        )
    if owns_tables:
        raise UnwellError(f"{role} owns tables: give them to the owner of the database.")
    if not may_own:
        return f"Logs in as {login}, which may not change the schema."
    sentence = (
        f"Logs in as {login} and works as {role}. This guards against mistakes; a login of its own as"
        f" {APPLICATION_ROLE}, with DATABASE_OWNER_URL for migrations, guards against intent."
    )
    if settings.is_production:
        raise UnwellError(f"{sentence} docs/operations.md has the statements that make it.")
    return sentence


async def warn_at_start() -> None:
    """Log a warning for what `check` would find wrong with connections and role, and go on.

    Raises:
        DatabaseUnavailable: the checks could not be made.
    """
    settings = get_settings()
    for looking in (connections(settings), role(settings)):
        try:
            await looking
        except UnwellError as error:
            _log.warning("the database is not set up as it should be", reason=str(error))


async def readiness_part(db: AsyncSession) -> CheckedPart:
    """Return whether this process gets the connections it asks for, above all the inbox's own."""
    found, settings = await capacity(db), get_settings()
    with contextlib.suppress(DatabaseUnavailable):
        await get_inbox().open()
    if was_refused():
        reason = (
            f"The database refused a connection just now; of the {found.limit} for this login {found.free}"
            " are free."
        )
        return CheckedPart("connections", is_well=False, detail=reason)
    is_enough = found.limit >= _needed(settings)
    return CheckedPart("connections", is_well=True, detail="" if is_enough else _too_few(settings, found))
