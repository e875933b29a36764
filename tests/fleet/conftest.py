"""Two instances that share one Redis, once for the folder."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from tests.conftest import METRICS_TOKEN
from tests.databases import Databases, in_settings
from tests.redis_server import RedisServer
from tests.served import served


@dataclass(frozen=True)
class Pair:
    """Where two instances are, the database that both work on, and the Redis between them."""

    urls: list[str]
    database: str
    redis: RedisServer


@contextmanager
def _started(database: str, *, app: str = "onramp_app.onramp_app:app") -> Iterator[Pair]:
    redis = RedisServer()
    redis.start()
    settings = {"REDIS_URL": redis.url, "METRICS_TOKEN": METRICS_TOKEN}
    try:
        with ExitStack() as stack:
            urls = [stack.enter_context(served(database, app=app, **settings)) for _ in range(2)]
            yield Pair(urls, database, redis)
    finally:
        redis.kill()


@pytest.fixture(scope="session")
def running_pair(postgres_server: str, databases: Databases) -> Iterator[Pair]:
    with _started(f"{postgres_server}/{databases.take()}") as pair:
        yield pair


@pytest.fixture
async def pair(running_pair: Pair, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    """The two instances, whose database the settings of the test name too, with a Redis that runs."""
    running_pair.redis.start()
    async with in_settings(running_pair.database, monkeypatch):
        yield running_pair


@pytest.fixture
def broken_pair(database: str, request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Two instances of an application with a fault, the parameter, for the controls of proofs."""
    with _started(database, app=request.param) as pair:
        yield pair
