"""Fixtures: the world of one test, whose books are verified after each test."""

from collections.abc import AsyncIterator, Iterator

import pytest

from onramp_app.config import get_settings
from tests.crediting.world import World
from tests.simulator.process import PATIENT, Process, running_simulator


@pytest.fixture(scope="session")
def money_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with running_simulator(tmp_path_factory.mktemp("simulator"), PATIENT) as process:
        yield process


@pytest.fixture
async def world(
    database: str, money_simulator: Process, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    money_simulator.begin()
    monkeypatch.setenv("ONRAMP_API_URL", money_simulator.base)
    monkeypatch.setenv("ONRAMP_POLL_SECONDS", "1")
    monkeypatch.setenv("ONRAMP_REQUESTS_PER_MINUTE", "10000")
    get_settings.cache_clear()
    world = World(database, money_simulator)
    yield world
    findings = await world.findings()
    assert not findings or not world.is_sound, findings
