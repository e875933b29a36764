"""The life of one running instance: the schema before it serves, its claim on the database, its end."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import structlog

from onramp_app.config import ConfigurationError, Settings, get_settings
from onramp_app.db import engine
from onramp_app.db.migrate import migrate
from onramp_app.services import provider, webhook_address

# Any constant does, as long as nothing else in the database uses it as an advisory lock.
_INSTANCE_LOCK = 0x0A44_6D6F_6E65_7901
_HANDOVER_SECONDS = 30

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def running_instance() -> AsyncIterator[None]:
    """Bring the schema up to date, claim the database, and close the pool at the end.

    Raises:
        ConfigurationError: a second production instance without `REDIS_URL`.
    """
    settings = get_settings()
    if settings.database_url is None:
        raise ConfigurationError("DATABASE_URL is not set and no embedded database is running.")
    owner_url = settings.database_owner_url or settings.database_url
    await asyncio.to_thread(migrate, owner_url.get_secret_value())
    try:
        async with _claim(settings), _beside(*_work(settings)):
            yield
    finally:
        await provider.disconnect()
        await engine.dispose()


def _work(settings: Settings) -> list[Coroutine[Any, Any, None]]:
    """Return what this process does beside answering: nothing here is needed to serve."""
    work: list[Coroutine[Any, Any, None]] = []
    if settings.uses_simulator:
        work.append(webhook_address.register_with_simulator())
    if settings.background_work == "on":
        work.append(provider.get_rates().run())
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


@asynccontextmanager
async def _claim(settings: Settings) -> AsyncIterator[None]:
    """Hold the database alone without Redis, or together with others that have it, in production.

    Without Redis each instance would keep its own sessions of the pages and its own throttles. The claim
    is a session lock on a connection of its own, so it ends with the process however that ends. A new
    release waits for the old one to leave.
    """
    if not settings.is_production or settings.database_url is None:
        yield
        return
    shared = "_shared" if settings.redis_url else ""
    url = settings.database_url.get_secret_value()
    connection = await psycopg.AsyncConnection.connect(
        url, autocommit=True, application_name="onramp_app instance"
    )
    async with connection:
        for _ in range(_HANDOVER_SECONDS):
            cursor = await connection.execute(f"SELECT pg_try_advisory_lock{shared}(%s)", (_INSTANCE_LOCK,))
            if (row := await cursor.fetchone()) and row[0]:
                break
            await asyncio.sleep(1)
        else:
            raise ConfigurationError(
                "REDIS_URL is not set, and another instance already runs on this database; "
                "several instances need Redis, all of them."
            )
        _log.info("instance claimed the database", shared=bool(shared))
        yield
