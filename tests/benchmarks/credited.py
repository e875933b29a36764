"""Shared by the benchmarks of live pages: a site with fsync on, people, and credits without top-ups."""

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from onramp_app.accounts import accounts, sessions
from onramp_app.accounts.sessions import BrowserSession, Client
from onramp_app.config import get_settings
from onramp_app.domain.environment import StepSource, current_environment
from onramp_app.domain.ids import new_id
from onramp_app.fleet import changed_people
from onramp_app.ledger.instructions import UserAmount, make_good
from onramp_app.ledger.transfers import Cause
from onramp_app.local import postgres
from tests.crediting.world import World
from tests.e2e.site import Site, running_site
from tests.people import PASSWORD
from tests.recorded_posting import post_on_record
from tests.served import served
from tests.simulator.process import FAST, Process, running_simulator

_ONE = 10**18  # one USDT in minor units: its scale is 18


@contextmanager
def measured_site() -> Iterator[Site]:
    """Serve the application with its pages on a new database, which this process uses too."""
    with _database() as (folder, address), running_site(folder, address) as site:
        _use(address, site.simulator)
        yield site


@contextmanager
def measured_instance() -> Iterator[str]:
    """Serve an instance without pages, which then need not be built; yield its URL."""
    with measured_world(FAST) as (url, world):
        world.owner.close()
        yield url


@contextmanager
def measured_world(arguments: tuple[str, ...]) -> Iterator[tuple[str, World]]:
    """Yield the URL of an instance without pages, and a world of its database and a simulator.

    The simulator is started with `arguments`.
    """
    with _database() as (folder, address), running_simulator(folder, arguments) as simulator:
        _use(address, simulator)
        with served(address) as url:
            yield url, World(address, simulator)


@contextmanager
def _database() -> Iterator[tuple[Path, str]]:
    with tempfile.TemporaryDirectory() as name:
        server = postgres.start(Path(name) / "postgres")
        try:
            yield Path(name), server.url
        finally:
            server.stop()


def _use(address: str, simulator: Process) -> None:
    os.environ |= {"APP_ENV": "test", "DATABASE_URL": address, "SECRET_KEY": "k" * 48}
    os.environ["ONRAMP_API_URL"] = simulator.base
    get_settings.cache_clear()


async def person(number: int) -> BrowserSession:
    """Open an account with a browser session."""
    email = f"person-{number}-{secrets.token_hex(4)}@example.com"
    registration = accounts.Registration(email, PASSWORD, "Ada", "US")
    client = Client(
        f"10.0.{number // 250}.{number % 250}", "benchmark"
    )  # registrations are rate-limited per address
    return await accounts.register(registration, client, sessions.open_browser)


async def credit(user_id: str, *, is_told: bool = True) -> None:
    """Add one USDT to a balance and announce it, as every service does after its commit."""
    cause = Cause(StepSource.OPERATOR, actor="benchmark", reason="benchmark")
    amount = UserAmount(current_environment(), user_id, "USDT", _ONE)
    await post_on_record([make_good(new_id(), amount, cause=cause)])
    if is_told:
        changed_people.announce_changes([user_id])
