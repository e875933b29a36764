"""The life of one running instance: the schema before it serves, its claim on the database, its end."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog
from sqlalchemy import text

from onramp_app.config import ConfigurationError, Settings, get_settings
from onramp_app.db import direct, engine
from onramp_app.db.engine import execute
from onramp_app.db.migrate import migrate, owner_url
from onramp_app.db.poolers import refuse_poolers
from onramp_app.domain.environment import Environment, current_environment
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.fleet import changed_people
from onramp_app.fleet.lease import Lease
from onramp_app.fleet.watch import end, keep_running, rest
from onramp_app.ledger.assets import enable_assets
from onramp_app.pricing.rates import get_rates
from onramp_app.provider_orders import inbox, webhook_address
from onramp_app.running import closing
from onramp_app.running.connection_checks import warn_at_start
from onramp_app.treasury import changes

_HANDOVER_SECONDS = 30
_CLAIM = "instance"
_WITH_REDIS = "those with Redis"
_CLAIM_SECONDS = 8.0
_RENEW_SECONDS = 2.0
_CLAIM_WITHIN_SECONDS = 5.0

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def running_instance() -> AsyncIterator[None]:
    """Prepare the database, claim it, and close every connection at the end.

    Raises:
        ConfigurationError: as for a worker; a second production instance without `REDIS_URL`.
    """
    async with _database_prepared() as settings, _claim(settings):
        await inbox.get_inbox().open()
        await _begin()
        async with _beside(*_work(settings)):
            yield


@asynccontextmanager
async def running_worker() -> AsyncIterator[None]:
    """Do the same for a process that serves no pages: it claims nothing.

    Raises:
        ConfigurationError: a database with play money in production; an asset whose decimals nobody knows.
    """
    async with _database_prepared():
        await _begin()
        async with _beside(get_rates().run()):
            yield


@asynccontextmanager
async def _database_prepared() -> AsyncIterator[Settings]:
    settings = get_settings()
    try:
        owner = owner_url(settings)
        await refuse_poolers(settings)
        await asyncio.to_thread(migrate, owner)
        yield settings
    except (ConfigurationError, DatabaseUnavailable) as error:
        _log.error("this instance cannot run", reason=str(error))
        raise
    finally:
        await inbox.close()
        await changed_people.close()
        await closing.disconnect()
        await engine.dispose()


async def _begin() -> None:
    await refuse_other_money()
    await warn_at_start()
    await enable_assets()
    await changes.record_changes()


def _work(settings: Settings) -> list[Coroutine[Any, Any, None]]:
    """Return what this process does beside answering: nothing here is needed to serve."""
    work: list[Coroutine[Any, Any, None]] = []
    if settings.uses_simulator:
        work.append(webhook_address.register_with_simulator())
    if settings.background_work == "on":
        work.append(get_rates().run())
    return work


@asynccontextmanager
async def _beside(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run the work for as long as the context lasts, and wait until it has ended."""
    tasks = [asyncio.create_task(part) for part in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# Each part is served by an index, and stops at the first row it finds.
_OTHER_MONEY = text("""
SELECT EXISTS (SELECT FROM top_ups WHERE environment <> 'live')
    OR EXISTS (SELECT FROM provider_orders WHERE environment < 'live')
    OR EXISTS (SELECT FROM provider_orders WHERE environment > 'live')
    OR EXISTS (SELECT FROM ledger_transfers WHERE environment < 'live')
    OR EXISTS (SELECT FROM ledger_transfers WHERE environment > 'live')
""")


async def refuse_other_money() -> None:
    """Keep play money out of production: a balance made in a simulator would be paid out for real.

    Raises:
        ConfigurationError: this is production, and the database holds orders of a simulator or sandbox.
    """
    if current_environment() is not Environment.LIVE:
        return
    async with engine.transaction() as db:
        if (await execute(db, _OTHER_MONEY)).scalar():
            raise ConfigurationError(
                "DATABASE_URL names a database with simulated or test top-ups; production needs its own."
            )


@asynccontextmanager
async def _claim(settings: Settings) -> AsyncIterator[None]:
    """Hold the database alone without Redis, or together with others that have it, in production.

    Without Redis each instance would keep its own states of the pages and its own throttles. A new release
    waits for the old one to leave. The claim is a lease, renewed for as long as the instance runs.
    """
    if not settings.is_production or settings.database_url is None:
        yield
        return
    is_shared = settings.redis_url is not None
    lease = Lease(_CLAIM, seconds=_CLAIM_SECONDS, holder=_WITH_REDIS if is_shared else "")
    await _take_claim(lease)
    keeping = asyncio.create_task(
        keep_running("claim", lambda: _keep_claim(lease), within_seconds=_CLAIM_WITHIN_SECONDS)
    )
    try:
        yield
    finally:
        await end(keeping)
        if not is_shared:  # Others may hold it too; they renew it.
            await _leave_claim(lease)


async def _take_claim(lease: Lease) -> None:
    """Wait for the claim for as long as an old release may take to leave.

    Raises:
        ConfigurationError: another instance holds the database, and one of the two has no Redis.
        DatabaseUnavailable: it does not answer.
    """
    async with await direct.connect(direct.Use.INSTANCE) as connection:
        for _ in range(_HANDOVER_SECONDS):
            if await lease.take(connection):
                _log.info("instance claimed the database")
                return
            await asyncio.sleep(1)
    raise ConfigurationError(
        "REDIS_URL is not set, and another instance already runs on this database; "
        "several instances need Redis, all of them."
    )


async def _keep_claim(lease: Lease) -> None:
    """Renew the claim; end this process when another instance has it.

    Going on without it would mean two instances that know nothing of each other's sessions and counts.
    While the database itself is away there is nothing to claim, so this waits for it.
    """
    async with await direct.connect(direct.Use.INSTANCE) as connection:
        while await lease.take(connection):
            await rest(_RENEW_SECONDS)
    _log.error("this instance cannot go on", reason="Another instance has claimed the database.")
    os.kill(os.getpid(), signal.SIGTERM)
    await rest(3600)


async def _leave_claim(lease: Lease) -> None:
    """Let the next one begin at once. Where the database is away, the claim runs out by itself."""
    with contextlib.suppress(DatabaseUnavailable, TimeoutError):
        async with (
            asyncio.timeout(_CLAIM_WITHIN_SECONDS),
            await direct.connect(direct.Use.INSTANCE) as connection,
        ):
            await lease.leave(connection)
