"""Fixtures: simulators to test against, and a registered receiver of webhooks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.simulator.process import Process, Receiver, running_simulator


@pytest.fixture(scope="session")
def shared_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with running_simulator(tmp_path_factory.mktemp("simulator")) as process:
        yield process


@pytest.fixture
def simulator(shared_process: Process) -> Process:
    """The shared simulator, reset: no orders, no scenarios, no counts."""
    shared_process.begin()
    return shared_process


@pytest.fixture
def own_process(tmp_path: Path) -> Iterator[Process]:
    """A simulator that a test may kill and restart."""
    with running_simulator(tmp_path) as process:
        yield process


@pytest.fixture
def receiver(simulator: Process) -> Iterator[Receiver]:
    """A receiver that is registered with the shared simulator."""
    started = Receiver()
    simulator.data("/onramp/api/v1/merchant/setWebhookUrl", {"webhookUrl": started.url})
    yield started
    started.close()


@pytest.fixture
def fixtures() -> Path:
    return Path(__file__).parent.parent / "fixtures" / "onramp"
