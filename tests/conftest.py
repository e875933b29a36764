"""A real PostgreSQL for the whole run, and a migrated, empty database for each test that asks."""

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

# A test machine that loses its power loses nothing of worth, no test lives long enough to be vacuumed, and
# nobody guesses the password of a server that ends with the run.
_QUICK = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "scram_iterations": "1",
}


# The folders whose files take longest, in the order in which they begin, and those whose files wait as well:
# for servers of their own, or for a payment to go on.
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

# The folders whose tests look at connections, run in event loops of their own, or share what goes on running.
_OWN_POOLS = ("attack", "commands", "db", "fleet", "running")

pytest_plugins = ["tests.desk"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgres",
        type=lambda folder: Path(folder).resolve(strict=True),
        help="folder of the binaries of the PostgreSQL to test on, such as /usr/lib/postgresql/15/bin",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Have each process begin with another folder when all are collected.

    In a new checkout all files are compiled. Side by side, each process would compile each of them: this way
    it finds what the others have begun with.
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
    """Spread what waits for what it has started among what only works, the longest first.

    Otherwise all processes would wait at the same time, and leave the processors idle. Files of one folder
    resemble each other in that, so they are shuffled, in each process alike.
    """
    parts: dict[str, list[pytest.Item]] = {}
    for item in sorted(items, key=_place_of):
        parts.setdefault(_part_of(item.nodeid), []).append(item)
    waiting = [part for part, within in parts.items() if _turn_of(within[0].path) < _WORKS]
    working = [part for part, within in parts.items() if _turn_of(within[0].path) == _WORKS]
    # What waits begins early, or all would wait for the last of it.
    places = {part: 0.9 * number / len(waiting) for number, part in enumerate(waiting)}
    places |= {part: (number + 0.5) / len(working) for number, part in enumerate(working)}
    items[:] = [item for part in sorted(places, key=places.__getitem__) for item in parts[part]]


def pytest_collection_finish() -> None:
    """Leave what was imported out of the search for garbage: it took a twentieth of the time."""
    onramp_app.telemetry.garbage.look_again()


@cache
def _turn_of(path: Path) -> int:
    folder = path.relative_to(Path(__file__).parent).parent.as_posix() + "/"
    turns = (number for number, name in enumerate(_LONGEST) if folder.startswith(f"{name}/"))
    waits = any(folder.startswith(f"{name}/") for name in _WAIT)
    return next(turns, _WAITS if waits else _WORKS)


# What their files have in common is started once: the built site, a pair of instances.
_UNDIVIDED = ("tests/e2e/", "tests/fleet/")


def _part_of(nodeid: str) -> str:
    """Return what one process runs together: the tests of a file, or of a folder that shares a start."""
    folder = next((folder for folder in _UNDIVIDED if nodeid.startswith(folder)), None)
    return folder or nodeid.partition("::")[0]


class _ByFile(LoadScopeScheduling):
    """Gives each part to one process."""

    def _split_scope(self, nodeid: str) -> str:
        return _part_of(nodeid)


def _place_of(item: pytest.Item) -> tuple[int, int, Path]:
    return _turn_of(item.path), zlib.crc32(_part_of(item.nodeid).encode()), item.path


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


@pytest.fixture(scope="session", autouse=True)
def _plain_tracebacks() -> None:
    """Print what is logged without the values of all variables, which take seconds of some exceptions."""
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])


def _hash_with(*, memory_kib: int, passes: int) -> None:
    passwords._context.update(argon2__memory_cost=memory_kib, argon2__time_cost=passes)
    passwords._dummy_hash.cache_clear()
    people.kept_password.cache_clear()


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> None:
    """Have a password hashed in a millisecond instead of forty, a quarter of what many tests would cost."""
    _hash_with(memory_kib=64, passes=1)


@pytest.fixture
def dear_passwords() -> Iterator[None]:
    """Have passwords cost what they cost in production, for tests of just that."""
    _hash_with(memory_kib=passwords._MEMORY_KIB, passes=passwords._PASSES)
    yield
    _hash_with(memory_kib=64, passes=1)


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
def postgres_server(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[str]:
    """The address of a running server, as its superuser, without a database name: `{server}/{name}`."""
    binaries = pytestconfig.getoption("--postgres")
    # That setting is there since PostgreSQL 16.
    settings = {
        name: value for name, value in _QUICK.items() if not (binaries and name == "scram_iterations")
    }
    server = postgres.start(tmp_path_factory.mktemp("postgres"), settings=settings, binaries=binaries)
    # Set again, the password is kept with the fewer iterations: each connection spares 5 ms.
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
    """The address of a database without any table."""
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
    """The address of a migrated, empty database that the application's settings name."""
    name = databases.take()
    url = f"{postgres_server}/{name}"
    monkeypatch.setenv("SECRET_KEY", secrets.token_urlsafe(48))
    own_pool = any(Path(__file__).parent / folder in request.path.parents for folder in _OWN_POOLS)
    async with in_settings(url, monkeypatch, keeps_pool=not own_pool):
        yield url
    databases.give_back(name)


@pytest.fixture(scope="module")
def database_of_the_file(postgres_server: str, databases: Databases) -> Iterator[str]:
    """The address of one such database for all tests of a file, which share a running application."""
    name = databases.take()
    yield f"{postgres_server}/{name}"
    databases.give_back(name)


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A running Redis that the settings do not name yet; skips where none is installed."""
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
    """The simulator at the beginning of a run, as the provider of the settings."""
    assert database
    simulator_process.begin()
    monkeypatch.setenv("ONRAMP_API_URL", simulator_process.base)
    get_settings.cache_clear()
    return simulator_process


@pytest.fixture
def project_dir() -> Path:
    """Give the folder of the project under test."""
    return Path(__file__).parent.parent
