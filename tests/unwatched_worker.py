"""The worker with a fault: nobody watches whether its loops get on. For the controls of proofs."""

import asyncio
from collections.abc import Awaitable, Callable

from onramp_app.services import watch
from onramp_app.worker import run_worker


async def _unwatched(name: str, work: Callable[[], Awaitable[None]], *, within_seconds: float) -> None:
    await work()


watch.watched = _unwatched
asyncio.run(run_worker())
