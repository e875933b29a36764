"""The background loops of a process: read the provider, apply what was read. Any number of processes may run.

Each can be killed at any moment: what is to be done stands in the database, and whoever comes next does it.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from onramp_app.config import get_settings
from onramp_app.db.engine import BACKGROUND, work_as
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.domain.provider_errors import ProviderUnavailable
from onramp_app.providers.port import Provider
from onramp_app.services import changed_users, wake
from onramp_app.services.applying import ORDERS_AT_ONCE, apply_some, judge_again
from onramp_app.services.instance import running_instance, running_worker
from onramp_app.services.judging import DOCUMENTED, Symbols, symbols_of
from onramp_app.services.provider import get_provider
from onramp_app.services.reader import Reader

APPLY_TICK_SECONDS = 1.0
SYMBOLS_EVERY_SECONDS = 3600
SYMBOLS_RETRY_SECONDS = 15
FIRST_WAIT_SECONDS = 0.5
MAX_WAIT_SECONDS = 15

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def background_work() -> AsyncIterator[None]:
    """Run the loops of this process inside the context; at its end they stop between two transactions."""
    provider = get_provider()
    loops = (
        asyncio.create_task(keep_running("reader", lambda: Reader(provider).run())),
        asyncio.create_task(keep_running("apply", lambda: apply_loop(provider))),
    )
    try:
        yield
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await changed_users.close()


@asynccontextmanager
async def instance_with_background_work() -> AsyncIterator[None]:
    """Serve pages and the API, and do the background work in the same process."""
    async with running_instance(), background_work():
        yield


async def apply_loop(provider: Provider) -> None:
    """Apply what was read: at once when the reader is in this process, else within a second."""
    symbols, live, next_look = DOCUMENTED, None, 0.0
    while True:
        if time.monotonic() >= next_look:
            known, live = live, await _live_symbols(provider) or live
            if live is not None and live != known:
                symbols = live
                await judge_again()
            wait = SYMBOLS_RETRY_SECONDS if live is None else SYMBOLS_EVERY_SECONDS
            next_look = time.monotonic() + wait
        applied = await apply_some(symbols)
        changed_users.tell_changed(applied.users)
        if applied.orders < ORDERS_AT_ONCE:
            await wake.order_read.wait(APPLY_TICK_SECONDS)


async def _live_symbols(provider: Provider) -> Symbols | None:
    try:
        return symbols_of(await provider.id_maps(), get_settings())
    except ProviderUnavailable as error:
        # Meanwhile the last ones do, or the documented ones. What they do not know is judged again later.
        _log.warning("live ids not read", error=type(error).__name__)
        return None


async def keep_running(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run a loop that should never end: a crash is logged, and it starts again with back-off."""
    work_as(BACKGROUND)
    wait = FIRST_WAIT_SECONDS
    while True:
        began = time.monotonic()
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - a loop must go on whatever happened in it
            if _is_database_away(error):
                _log.warning("background work waits for the database", work=name)
            else:
                _log.exception("background work failed", work=name)
        if time.monotonic() - began > MAX_WAIT_SECONDS:
            wait = FIRST_WAIT_SECONDS
        await asyncio.sleep(wait)
        wait = min(wait * 2, MAX_WAIT_SECONDS)


def _is_database_away(error: Exception) -> bool:
    if isinstance(error, ExceptionGroup):
        return error.split(DatabaseUnavailable)[1] is None
    return isinstance(error, DatabaseUnavailable)


async def run_worker() -> None:
    """Run the loops alone until the process is told to end (`python -m onramp_app worker`)."""
    told_to_end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told_to_end.set)
    async with running_worker(), background_work():
        _log.info("worker begins")
        await told_to_end.wait()
    _log.info("worker ends")
