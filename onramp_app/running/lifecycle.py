"""The lifecycle of a process: what it starts, in order, and closes in reverse order.

A web instance, a worker and a command differ in how much they start; all of them close the same list.
"""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress

import structlog
from sqlalchemy import text

from onramp_app.chain import servers as chain_servers
from onramp_app.chain.networks import refuse_unreadable
from onramp_app.config import ConfigurationError, Settings, get_settings
from onramp_app.db import engine
from onramp_app.db.engine import execute
from onramp_app.db.migrate import bring_up_to_date
from onramp_app.domain.environment import Environment, environment_of
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.fleet import changed_people
from onramp_app.fleet.watch import background_tasks
from onramp_app.ledger.assets import enable_assets
from onramp_app.local.processes import end_process_within
from onramp_app.local.reachable import why_unreachable
from onramp_app.local.server import KILL_SECONDS
from onramp_app.pricing import catalogue, quotes, rates
from onramp_app.provider_orders import inbox, webhook_address
from onramp_app.providers import connection
from onramp_app.running.claim import claim
from onramp_app.running.connection_checks import warn_at_start
from onramp_app.running.port import worker_port
from onramp_app.running.worker import background_work
from onramp_app.telemetry.collector import collected
from onramp_app.throttle import throttle
from onramp_app.treasury import changes

Close = Callable[[], Awaitable[None]]

_log = structlog.get_logger(__name__)


async def close_provider() -> None:
    """Close the connection to the provider, and drop the quotes and options that were read through it."""
    await quotes.close()
    catalogue.forget()
    await connection.close()


# Opened when first needed. Each may use those above it until it is closed: the listener for NOTIFY uses the
# database pool, and reading the rates asks the provider.
HELD: Sequence[Close] = (
    engine.dispose,
    throttle.close,
    chain_servers.close,
    close_provider,
    rates.close,
    changed_people.close,
    inbox.close,
)


async def disconnect(held: Sequence[Close] = HELD) -> None:
    """Close what this process holds open, in reverse order of the list; what is not open is skipped.

    The process may open everything again, as it must when another event loop takes over.

    Raises:
        Exception: what one close raised; all the others are closed nevertheless.
    """
    async with AsyncExitStack() as stack:
        for close in held:
            stack.push_async_callback(close)


@asynccontextmanager
async def connections(held: Sequence[Close] = HELD) -> AsyncIterator[None]:
    """Close everything in `held` that the process has opened, when the context ends."""
    try:
        yield
    finally:
        await disconnect(held)


@asynccontextmanager
async def web_instance(settings: Settings) -> AsyncIterator[None]:
    """Start what pages and the API need, and keep it running while the context lasts.

    Raises:
        ConfigurationError: as for `worker`; or this is a second production instance without `REDIS_URL`.
        DatabaseUnavailable: the database does not answer.
    """
    async with AsyncExitStack() as life:
        with _refusal_logged():
            await life.enter_async_context(collected(settings, role="instance"))
            await life.enter_async_context(connections())
            await bring_up_to_date(settings)
            await life.enter_async_context(claim(settings))
            await inbox.get_inbox().open()
            await _prepare_books(settings)
            if settings.uses_simulator:
                await life.enter_async_context(background_tasks(webhook_address.register_with_simulator()))
            if settings.background_work == "on":
                await life.enter_async_context(background_tasks(rates.get_rates().run()))
                await life.enter_async_context(background_work())
        yield


@asynccontextmanager
async def worker(settings: Settings) -> AsyncIterator[None]:
    """Do the background work while the context lasts, without claiming the database.

    Raises:
        ConfigurationError: production uses a database with play money; the decimals of an asset are unknown;
            WORKER_PORT cannot be listened on.
        DatabaseUnavailable: the database does not answer.
    """
    async with AsyncExitStack() as life:
        with _refusal_logged():
            await life.enter_async_context(collected(settings, role="worker"))
            await life.enter_async_context(connections())
            await bring_up_to_date(settings)
            await _prepare_books(settings)
            await life.enter_async_context(worker_port(settings))
            await life.enter_async_context(background_tasks(rates.get_rates().run()))
            await life.enter_async_context(background_work())
        yield


async def run_worker() -> None:
    """Run as a worker until the process receives SIGINT or SIGTERM (`python -m onramp_app worker`).

    The process ends within ten seconds of the signal, whatever it is waiting for.

    Raises:
        ConfigurationError, DatabaseUnavailable: as for `worker`.
    """
    began, ending = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        async with worker(get_settings()):
            # The objects built at the start live until the end. Python's occasional full garbage collection
            # over all of them would hold up payments for a fifth of a second or more.
            gc.collect()
            gc.freeze()
            _log.info("worker begins")
            began.set()
            await ending.wait()

    def end() -> None:
        end_process_within(KILL_SECONDS)
        ending.set()
        if not began.is_set():
            working.cancel()

    working = asyncio.create_task(work())
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end)
    with suppress(asyncio.CancelledError):
        await working
    _log.info("worker ends")


@contextmanager
def _refusal_logged() -> Iterator[None]:
    try:
        yield
    except ConfigurationError as error:
        _log.error("this instance cannot run", reason=str(error))
        raise
    except DatabaseUnavailable as error:
        _log.error("this instance cannot run", reason=why_unreachable(get_settings()) or error.detail)
        raise


async def _prepare_books(settings: Settings) -> None:
    refuse_unreadable(settings)
    await refuse_other_money(environment_of(settings))
    await warn_at_start()
    await enable_assets()
    await changes.record_changes()


# Each subquery uses an index, and stops at the first row it finds.
_OTHER_MONEY = text("""
SELECT EXISTS (SELECT FROM top_ups WHERE environment <> 'live')
    OR EXISTS (SELECT FROM provider_orders WHERE environment < 'live')
    OR EXISTS (SELECT FROM provider_orders WHERE environment > 'live')
    OR EXISTS (SELECT FROM ledger_transfers WHERE environment < 'live')
    OR EXISTS (SELECT FROM ledger_transfers WHERE environment > 'live')
""")


async def refuse_other_money(environment: Environment) -> None:
    """Keep play money out of production: a balance made in a simulator would be spendable as real money.

    Raises:
        ConfigurationError: `environment` is live, and the database holds records of a simulator or sandbox.
    """
    if environment is not Environment.LIVE:
        return
    async with engine.transaction() as db:
        if (await execute(db, _OTHER_MONEY)).scalar():
            raise ConfigurationError(
                "DATABASE_URL names a database with simulated or test top-ups; production needs its own."
            )
