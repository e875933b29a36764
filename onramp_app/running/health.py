"""Reports whether this instance is ready to serve, and the state of the whole system, part by part.

Each report is answered within two seconds, even while the database is down.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.chain.status import away_networks
from onramp_app.config import get_settings
from onramp_app.db import engine
from onramp_app.db.engine import execute
from onramp_app.db.migrate import Schema, schema_of
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.fleet.echo import echo_test
from onramp_app.fleet.watch import end
from onramp_app.mail.views import backlog as mail_backlog
from onramp_app.outgoing_webhooks.views import backlog as webhook_backlog
from onramp_app.provider_orders.reader import LEASE
from onramp_app.running.connection_checks import ask_redis, readiness_part
from onramp_app.running.parts import CheckedPart, UnwellError

ANSWER_SECONDS = 1.5
# Work that has waited longer than this was forgotten, or there is too much of it.
BACKLOG_SECONDS = 60
# Reading takes longer where the list is long or the provider answers slowly.
READ_SECONDS = 60
_POLLS = 3
# A mail server may be down for a while, but people who wait for a link to set a password soon give up.
MAIL_SECONDS = 600
# A due webhook to a working endpoint is normally sent within seconds.
WEBHOOK_SECONDS = 300

_SCHEMA = {
    Schema.CURRENT: CheckedPart("schema", is_well=True),
    # A migration is compatible with the previous release, which keeps running while the new one starts.
    Schema.NEWER: CheckedPart("schema", is_well=True, detail="It is the schema of a newer release."),
    Schema.TOO_NEW: CheckedPart(
        "schema",
        is_well=False,
        detail="It is of a newer release, which left nothing that this one could use.",
    ),
    Schema.OLDER: CheckedPart("schema", is_well=False, detail="It is not the one this release expects."),
}
_READER = text("""
SELECT until > clock_timestamp() AS is_held, clock_timestamp() - worked_at AS ago
  FROM leases WHERE name = :name
""")
# Orders whose applying failed are left out: they back off for longer, and have their own cases.
_BACKLOG = text("""
SELECT extract(epoch FROM now() - least(
    (SELECT min(received_at) FROM webhook_events WHERE handled_at IS NULL),
    (SELECT min(read_at) FROM provider_orders WHERE version > applied_version AND apply_failures = 0)))
""")

Look = Callable[[AsyncSession], Awaitable[list[CheckedPart]]]
_ending: set[asyncio.Task[None]] = set()


async def readiness() -> list[CheckedPart]:
    """Return the state of each part that requests depend on. Never raises for a part that is down."""
    return await _answered_in_time(_instance)


async def status() -> list[CheckedPart]:
    """Return the state of each part of the system. Never raises for a part that is down.

    None of these is a reason to route people to another instance, which would report the same.
    """
    system, redis = await asyncio.gather(_answered_in_time(_system), _redis())
    return system + redis + _listening()


async def _answered_in_time(look: Look) -> list[CheckedPart]:
    """Run a look at the database, and report the database as not answering when it takes too long."""
    looking = asyncio.create_task(_look(look))
    try:
        await asyncio.wait({looking}, timeout=ANSWER_SECONDS)
        if looking.done():
            return looking.result()
    finally:
        if not looking.done():
            ending = asyncio.create_task(end(looking))
            _ending.add(ending)
            ending.add_done_callback(_ending.discard)
    reason = "The database does not answer in time, or no connection to it is free."
    return [CheckedPart("database", is_well=False, detail=reason)]


async def _look(look: Look) -> list[CheckedPart]:
    try:
        async with engine.transaction() as db:
            return [CheckedPart("database", is_well=True), *await look(db)]
    except DatabaseUnavailable as error:
        return [CheckedPart("database", is_well=False, detail=error.detail)]


async def _instance(db: AsyncSession) -> list[CheckedPart]:
    return [_SCHEMA[await schema_of(db)], await readiness_part(db)]


async def _system(db: AsyncSession) -> list[CheckedPart]:
    schema = _SCHEMA[await schema_of(db)]
    if not schema.is_well:
        return [schema]
    # Without CHAIN_RPC no network is read, so none is a part of the system.
    chain = [await _chain(db)] if get_settings().chain_rpc else []
    parts = [await _reader(db), await _backlog(db), await _mail(db), await _outgoing_webhooks(db)]
    return [schema, *parts, *chain]


async def _redis() -> list[CheckedPart]:
    """Return whether Redis answers. While it is down, an instance still credits; only its pages freeze."""
    url = get_settings().redis_url
    if url is None:
        return []
    try:
        await ask_redis(url.get_secret_value(), seconds=ANSWER_SECONDS / 2)  # to connect, and to answer
    except UnwellError as error:
        return [CheckedPart("redis", is_well=False, detail=str(error))]
    return [CheckedPart("redis", is_well=True)]


def _listening() -> list[CheckedPart]:
    """Return whether NOTIFY reaches this process; without it, its pages look every two seconds."""
    if echo_test.is_well is None:
        return []  # Not tested yet, or this process serves no pages.
    detail = "" if echo_test.is_well else "Announcements of the database do not arrive; pages look every 2 s."
    return [CheckedPart("listening", is_well=echo_test.is_well, detail=detail)]


async def _reader(db: AsyncSession) -> CheckedPart:
    """Judge the reader by its last read, not only by its lease: one that reads nothing counts as missing."""
    row = (await execute(db, _READER, {"name": LEASE})).one_or_none()
    most = timedelta(seconds=max(READ_SECONDS, _POLLS * get_settings().onramp_poll_seconds))
    if row is None or not row.is_held:
        reason = "No process reads the provider."
    elif row.ago is None:
        reason = "The reader has begun and not read the provider yet."
    elif row.ago > most:
        reason = f"The provider was last read {int(row.ago.total_seconds())} s ago."
    else:
        reason = ""
    return CheckedPart("reader", is_well=not reason, detail=reason)


async def _chain(db: AsyncSession) -> CheckedPart:
    away = [network for network in await away_networks(db) if network.is_alarming]
    detail = " ".join(
        f"No server of {one.network} has answered for {one.seconds // 60} minutes;"
        f" deliveries that wait: {one.waiting}."
        for one in away
    )
    return CheckedPart("chain", is_well=not away, detail=detail)


async def _mail(db: AsyncSession) -> CheckedPart:
    waiting = await mail_backlog(db)
    if waiting.oldest_seconds < MAIL_SECONDS:
        return CheckedPart("mail", is_well=True)
    minutes = int(waiting.oldest_seconds // 60)
    detail = f"{waiting.waiting} emails wait to be sent, the oldest for {minutes} minutes."
    return CheckedPart("mail", is_well=False, detail=detail)


async def _outgoing_webhooks(db: AsyncSession) -> CheckedPart:
    """Judge by webhooks that could have been sent: an endpoint that takes none is its program's to repair."""
    stands = await webhook_backlog(db)
    words = []
    if is_late := stands.overdue_seconds >= WEBHOOK_SECONDS:
        minutes = int(stands.overdue_seconds // 60)
        words.append(f"{stands.waiting} webhooks to programs wait, the oldest due for {minutes} minutes.")
    if stands.failing:
        words.append(f"Endpoints of programs that take nothing at present: {stands.failing}.")
    if stands.disabled:
        words.append(f"Endpoints that were disabled because they took nothing: {stands.disabled}.")
    return CheckedPart("outgoing_webhooks", is_well=not is_late, detail=" ".join(words))


async def _backlog(db: AsyncSession) -> CheckedPart:
    seconds: float | None = (await execute(db, _BACKLOG)).scalar()
    if seconds is None or seconds < BACKLOG_SECONDS:
        return CheckedPart("backlog", is_well=True, detail="")
    detail = f"The oldest event or order that waits is {int(seconds)} s old."
    return CheckedPart("backlog", is_well=False, detail=detail)
