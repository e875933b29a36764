"""A real PostgreSQL for the whole run, and a freshly migrated database for each test that asks."""

import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from xdist.scheduler import LoadScopeScheduling

from onramp_app.config import Settings, get_settings
from onramp_app.db import engine
from onramp_app.db.migrate import migrate
from onramp_app.local import postgres
from onramp_app.services import inbox, provider, throttle
from tests.redis_server import RedisServer
from tests.simulator.process import FAST, Process, free_port

_TEMPLATE = "migrated_template"
# A test machine that loses its power loses nothing of worth.
_QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "256MB"}
# Most tests get a database of their own, which is some 300 files: on a disk that costs ten times as much.
_SHARED_MEMORY = Path("/dev/shm")
_ENOUGH_BYTES = 4 * 2**30


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest and is not divided, so that both processes end at about the same time."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)


class _ByFile(LoadScopeScheduling):
    """Gives all tests of a file to one process, and all that open the one built site."""

    def _split_scope(self, nodeid: str) -> str:
        return "e2e" if nodeid.startswith("tests/e2e/") else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    config.option.loadscopereorder = False  # It would begin with the longest lists of tests, the quick ones.
    return _ByFile(config, log)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_developer() -> None:
    """Keep `.env` and exported settings of the person who runs the tests out of them."""
    Settings.model_config["env_file"] = None
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
    os.environ["SECRET_KEY"] = "a key for tests that nobody else uses"
    get_settings.cache_clear()


def _run_sql(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture(autouse=True)
def forget_settings() -> Iterator[None]:
    """What a test sets in the environment ends with it."""
    yield
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running server, as its superuser, without a database name: `{server}/{name}`."""
    is_roomy = _SHARED_MEMORY.is_dir() and shutil.disk_usage(_SHARED_MEMORY).free >= _ENOUGH_BYTES
    base = _SHARED_MEMORY if is_roomy else tmp_path_factory.getbasetemp()
    with tempfile.TemporaryDirectory(prefix="onramp-tests-", dir=base, ignore_cleanup_errors=True) as folder:
        server = postgres.start(Path(folder), settings=_QUICK)
        yield server.url.rpartition("/")[0]
        server.stop()


@pytest.fixture(scope="session")
def migrated_template(postgres_server: str) -> str:
    _run_sql(f"{postgres_server}/postgres", f"CREATE DATABASE {_TEMPLATE}")
    migrate(f"{postgres_server}/{_TEMPLATE}")
    return _TEMPLATE


@pytest.fixture
def empty_database(postgres_server: str) -> Iterator[str]:
    """The address of a database without any table."""
    name = f"test_{secrets.token_hex(6)}"
    _run_sql(f"{postgres_server}/postgres", f"CREATE DATABASE {name}")
    yield f"{postgres_server}/{name}"
    _run_sql(f"{postgres_server}/postgres", f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(
    postgres_server: str, migrated_template: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    """The address of a migrated, empty database that the application's settings name."""
    name = f"test_{secrets.token_hex(6)}"
    _run_sql(
        f"{postgres_server}/postgres",
        f"CREATE DATABASE {name} TEMPLATE {migrated_template} STRATEGY FILE_COPY",
    )
    monkeypatch.setenv("APP_ENV", "test")
    monkeypatch.setenv("DATABASE_URL", f"{postgres_server}/{name}")
    monkeypatch.setenv("SECRET_KEY", secrets.token_urlsafe(48))
    get_settings.cache_clear()
    throttle.forget()
    yield f"{postgres_server}/{name}"
    await inbox.close()
    await engine.dispose()
    get_settings.cache_clear()
    _run_sql(f"{postgres_server}/postgres", f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A running Redis that the settings do not name yet; skips where none is installed."""
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def simulator_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    process = Process(tmp_path_factory.mktemp("provider") / "orders.sqlite", free_port(), FAST)
    process.start()
    yield process
    process.kill()


@pytest.fixture
async def simulator(
    database: str, simulator_process: Process, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Process]:
    """The simulator at the beginning of a run, as the provider of the settings."""
    assert database
    simulator_process.control("seed", {"seed": 7})
    simulator_process.control("scenario", method="DELETE")
    monkeypatch.setenv("ONRAMP_API_URL", simulator_process.base)
    get_settings.cache_clear()
    yield simulator_process
    await provider.disconnect()


@pytest.fixture
def project_dir() -> Path:
    """Give the folder of the project under test."""
    return Path(__file__).parent.parent
