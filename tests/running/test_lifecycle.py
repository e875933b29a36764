"""The lifecycle of a process: whatever it opened is closed once, in reverse order, whatever fails."""

import asyncio
import contextlib
import gc
import os
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal

import psycopg
import pytest

from onramp_app.chain.servers import get_servers
from onramp_app.config import AppEnv, ConfigurationError, get_settings
from onramp_app.domain.errors import DatabaseUnavailable
from onramp_app.fleet import changed_people, channels
from onramp_app.pricing.quotes import get_shared_quotes
from onramp_app.pricing.rates import get_rates
from onramp_app.provider_orders.inbox import get_inbox
from onramp_app.providers.connection import get_provider
from onramp_app.providers.status import Flow
from onramp_app.running import lifecycle
from onramp_app.throttle import throttle
from tests.databases import is_ours
from tests.redis_server import RedisServer
from tests.simulator.process import Process

RATES_ARE_READ_ELSEWHERE = "INSERT INTO leases VALUES ('rates', 'another', now() + interval '1 hour', NULL)"
CLAIMED_ELSEWHERE = "INSERT INTO leases VALUES ('instance', 'another', now() + interval '1 hour', NULL)"
CLAIMS = (
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE application_name = 'onramp_app instance' AND datname = current_database()"
)


def _sockets() -> set[str]:
    found = set()
    for file in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.add(os.readlink(f"/proc/self/fd/{file}"))
    return {name for name in found if name.startswith("socket:")}


class Left:
    """Counts what a process holds beyond what it held at the start: sockets, and the application's tasks."""

    def __init__(self) -> None:
        self._sockets = _sockets()
        self._tasks = asyncio.all_tasks()

    def now(self) -> tuple[int, list[str]]:
        # A connection canceled while opening is closed only once its last frame has been collected.
        gc.collect()
        # An application that another folder's tests share keeps starting tasks of libraries.
        tasks = {task for task in asyncio.all_tasks() - self._tasks if is_ours(task)}
        return len(_sockets() - self._sockets), [str(task.get_coro()) for task in tasks]


NOTHING = (0, [])


async def _open_everything() -> None:
    await get_inbox().open()
    await throttle.attempt(throttle.REGISTER, "somebody")
    await get_provider().coins_and_chains()
    async for _ in get_servers()["matic20"].sights():
        break
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.3):
            await get_rates().book()  # keeps waiting for the process that reads them
    changed_people.announce_changes(["a" * 32])


@pytest.fixture
async def everything(
    database: str, simulator: Process, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Settings with which a process can open every kind of connection; the database's URL."""
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    monkeypatch.setenv("CHAIN_RPC", f'{{"matic20": ["{simulator.base}/chain/matic20"]}}')
    get_settings.cache_clear()
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(RATES_ARE_READ_ELSEWHERE)
    return database


@pytest.mark.usefixtures("everything")
async def test_all_that_a_process_opened_is_closed_at_its_end() -> None:
    left = Left()
    async with lifecycle.connections():
        await _open_everything()
        sockets, tasks = left.now()
        assert (sockets, len(tasks)) == (6, 2), "inbox, Redis, provider, chain, lease of the rates, pool"
    assert left.now() == NOTHING


ALL_BUT = {
    f"without {close.__module__}.{close.__name__}": [other for other in lifecycle.HELD if other is not close]
    for close in lifecycle.HELD
}


@pytest.mark.parametrize(
    "held", [*ALL_BUT.values(), lifecycle.HELD[::-1]], ids=[*ALL_BUT, "in the order of opening"]
)
@pytest.mark.usefixtures("everything")
async def test_control_a_list_without_one_or_in_another_order_leaves_something_open(
    held: Sequence[lifecycle.Close],
) -> None:
    left = Left()
    async with lifecycle.connections(held):
        await _open_everything()
    assert left.now() != NOTHING


async def test_a_question_to_the_provider_that_outlived_its_caller_is_ended(
    database: str, simulator: Process
) -> None:
    assert database
    simulator.scenario("api_slow", times=None, value=5)
    left = Left()
    async with lifecycle.connections():
        for ask in (get_provider().coins_and_chains, _quote):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await ask()
        assert len(left.now()[1]) > 1, "callers share them, so they go on"
    assert left.now() == NOTHING


async def _quote() -> None:
    await get_shared_quotes().quote(
        flow=Flow.BUY, fiat_type=1, fiat_amount=Decimal(1000), coin_code="USDT", network="matic20"
    )


async def test_users_who_changed_just_before_the_end_are_still_announced(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as listener:
        listener.execute(f"LISTEN {channels.USER_CHANGED}".encode())
        async with lifecycle.connections():
            changed_people.announce_changes(["a" * 32])
        (heard,) = listener.notifies(timeout=5, stop_after=1)
    assert heard.payload == "a" * 32


def _closing(name: str, closed: list[str], *, fails: bool) -> Callable[[], Awaitable[None]]:
    async def close() -> None:
        closed.append(name)
        if fails:
            raise OSError(name)

    return close


@pytest.mark.parametrize("fails", ["", "a", "b", "c"])
async def test_each_is_closed_once_the_last_first_whichever_fails(fails: str) -> None:
    closed: list[str] = []
    held = [_closing(name, closed, fails=name == fails) for name in "abc"]
    with pytest.raises(OSError, match=fails) if fails else contextlib.nullcontext():
        await lifecycle.disconnect(held)
    assert closed == ["c", "b", "a"]


FAULTS = {
    "the database is away": ({"DATABASE_URL": "postgresql://a:b@127.0.0.1:1/c"}, DatabaseUnavailable),
    "an asset nobody knows": ({"ASSETS": '{"ABCD": ["matic20"]}'}, ConfigurationError),
}


@pytest.mark.parametrize(("environment", "error"), FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("start", [lifecycle.web_instance, lifecycle.worker])
@pytest.mark.usefixtures("database")
async def test_a_start_that_fails_leaves_nothing_open(
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    error: type[Exception],
    start: Callable[..., contextlib.AbstractAsyncContextManager[None]],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    left = Left()
    with pytest.raises(error):
        async with start(get_settings()):
            pytest.fail("it started")
    assert left.now() == NOTHING


async def test_an_instance_that_is_stopped_while_it_waits_for_its_turn_leaves_nothing_open(
    database: str,
) -> None:
    production = get_settings().model_copy(update={"app_env": AppEnv.PRODUCTION})

    async def wait() -> None:
        async with lifecycle.web_instance(production):
            pytest.fail("two instances run without Redis")

    with psycopg.connect(database, autocommit=True) as other:
        other.execute(CLAIMED_ELSEWHERE)
        left = Left()
        waiting = asyncio.create_task(wait())
        async with asyncio.timeout(10):
            while other.execute(CLAIMS).fetchone() == (0,):  # noqa: ASYNC110  # a database has nothing to await
                await asyncio.sleep(0.02)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    async with asyncio.timeout(5):  # Canceled tasks end in a later turn of the loop.
        while left.now() != NOTHING:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("start", [lifecycle.web_instance, lifecycle.worker])
async def test_a_process_that_fails_while_it_runs_leaves_nothing_open(
    simulator: Process, start: Callable[..., contextlib.AbstractAsyncContextManager[None]]
) -> None:
    assert simulator
    left = Left()

    async def run() -> None:
        async with start(get_settings()):
            await asyncio.sleep(0.2)
            assert left.now() != NOTHING
            raise OSError("the server below fails")

    with pytest.raises(OSError, match="the server below fails"):
        await run()
    assert left.now() == NOTHING
