"""An instance, and two that share one Redis, each started once for the folder."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

from tests.databases import Databases, in_settings
from tests.folders import started_once
from tests.redis_server import RedisServer
from tests.served import Instance, served

METRICS_TOKEN = "the token of the running instance's metrics"


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


@contextmanager
def _instance(database: str) -> Iterator[Instance]:
    with served(database, METRICS_TOKEN=METRICS_TOKEN) as url:
        yield Instance(url, database)


@pytest.fixture
def running_instance(postgres_server: str, databases: Databases, request: pytest.FixtureRequest) -> Instance:
    """The application, once for all tests that only use it, each as somebody else."""
    return started_once(request, lambda: _instance(f"{postgres_server}/{databases.take()}"))


@pytest.fixture
async def instance(running_instance: Instance, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Instance]:
    """The running application, whose database the settings of the test name too."""
    async with in_settings(running_instance.database, monkeypatch):
        yield running_instance


@pytest.fixture
def running_pair(postgres_server: str, databases: Databases, request: pytest.FixtureRequest) -> Pair:
    return started_once(request, lambda: _started(f"{postgres_server}/{databases.take()}"))


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
