"""Keeps loops running that should never end: a loop that makes no progress is canceled and restarted.

A loop can stall without failing: a connection whose other end has vanished neither answers nor reports an
error for a quarter of an hour. So each loop reports its progress, and how long its next step may take.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import ContextVar, copy_context
from time import monotonic
from typing import Any

import structlog
from prometheus_client import Counter

from onramp_app.db import engine
from onramp_app.db.direct import was_refused
from onramp_app.domain.errors import DatabaseUnavailable

FIRST_WAIT_SECONDS = 0.5
MAX_WAIT_SECONDS = 15.0
# While the database is down it is retried often, so that its return is noticed at once, but rarely logged.
AWAY_WAIT_SECONDS = 1.0
_COMPLAIN_EVERY_SECONDS = 60
_LOOK_EVERY_SECONDS = 1.0
_CANCEL_EVERY_SECONDS = 1.0
_CANCELS = 10

_ENDED = Counter("loops_ended", "Background loops that were ended because they made no progress.", ["loop"])
_log = structlog.get_logger(__name__)


class LoopStandsStill(Exception):
    """The loop made no progress within its time, and was canceled."""


class _Deadline:
    """The time by which the loop has to report progress again."""

    def __init__(self, within_seconds: float) -> None:
        self.within_seconds = within_seconds
        self.until = monotonic() + within_seconds


_signs: ContextVar[_Deadline | None] = ContextVar("signs", default=None)


def made_progress(*, next_within_seconds: float | None = None) -> None:
    """Report progress of the watched loop that this runs in. Does nothing outside a watched loop.

    Args:
        next_within_seconds: how long the next step may take, if not the loop's default: for a step with its
            own time-outs.
    """
    if (signs := _signs.get()) is not None:
        signs.until = monotonic() + (
            signs.within_seconds if next_within_seconds is None else next_within_seconds
        )


async def rest(seconds: float) -> None:
    """Sleep in a watched loop without counting as stalled."""
    made_progress(next_within_seconds=seconds + _LOOK_EVERY_SECONDS)
    await asyncio.sleep(seconds)
    made_progress()


async def watched(name: str, work: Callable[[], Awaitable[None]], *, within_seconds: float) -> None:
    """Run the work for as long as it makes progress.

    Args:
        name: the name of the loop, for logs and metrics.
        work: the loop.
        within_seconds: how long a step may take by default; longer than any successful step takes.

    Raises:
        LoopStandsStill: the work made no progress within its time, and was canceled.
        Exception: whatever the work raised.
    """
    _ENDED.labels(name)  # exported from the start: Prometheus sees no increase in a counter that begins at 1
    signs = _Deadline(within_seconds)
    context = copy_context()
    context.run(_signs.set, signs)
    task = asyncio.create_task(_run(work), name=name, context=context)
    look_every = min(_LOOK_EVERY_SECONDS, within_seconds / 4)
    try:
        while not task.done():
            looked_at = monotonic()
            await asyncio.wait({task}, timeout=look_every)
            # While the whole process was suspended or blocked, the loop could make no progress either.
            signs.until += max(0.0, monotonic() - looked_at - look_every)
            if monotonic() > signs.until and not task.done():
                _ENDED.labels(name).inc()
                raise LoopStandsStill(name)
        task.result()
    finally:
        await end(task)


async def _run(work: Callable[[], Awaitable[None]]) -> None:
    await work()


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task, repeatedly if need be, until it has ended.

    Once is not enough if it waits on a connection that does not answer: psycopg then asks the server to
    cancel the query and waits up to ten seconds for that. Canceled again, it closes the connection at once.
    """
    for _ in range(_CANCELS):
        if task.done():
            break
        task.cancel()
        await asyncio.wait({task}, timeout=_CANCEL_EVERY_SECONDS)
    if not task.done():
        _log.error("a task does not end", task=task.get_name())
    elif not task.cancelled():
        task.exception()  # Retrieved, because asyncio would otherwise log a traceback.


@asynccontextmanager
async def background_tasks(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run each piece of work as its own task while the context lasts, and cancel all of them afterwards."""
    tasks = [asyncio.create_task(piece) for piece in work]
    for task in tasks:
        task.add_done_callback(_log_failure)
    try:
        yield
    finally:
        await asyncio.gather(*(end(task) for task in tasks))


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("work of this process failed", work=task.get_name(), exc_info=error)


async def keep_running(name: str, work: Callable[[], Awaitable[None]], *, within_seconds: float) -> None:
    """Run a loop that should never end: if it fails or stalls, it is restarted with back-off.

    Args:
        name: the name of the loop, for logs and metrics.
        work: the loop.
        within_seconds: as for `watched`.
    """
    engine.work_as(engine.BACKGROUND)
    wait = FIRST_WAIT_SECONDS
    complained_at = float("-inf")
    while True:
        began = monotonic()
        most = MAX_WAIT_SECONDS
        try:
            await watched(name, work, within_seconds=within_seconds)
        except LoopStandsStill:
            _log.error("background work stood still and was ended", work=name)
            # What made it stall may affect the other connections of this process too.
            engine.distrust_connections()
            wait = FIRST_WAIT_SECONDS
        except Exception as error:  # noqa: BLE001 - a loop must go on whatever happened in it
            if is_database_away(error):
                most = AWAY_WAIT_SECONDS
                # A refused connection is logged once for the whole process, by `database_away`.
                if not was_refused() and monotonic() - complained_at > _COMPLAIN_EVERY_SECONDS:
                    complained_at = monotonic()
                    _log.warning("background work waits for the database", work=name)
            else:
                _log.exception("background work failed", work=name)
        if monotonic() - began > MAX_WAIT_SECONDS:
            wait = FIRST_WAIT_SECONDS
        await asyncio.sleep(min(wait, most))
        wait = min(wait * 2, most)


def is_database_away(error: Exception) -> bool:
    """Return whether the error means only that the database is unavailable, and nothing else."""
    if isinstance(error, ExceptionGroup):
        return error.split(DatabaseUnavailable)[1] is None
    return isinstance(error, DatabaseUnavailable)
