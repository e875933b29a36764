"""The claim of a production instance on its database: exclusive, or shared by all instances that use Redis.

Without Redis each instance would keep its own page states and its own throttles.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from onramp_app.config import ConfigurationError, Settings
from onramp_app.db import direct
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.fleet.lease import Lease
from onramp_app.fleet.watch import background_tasks, keep_running, rest

HANDOVER_SECONDS = 30
RENEW_SECONDS = 2.0
_CLAIM = "instance"
_WITH_REDIS = "those with Redis"
_CLAIM_SECONDS = 8.0
_CLAIM_WITHIN_SECONDS = 5.0

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def claim(
    settings: Settings, *, handover_seconds: int = HANDOVER_SECONDS, renew_seconds: float = RENEW_SECONDS
) -> AsyncIterator[None]:
    """Hold the claim while the context lasts. Outside production nothing is claimed.

    The claim is a lease that is renewed continually. An instance that loses it ends its own process.

    Args:
        settings: the settings of this instance.
        handover_seconds: how long the old release may take to release the claim.
        renew_seconds: the time between two renewals.

    Raises:
        ConfigurationError: another instance holds the claim, and one of the two has no Redis.
        DatabaseUnavailable: the database does not answer.
    """
    if not settings.is_production or settings.database_url is None:
        yield
        return
    is_shared = settings.redis_url is not None
    lease = Lease(_CLAIM, seconds=_CLAIM_SECONDS, holder=_WITH_REDIS if is_shared else "")
    await _take(lease, handover_seconds)
    keeping = keep_running("claim", lambda: _keep(lease, renew_seconds), within_seconds=_CLAIM_WITHIN_SECONDS)
    try:
        async with background_tasks(keeping):
            yield
    finally:
        if not is_shared:  # A shared claim may be held and renewed by others.
            await _leave(lease)


async def _take(lease: Lease, handover_seconds: int) -> None:
    async with await direct.connect(direct.Use.INSTANCE) as connection:
        for _ in range(handover_seconds):
            if await lease.take(connection):
                _log.info("instance claimed the database")
                return
            await asyncio.sleep(1)
    raise ConfigurationError(
        "Another instance already runs on this database. To run several, set REDIS_URL for all of them."
    )


async def _keep(lease: Lease, renew_seconds: float) -> None:
    """Renew the claim; end this process when another instance has taken it.

    Without the claim, two instances would run that do not know each other's sessions and counts. While the
    database is down nothing can be claimed, so this waits for it.
    """
    async with await direct.connect(direct.Use.INSTANCE) as connection:
        while await lease.take(connection):
            await rest(renew_seconds)
    _log.error("this instance cannot go on", reason="Another instance has claimed the database.")
    os.kill(os.getpid(), signal.SIGTERM)
    await rest(3600)


async def _leave(lease: Lease) -> None:
    """Release the claim, so that the next instance can start at once; if the database is down, it expires."""
    with contextlib.suppress(DatabaseUnavailable, TimeoutError):
        async with (
            asyncio.timeout(_CLAIM_WITHIN_SECONDS),
            await direct.connect(direct.Use.INSTANCE) as connection,
        ):
            await lease.leave(connection)
