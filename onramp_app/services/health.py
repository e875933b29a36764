"""Whether this instance can do its work, each part with its reason."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db import engine
from onramp_app.db.locks import Lock
from onramp_app.db.migrate import schema_is_current
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.services.announcements import hearing

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


@dataclass(frozen=True, slots=True)
class Check:
    """The state of one part; `reason` says what is wrong, or what is worse than it could be."""

    name: str
    is_well: bool
    reason: str = ""


async def readiness() -> list[Check]:
    """Return the state of each part that requests depend on. Never raises for a part that is down."""
    try:
        async with engine.transaction() as session:
            current = await schema_is_current(session)
            work = [await _reader(session), await _backlog(session)] if current else []
    except DatabaseUnavailable as error:
        return [Check("database", is_well=False, reason=error.detail)]
    return [
        Check("database", is_well=True),
        Check(
            "migrations",
            is_well=current,
            reason="" if current else "The schema is not the one this release expects.",
        ),
        *work,
        *_listening(),
    ]


def _listening() -> list[Check]:
    """Say whether this process hears announcements; without them its pages look every two seconds."""
    if hearing.is_well is None:
        return []  # It has not been tested yet, or this process shows no pages.
    # Slower is no reason to send people elsewhere: behind the same pooler every instance is deaf.
    reason = "" if hearing.is_well else "Announcements of the database do not arrive; pages look every 2 s."
    return [Check("listening", is_well=True, reason=reason)]


async def _reader(session: AsyncSession) -> Check:
    halves = {"high": Lock.READER >> 32, "low": Lock.READER & 0xFFFF_FFFF}
    is_held = bool(await (await session.connection()).scalar(_READER, halves))
    return Check("reader", is_well=is_held, reason="" if is_held else "No process reads the provider.")


async def _backlog(session: AsyncSession) -> Check:
    seconds = await (await session.connection()).scalar(_BACKLOG)
    is_well = seconds is None or seconds < BACKLOG_SECONDS
    reason = "" if is_well else f"The oldest event or order that waits is {int(seconds)} s old."
    return Check("backlog", is_well=is_well, reason=reason)
