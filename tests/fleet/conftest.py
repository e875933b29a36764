"""Fixtures of the folder: a single instance, and a pair that shares a Redis, each started once."""

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
    """The URLs of two instances, the database that both use, and the Redis that they share."""

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
    """A running instance, shared by all tests that only use it, each with its own account."""
    return started_once(request, lambda: _instance(f"{postgres_server}/{databases.take()}"))


@pytest.fixture
async def instance(running_instance: Instance, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Instance]:
    """The running instance; the test's own settings point to the same database."""
    async with in_settings(running_instance.database, monkeypatch):
        yield running_instance


@pytest.fixture
def running_pair(postgres_server: str, databases: Databases, request: pytest.FixtureRequest) -> Pair:
    return started_once(request, lambda: _started(f"{postgres_server}/{databases.take()}"))


@pytest.fixture
async def pair(running_pair: Pair, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    """The two instances with Redis running; the test's own settings point to the same database."""
    running_pair.redis.start()
    async with in_settings(running_pair.database, monkeypatch):
        yield running_pair


@pytest.fixture
def broken_pair(database: str, request: pytest.FixtureRequest) -> Iterator[Pair]:
    """Two instances of a deliberately faulty application (the fixture's parameter), for control tests."""
    with _started(database, app=request.param) as pair:
        yield pair
