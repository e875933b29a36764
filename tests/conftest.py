"""Fixtures of all tests: a real PostgreSQL for the whole run, an empty migrated database for each test."""

import onramp_app.telemetry.garbage  # isort: skip -- before everything that takes time

import os
import secrets
import zlib
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import structlog
from xdist.scheduler import LoadScopeScheduling

from onramp_app.accounts import passwords
from onramp_app.config import Settings, get_settings
from onramp_app.local import postgres
from tests import people
from tests.databases import Databases, in_settings
from tests.redis_server import RedisServer
from tests.simulator.process import Process, running_simulator

# A power failure costs a test machine nothing of value, no test runs long enough to need vacuuming, and
# nobody guesses the password of a server that stops at the end of the run.
_QUICK = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "scram_iterations": "1",
}


# The folders whose files take longest, in the order in which they start, and the other folders whose files
# spend their time waiting: for servers of their own, or for a payment to progress.
_LONGEST = ("e2e", "chaos", "fleet", "conformance")
_WAIT = (
    "attack",
    "local",
    "commands",
    "web/tabs",
    "crediting",
    "simulator",
    "programs",
    "running",
    "telemetry",
)
_WAITS, _WORKS = len(_LONGEST), len(_LONGEST) + 1

# The folders whose tests inspect connections, run event loops of their own, or share something that keeps
# running.
_OWN_POOLS = ("attack", "commands", "db", "fleet", "running")

pytest_plugins = ["tests.desk"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgres",
        type=lambda folder: Path(folder).resolve(strict=True),
        help="folder of the binaries of the PostgreSQL to test on, such as /usr/lib/postgresql/15/bin",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make each worker process start collecting at a different folder when the whole suite is collected.

    In a new checkout every file has to be compiled. In lockstep, each process would compile every file; this
    way it finds the files that the others compiled first.
    """
    here = Path(__file__).parent
    worker = getattr(config, "workerinput", None)
    if worker is None or [Path(argument).resolve() for argument in config.args] != [here]:
        return
    folders = sorted({str(here / path.relative_to(here).parts[0]) for path in here.rglob("test_*.py")})
    number = int(worker["workerid"].removeprefix("gw"))
    begin = len(folders) * number // worker["workercount"]
    config.args[:] = [*folders[begin:], *folders[:begin]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Interleave files that wait for servers or payments with files that only compute, the longest first.

    Otherwise all processes would wait at the same time and leave the processors idle. The files of one folder
    behave alike, so they are shuffled, in the same order in every process.
    """
    parts: dict[str, list[pytest.Item]] = {}
    for item in sorted(items, key=_place_of):
        parts.setdefault(_part_of(item.nodeid), []).append(item)
    waiting = [part for part, within in parts.items() if _turn_of(within[0].path) < _WORKS]
    working = [part for part, within in parts.items() if _turn_of(within[0].path) == _WORKS]
    # The waiting files start early, or the whole run would wait for the last of them.
    places = {part: 0.9 * number / len(waiting) for number, part in enumerate(waiting)}
    places |= {part: (number + 0.5) / len(working) for number, part in enumerate(working)}
    items[:] = [item for part in sorted(places, key=places.__getitem__) for item in parts[part]]


def pytest_collection_finish() -> None:
    """Exclude what was imported from garbage collection: scanning it took a twentieth of the time."""
    onramp_app.telemetry.garbage.look_again()


@cache
def _turn_of(path: Path) -> int:
    folder = path.relative_to(Path(__file__).parent).parent.as_posix() + "/"
    turns = (number for number, name in enumerate(_LONGEST) if folder.startswith(f"{name}/"))
    waits = any(folder.startswith(f"{name}/") for name in _WAIT)
    return next(turns, _WAITS if waits else _WORKS)


# The files of these folders share something that is started once: the built site, a pair of instances.
_UNDIVIDED = ("tests/e2e/", "tests/fleet/")


def _part_of(nodeid: str) -> str:
    """Return the unit that one process runs: the test file, or the folder where its files share a server."""
    folder = next((folder for folder in _UNDIVIDED if nodeid.startswith(folder)), None)
    return folder or nodeid.partition("::")[0]


class _ByFile(LoadScopeScheduling):
    """Schedules each part (a file, or an undivided folder) on one process."""

    def _split_scope(self, nodeid: str) -> str:
        return _part_of(nodeid)


def _place_of(item: pytest.Item) -> tuple[int, int, Path]:
    return _turn_of(item.path), zlib.crc32(_part_of(item.nodeid).encode()), item.path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    config.option.loadscopereorder = False  # It would start with the files that have most tests: quick ones.
    return _ByFile(config, log)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_developer() -> None:
    """Keep the developer's `.env` and exported settings out of the tests."""
    Settings.model_config["env_file"] = None
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
    os.environ["SECRET_KEY"] = "a key for tests that nobody else uses"
    get_settings.cache_clear()


@pytest.fixture(scope="session", autouse=True)
def _plain_tracebacks() -> None:
    """Log tracebacks without the values of local variables, which take seconds to format in some cases."""
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])


def _hash_with(*, memory_kib: int, passes: int) -> None:
    passwords._context.update(argon2__memory_cost=memory_kib, argon2__time_cost=passes)
    passwords._dummy_hash.cache_clear()
    people.kept_password.cache_clear()


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> None:
    """Hash passwords in a millisecond instead of forty, which would be a quarter of many tests' time."""
    _hash_with(memory_kib=64, passes=1)


@pytest.fixture
def production_password_cost() -> Iterator[None]:
    """Hash passwords at production cost, for the tests of that cost."""
    _hash_with(memory_kib=passwords._MEMORY_KIB, passes=passwords._PASSES)
    yield
    _hash_with(memory_kib=64, passes=1)


def _run_sql(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.fixture(autouse=True)
def forget_settings() -> Iterator[None]:
    """Drop the cached settings after each test, so that its environment does not reach the next."""
    yield
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[str]:
    """The superuser's URL of a running server, without a database name: use `{server}/{name}`."""
    binaries = pytestconfig.getoption("--postgres")
    # `scram_iterations` exists since PostgreSQL 16.
    settings = {
        name: value for name, value in _QUICK.items() if not (binaries and name == "scram_iterations")
    }
    server = postgres.start(tmp_path_factory.mktemp("postgres"), settings=settings, binaries=binaries)
    # Set again, the password is stored with fewer iterations, which saves 5 ms on each connection.
    url = server.superuser_url
    _run_sql(url, f"ALTER ROLE CURRENT_USER PASSWORD '{urlsplit(url).password}'")
    yield url.rpartition("/")[0]
    server.stop()


@pytest.fixture(scope="session")
def databases(postgres_server: str) -> Iterator[Databases]:
    databases = Databases(postgres_server)
    yield databases
    databases.close()


@pytest.fixture
def empty_database(postgres_server: str) -> Iterator[str]:
    """The URL of a database without any tables."""
    name = f"test_{secrets.token_hex(6)}"
    _run_sql(f"{postgres_server}/postgres", f"CREATE DATABASE {name}")
    yield f"{postgres_server}/{name}"
    _run_sql(f"{postgres_server}/postgres", f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def database(
    postgres_server: str,
    databases: Databases,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> AsyncIterator[str]:
    """The URL of a migrated, empty database that the application's settings point to."""
    name = databases.take()
    url = f"{postgres_server}/{name}"
    monkeypatch.setenv("SECRET_KEY", secrets.token_urlsafe(48))
    own_pool = any(Path(__file__).parent / folder in request.path.parents for folder in _OWN_POOLS)
    async with in_settings(url, monkeypatch, keeps_pool=not own_pool):
        yield url
    databases.give_back(name)


@pytest.fixture(scope="module")
def database_of_the_file(postgres_server: str, databases: Databases) -> Iterator[str]:
    """The URL of one migrated database for all tests of a file that share a running application."""
    name = databases.take()
    yield f"{postgres_server}/{name}"
    databases.give_back(name)


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A running Redis that the settings do not point to yet; skips the test where none is installed."""
    server = RedisServer()
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def simulator_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with running_simulator(tmp_path_factory.mktemp("provider")) as process:
        yield process


@pytest.fixture
async def simulator(database: str, simulator_process: Process, monkeypatch: pytest.MonkeyPatch) -> Process:
    """The simulator, reset to its initial state and set as the provider in the settings."""
    assert database
    simulator_process.begin()
    monkeypatch.setenv("ONRAMP_API_URL", simulator_process.base)
    get_settings.cache_clear()
    return simulator_process


@pytest.fixture
def project_dir() -> Path:
    """The root folder of the project under test."""
    return Path(__file__).parent.parent
