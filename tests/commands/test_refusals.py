"""What every command does when it fails: its exit status, the right message, and JSON on request."""

import json
import re
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import typer
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from onramp_app.__main__ import app
from onramp_app.config import get_settings
from onramp_app.running.checks import CHECKS
from onramp_app.running.parts import UnwellError
from tests.local.test_start import changed
from tests.redis_server import RedisServer

COMMAND = typer.main.get_command(app)
# These print nothing for programs: they run until they are stopped.
WITHOUT_JSON = {("worker",), ("simulator",)}


def _walk(group: Any, *names: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _walk(command, *names, name)
        else:
            yield (*names, name), command


COMMANDS = dict(_walk(COMMAND))


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, input="violet-harbour-41\n")


def _refusal(result: Result) -> dict[str, Any]:
    """Return the JSON document of a refusal, asserting that nothing else was printed."""
    document = json.loads(result.stdout)
    assert (result.stderr, document["ok"], set(document)) == ("", False, {"ok", "code", "detail", "errors"})
    assert isinstance(document, dict)
    return document


def _needed(command: Any) -> list[str]:
    """Return the arguments that a command requires, so that it gets as far as reading its settings."""
    words = {
        "role": "operator",
        "status": "approved",
        "code": "x",
        "since": "2026-03-01",
        "scopes": "users",
    }
    given = []
    for one in command.params:
        if one.required or one.name in ("code", "since", "delivery"):
            given += [] if one.param_type_name == "argument" else [one.opts[0]]
            given.append(words.get(one.name, "7"))
    return given


def test_every_command_has_json_or_runs_until_it_is_ended() -> None:
    without = {
        name for name, command in COMMANDS.items() if all("--json" not in one.opts for one in command.params)
    }
    assert without == WITHOUT_JSON
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in WITHOUT_JSON], ids=" ".join)
def test_every_refusal_is_json_where_that_is_asked_for(
    name: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = _run(*name, "--json", "--nonsense")
    assert (unknown.exit_code, _refusal(unknown)["code"]) == (2, "not_understood")
    monkeypatch.setenv("DATABASE_CONNECTIONS", "1")
    get_settings.cache_clear()
    refused = _run(*name, "--json", *_needed(COMMANDS[name]))
    if name == ("check",):
        assert (refused.exit_code, json.loads(refused.stdout)["ok"]) == (1, False)
    else:
        assert (refused.exit_code, _refusal(refused)["code"]) == (4, "configuration_unusable")
    plain = _run(*name, "--nonsense")
    assert (plain.exit_code, plain.stdout) == (2, "")


@pytest.fixture
def login(postgres_server: str) -> Iterator[str]:
    """The URL of a login that may open no connection."""
    name = f"login_{secrets.token_hex(4)}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as superuser:
        superuser.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'x' CONNECTION LIMIT 0")
        yield changed(f"{postgres_server}/postgres", username=name, password="x")
        superuser.execute(f"DROP ROLE {name}")


def test_no_database_is_no_finding_and_each_reason_has_its_own_sentence(
    postgres_server: str, login: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = f"{postgres_server}/postgres"
    server = f"DATABASE_URL: the server at {right.rpartition('@')[2].partition('/')[0]}"
    user = login.split("//")[1].partition(":")[0]
    for url, said in (
        (
            login,
            f"{server} has no connection left for the user {user}; end what holds them, or raise the limit.",
        ),
        (changed(right, password="wrong"), f"{server} refuses this user name and password."),
        (changed(right, port=1), "DATABASE_URL: the server at 127.0.0.1:1 does not answer."),
        (changed(right, database="absent"), f"{server} has no database absent."),
    ):
        monkeypatch.setenv("DATABASE_URL", url)
        get_settings.cache_clear()
        refused = _run("verify-ledger", "--json")
        assert (refused.exit_code, _refusal(refused)) == (
            4,
            {"ok": False, "code": "database_unavailable", "detail": said, "errors": []},
        )
    monkeypatch.setenv("DATABASE_URL", right)
    monkeypatch.setenv("DATABASE_OWNER_URL", changed(right, database="absent"))
    get_settings.cache_clear()
    assert _run("migrate").stderr == f"{server.replace('_URL', '_OWNER_URL', 1)} has no database absent.\n"


@pytest.mark.usefixtures("database")
def test_what_cannot_be_meant_is_not_understood() -> None:
    for arguments, said in (
        (("reconcile", "--since", "2026-03-02", "--until", "2026-03-01"), "The period is empty: --since"),
        (("reconcile", "--since", "2026-03-01", "--until", "2026-03-01"), "The period is empty: --since"),
        (("reconcile", "--since", "2126-03-01"), "is not before now"),
        (("reconcile", "--until", "2026-03-01", "--treasury", __file__), "--until goes with --since"),
        (("verify-ledger", "--head", "1:5f"), "a head looks like"),
        (("verify-ledger", "--heads", __file__), "its line 1 is not a head"),
    ):
        refused = _run(*arguments, "--json")
        assert refused.exit_code == 2
        assert said in _refusal(refused)["detail"]


async def test_each_reason_why_redis_is_not_reached_has_its_own_sentence(redis_server: RedisServer) -> None:
    place = urlsplit(redis_server.url)
    server = f"REDIS_URL: the server at {place.hostname}:{place.port}"
    for url, said in (
        (f"redis://:wrong@{place.netloc}", f"{server} refuses this user name and password."),
        (f"redis://{place.netloc}/99", f"{server} has no database 99."),
        ("redis://127.0.0.1:1", "REDIS_URL: the server at 127.0.0.1:1 does not answer."),
        ("redis://redis.invalid", "REDIS_URL: the host redis.invalid is not known."),
    ):
        settings = get_settings().model_copy(update={"redis_url": SecretStr(url)})
        with pytest.raises(UnwellError, match=f"^{re.escape(said)}$"):
            await CHECKS["redis"](settings)
