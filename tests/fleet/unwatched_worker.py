"""The worker with a fault: nothing watches its loops for progress, and its connections wait forever.

For control tests.
"""

import asyncio
from collections.abc import Awaitable, Callable

import psycopg

from onramp_app.db import direct
from onramp_app.fleet import watch
from onramp_app.running.lifecycle import run_worker


async def _unwatched(name: str, work: Callable[[], Awaitable[None]], *, within_seconds: float) -> None:
    await work()


watch.watched = _unwatched
direct.Connection.wait = psycopg.AsyncConnection.wait
asyncio.run(run_worker())
