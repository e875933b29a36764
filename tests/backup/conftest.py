"""Fixtures: books to back up, and empty databases of another owner to restore into."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from onramp_app.__main__ import app
from onramp_app.config import get_settings
from onramp_app.db import engine
from onramp_app.ledger import sealing
from tests.desk import Desk


@pytest.fixture
async def kept(desk: Desk) -> Desk:
    """Books with settled, held and unowned money, all of it sealed."""
    await desk.settled(1000)
    await desk.held(500)
    await desk.suspense(77)
    await sealing.seal()
    await engine.dispose()  # Each command runs its own event loop.
    return desk


class Target:
    """An empty database that belongs to a different login than the first one."""

    def __init__(self, server: str, patch: pytest.MonkeyPatch) -> None:
        self._server, self._patch = server, patch
        self.owner, self.name = f"owner_{secrets.token_hex(4)}", f"restored_{secrets.token_hex(4)}"
        password = secrets.token_hex(8)
        self._run(f"CREATE ROLE {self.owner} LOGIN CREATEROLE PASSWORD '{password}'")
        # Another database of this server has created the role already, and only its creator may grant it.
        self._run(f"GRANT onramp_app TO {self.owner}")
        self.make()
        self.url = f"postgresql://{self.owner}:{password}@{server.rpartition('@')[2]}/{self.name}"

    def make(self) -> None:
        """Recreate the database, empty."""
        self._run(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
        self._run(f"CREATE DATABASE {self.name} OWNER {self.owner}")

    def restore(self, file: Path, *options: str) -> Result:
        """Run the `restore` command with this database in the settings."""
        with self._patch.context() as patch:
            patch.setenv("DATABASE_URL", self.url)
            get_settings.cache_clear()
            result = CliRunner().invoke(app, ["restore", str(file), *options])
        get_settings.cache_clear()
        return result

    def drop(self) -> None:
        self._run(f"DROP DATABASE {self.name} WITH (FORCE)")
        self._run(f"DROP ROLE {self.owner}")

    def _run(self, statement: str) -> None:
        with psycopg.connect(f"{self._server}/postgres", autocommit=True) as superuser:
            superuser.execute(statement.encode())


@pytest.fixture
def target(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    made = Target(postgres_server, monkeypatch)
    yield made
    made.drop()
