"""Fixtures for everyone: a real PostgreSQL, and a fresh migrated database for each test that asks."""

import importlib
import importlib.util
import itertools
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from onramp_app.config import Settings, get_settings
from onramp_app.db import engine
from onramp_app.local import postgres

_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_developer() -> None:
    """Keep `.env` and exported settings of the person who runs the tests out of them."""
    Settings.model_config["env_file"] = None
    for name in Settings.model_fields:
        os.environ.pop(name.upper(), None)
    os.environ["SECRET_KEY"] = "a key for tests that nobody else uses"
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run a server for the session; gives the owner's URL of an empty database."""
    server = postgres.start(tmp_path_factory.mktemp("postgres"), settings={"fsync": "off"})
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def template_database(postgres_server: str) -> str:
    """Give the name of a migrated database that is copied for each test."""
    _execute(postgres_server, "CREATE DATABASE migrated")
    if importlib.util.find_spec("onramp_app.db.migrate") is not None:
        importlib.import_module("onramp_app.db.migrate").migrate(with_database(postgres_server, "migrated"))
    return "migrated"


@pytest.fixture
async def database(
    postgres_server: str, template_database: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[str]:
    """Give the URL of a fresh database, which the application's settings name for the test."""
    name = f"test_{next(_numbers)}"
    _execute(postgres_server, f"CREATE DATABASE {name} TEMPLATE {template_database}")
    url = with_database(postgres_server, name)
    await engine.dispose()
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.delenv("DATABASE_OWNER_URL", raising=False)
    get_settings.cache_clear()
    yield url
    await engine.dispose()
    get_settings.cache_clear()
    _execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


def with_database(url: str, name: str) -> str:
    """Return `url` with another database."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def _execute(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


@pytest.fixture
def project_dir() -> Path:
    """Give the folder of the project under test."""
    return Path(__file__).parent.parent
