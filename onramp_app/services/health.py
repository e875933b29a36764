"""Whether this instance can do its work, each part with its reason."""

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db import engine
from onramp_app.db.locks import Lock
from onramp_app.db.migrate import schema_is_current
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.services.announcements import hearing
from onramp_app.services.checked import CheckedPart
from onramp_app.services.connection_checks import readiness_part

# What is older than this and not done yet has been forgotten, or there is too much of it.
BACKLOG_SECONDS = 60

# pg_locks shows an advisory lock of one number as its two halves.
_READER = text("""
SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                WHERE l.locktype = 'advisory' AND l.granted AND d.datname = current_database()
                  AND l.classid = CAST(:high AS bigint) AND l.objid = CAST(:low AS bigint) AND l.objsubid = 1)
""")
# Orders that fail wait longer and have exceptions of their own.
_BACKLOG = text("""
SELECT extract(epoch FROM now() - least(
    (SELECT min(received_at) FROM webhook_events WHERE handled_at IS NULL),
    (SELECT min(read_at) FROM provider_orders WHERE version > applied_version AND apply_failures = 0)))
""")


async def readiness() -> list[CheckedPart]:
    """Return the state of each part that requests depend on. Never raises for a part that is down."""
    try:
        async with engine.transaction() as session:
            current = await schema_is_current(session)
            connections = await readiness_part(session)
            work = [await _reader(session), await _backlog(session)] if current else []
    except DatabaseUnavailable as error:
        return [CheckedPart("database", is_well=False, detail=error.detail)]
    return [
        CheckedPart("database", is_well=True),
        connections,
        CheckedPart(
            "migrations",
            is_well=current,
            detail="" if current else "The schema is not the one this release expects.",
        ),
        *work,
        *_listening(),
    ]


def _listening() -> list[CheckedPart]:
    """Say whether this process hears announcements; without them its pages look every two seconds."""
    if hearing.is_well is None:
        return []  # It has not been tested yet, or this process shows no pages.
    # Slower is no reason to send people elsewhere: behind the same pooler every instance is deaf.
    detail = "" if hearing.is_well else "Announcements of the database do not arrive; pages look every 2 s."
    return [CheckedPart("listening", is_well=True, detail=detail)]


async def _reader(session: AsyncSession) -> CheckedPart:
    halves = {"high": Lock.READER >> 32, "low": Lock.READER & 0xFFFF_FFFF}
    is_held = bool(await (await session.connection()).scalar(_READER, halves))
    return CheckedPart("reader", is_well=is_held, detail="" if is_held else "No process reads the provider.")


async def _backlog(session: AsyncSession) -> CheckedPart:
    seconds = await (await session.connection()).scalar(_BACKLOG)
    is_well = seconds is None or seconds < BACKLOG_SECONDS
    detail = "" if is_well else f"The oldest event or order that waits is {int(seconds)} s old."
    return CheckedPart("backlog", is_well=is_well, detail=detail)
