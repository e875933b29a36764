"""The operator commands, as processes would see them: exit status, output, nothing secret."""

import json
import secrets
from urllib.parse import urlsplit

import psycopg
import pytest
from typer.testing import CliRunner, Result

from onramp_app.__main__ import app
from onramp_app.config import AppEnv, get_settings
from onramp_app.db.migrate import latest_revision
from onramp_app.services.checks import check_everything

PASSWORD = "violet-harbour-41"


def _run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, arguments, input=typed)


@pytest.fixture
def unmigrated(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("APP_ENV", "test")
    monkeypatch.setenv("DATABASE_URL", empty_database)
    monkeypatch.setenv("SECRET_KEY", secrets.token_urlsafe(48))
    get_settings.cache_clear()
    return empty_database


@pytest.mark.usefixtures("migrated_template")
def test_check_finds_an_unmigrated_database_and_migrate_heals_it(unmigrated: str) -> None:
    before = _run("check", "--json")
    assert before.exit_code == 1
    document = json.loads(before.stdout)
    unwell = {check["name"] for check in document["checks"] if not check["ok"]}
    assert (document["ok"], unwell) == (False, {"migrations"})
    migrated = _run("migrate", "--json")
    assert (migrated.exit_code, json.loads(migrated.stdout)) == (0, {"revision": latest_revision()})
    after = _run("check")
    assert after.exit_code == 0, after.output
    login = urlsplit(unmigrated).username
    assert f"database role: Logs in as {login} and works as onramp_app." in after.stdout


def test_check_notices_a_role_that_may_create_tables(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("GRANT CREATE ON SCHEMA public TO onramp_app")
    result = _run("check")
    assert result.exit_code == 1
    assert "FAIL  database role: onramp_app may create tables" in result.stdout


def test_check_says_what_cannot_be_reached_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:1/wallet")
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@127.0.0.1:1")
    monkeypatch.setenv("SMTP_URL", "smtps://me:hunter2@mail.bank.com:465")
    get_settings.cache_clear()
    result = _run("check", "--json")
    unwell = [check["name"] for check in json.loads(result.stdout)["checks"] if not check["ok"]]
    assert unwell == ["database", "migrations", "database role", "redis", "mail"]
    assert result.exit_code == 1
    assert "hunter2" not in result.output
    migrated = _run("migrate")
    assert migrated.exit_code == 1
    assert "hunter2" not in migrated.output


async def test_check_says_what_no_proxy_in_production_means() -> None:
    development = get_settings()
    production = development.model_copy(update={"app_env": AppEnv.PRODUCTION, "trusted_proxy_hops": 0})
    (proxies,) = [f for f in await check_everything(production) if f.name == "proxies"]
    assert not proxies.is_well
    assert "TRUSTED_PROXY_HOPS is 0" in proxies.detail
    behind_one = production.model_copy(update={"trusted_proxy_hops": 1})
    for well in (development, behind_one):
        (proxies,) = [f for f in await check_everything(well) if f.name == "proxies"]
        assert proxies.is_well


def test_check_names_the_setting_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    get_settings.cache_clear()
    result = _run("check")
    assert (result.exit_code, result.stdout) == (
        1,
        "FAIL  configuration: PUBLIC_URL is not set, and production needs it.\n",
    )


@pytest.mark.usefixtures("database")
def test_an_operator_opens_accounts_and_grants_roles() -> None:
    made = _run("create-user", "ops@example.com", "--country", "IN", "--json", typed=f"{PASSWORD}\n")
    assert made.exit_code == 0, made.output
    user = json.loads(made.stdout)
    assert user["role"] == "user"
    granted = _run("grant-role", "OPS@example.com", "admin", "--json")
    assert (granted.exit_code, json.loads(granted.stdout)) == (0, {"id": user["id"], "role": "admin"})
    assert PASSWORD not in made.output


@pytest.mark.usefixtures("database")
def test_what_cannot_be_done_ends_with_its_reason() -> None:
    for arguments, typed, reason in (
        (("create-user", "ops@example.com"), "password1\n", "easy to guess"),
        (("create-user", "ops"), f"{PASSWORD}\n", "not an e-mail address"),
        (("grant-role", "nobody@example.com", "admin"), "", "no account with this e-mail"),
    ):
        result = _run(*arguments, typed=typed)
        assert result.exit_code == 1
        assert reason in result.stderr
        assert result.stdout == ""
    assert _run("grant-role", "a@example.com", "emperor").exit_code == 2
