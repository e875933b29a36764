"""A session that ends while Redis, where the states of its tabs lie, is away: they leave once it is back."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from onramp_app.accounts import sessions
from onramp_app.web.tabs.push import LOOK_EVERY_SECONDS
from tests.fleet.test_ended_sessions import LEFT, another_session, first_session, open_tabs
from tests.redis_server import RedisServer
from tests.served import served

WITHIN_SECONDS = LOOK_EVERY_SECONDS + 5


@pytest.fixture
def two_instances(
    database: str, redis_server: RedisServer, request: pytest.FixtureRequest
) -> Iterator[list[str]]:
    with _two(database, redis_server, app=request.param) as urls:
        yield urls


@pytest.fixture
def resigned_instances(database: str, redis_server: RedisServer) -> Iterator[list[str]]:
    with _two(database, redis_server, app="tests.fleet.resigned_instance:app") as urls:
        yield urls


@contextmanager
def _two(database: str, redis: RedisServer, *, app: str) -> Iterator[list[str]]:
    with ExitStack() as stack:
        yield [stack.enter_context(served(database, app=app, REDIS_URL=redis.url)) for _ in range(2)]


async def _end_while_away(instances: list[str], redis: RedisServer, trials: int) -> None:
    """Kill Redis so often, each time with a session of three tabs. Raises `TimeoutError` where one stays."""
    owner = await first_session()
    for _ in range(trials):
        session = await another_session(owner)
        tabs = await open_tabs(session, instances)
        redis.kill()
        await sessions.end_session(owner.viewer.user_id, session.viewer.session_id)
        await asyncio.sleep(0.7)  # The tabs were looked for once more meanwhile.
        redis.start()
        try:
            await asyncio.gather(*(tab.read_until(LEFT, timeout_seconds=WITHIN_SECONDS) for tab in tabs))
        finally:
            await asyncio.gather(*(tab.close() for tab in tabs))


@pytest.mark.parametrize(
    ("two_instances", "trials"),
    [
        pytest.param("tests.fleet.looking_instance:app", 1, id="short"),
        pytest.param("onramp_app.onramp_app:app", 50, id="full", marks=pytest.mark.full),
    ],
    indirect=["two_instances"],
)
async def test_tabs_leave_when_redis_is_back(
    two_instances: list[str], redis_server: RedisServer, trials: int
) -> None:
    await _end_while_away(two_instances, redis_server, trials)


@pytest.mark.full
async def test_a_tab_that_is_led_away_only_once_stays(
    resigned_instances: list[str], redis_server: RedisServer
) -> None:
    """The control."""
    with pytest.raises(TimeoutError):
        await _end_while_away(resigned_instances, redis_server, 3)
