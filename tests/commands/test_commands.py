"""The operator's commands as seen from outside: exit status, output, and no secrets."""

import asyncio
import json
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from typer.testing import CliRunner, Result

from onramp_app.__main__ import app
from onramp_app.commands import running as shared
from onramp_app.config import AppEnv, get_settings
from onramp_app.db import engine
from onramp_app.db.migrate import latest_revision
from onramp_app.local import postgres
from onramp_app.provider_orders import webhook_address
from onramp_app.providers.onramp import client
from onramp_app.running import lifecycle
from onramp_app.running.checks import CHECKS
from onramp_app.running.parts import UnwellError
from onramp_app.treasury import changes
from tests.people import operator_code
from tests.simulator.process import NEXT_SECRET, SECRET, Process, Receiver

PASSWORD = "violet-harbour-41"


TREASURY = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


def _run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(app, arguments, input=typed)


@pytest.fixture
def simulator(simulator_process: Process, monkeypatch: pytest.MonkeyPatch) -> Process:
    """The simulator, reset to its initial state and set as the provider in the settings."""
    simulator_process.begin()
    monkeypatch.setenv("ONRAMP_API_URL", simulator_process.base)
    get_settings.cache_clear()
    return simulator_process


def _unwell() -> dict[str, str]:
    """Return the failed checks of the `check` command, with their details by name."""
    result = _run("check", "--json")
    found = {
        check["name"]: check["detail"] for check in json.loads(result.stdout)["checks"] if not check["ok"]
    }
    assert result.exit_code == (1 if found else 0)
    return found


@pytest.fixture
def unmigrated(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("APP_ENV", "test")
    monkeypatch.setenv("DATABASE_URL", empty_database)
    monkeypatch.setenv("SECRET_KEY", secrets.token_urlsafe(48))
    get_settings.cache_clear()
    return empty_database


@pytest.mark.usefixtures("databases", "simulator")
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
    assert f"database access: onramp_app, {login} may connect." in after.stdout
    with psycopg.connect(unmigrated, autocommit=True) as owner:
        owner.execute(f"GRANT CONNECT ON DATABASE {owner.info.dbname} TO PUBLIC")
    assert "database access: Every login of the server may connect." in _run("check").stdout


@pytest.mark.usefixtures("simulator")
def test_check_notices_a_role_that_may_create_tables(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("GRANT CREATE ON SCHEMA public TO onramp_app")
    result = _run("check")
    assert result.exit_code == 1
    assert "FAIL  database role: onramp_app may create tables" in result.stdout


@pytest.mark.usefixtures("simulator")
def test_check_says_what_cannot_be_reached_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:1/wallet")
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@127.0.0.1:1")
    monkeypatch.setenv("SMTP_URL", "smtps://me:hunter2@mail.bank.com:465")
    get_settings.cache_clear()
    result = _run("check", "--json")
    unwell = [check["name"] for check in json.loads(result.stdout)["checks"] if not check["ok"]]
    assert unwell == [
        *("database", "migrations", "database role", "database access"),
        *("database sessions", "database connections", "redis", "mail", "treasury changes"),
        *("webhooks", "reading", "delivered rule", "returns"),
    ]
    details = {check["name"]: check["detail"] for check in json.loads(result.stdout)["checks"]}
    away = {name for name in unwell if "DATABASE_URL: the server at 127.0.0.1:1 does not" in details[name]}
    assert set(unwell) - away == {"redis", "mail"}, "each line says which database"
    assert result.exit_code == 1
    assert "hunter2" not in result.output
    migrated = _run("migrate")
    assert (migrated.exit_code, migrated.stdout) == (4, "")
    assert migrated.stderr == "DATABASE_URL: the server at 127.0.0.1:1 does not answer.\n"


async def test_check_says_what_no_proxy_in_production_means() -> None:
    development = get_settings()
    production = development.model_copy(update={"app_env": AppEnv.PRODUCTION, "trusted_proxy_hops": 0})
    with pytest.raises(UnwellError, match="TRUSTED_PROXY_HOPS is 0"):
        await CHECKS["proxies"](production)
    behind_one = production.model_copy(update={"trusted_proxy_hops": 1})
    for well in (development, behind_one):
        assert "proxies" in await CHECKS["proxies"](well)


def test_check_names_the_setting_that_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_ENV", "production")
    get_settings.cache_clear()
    result = _run("check")
    assert result.exit_code == 1
    assert result.stdout.startswith("FAIL  configuration: PUBLIC_URL, DATABASE_URL, ONRAMP_APP_ID, ")
    assert " and SUPPORT_EMAIL are not set, and production needs them.\n" in result.stdout


@pytest.mark.usefixtures("database", "simulator")
@pytest.mark.parametrize(
    ("variable", "value", "part", "said"),
    [
        ("ONRAMP_API_KEY", "another-key", "provider account", "ONRAMP_API_KEY is wrong"),
        ("ONRAMP_API_SECRET", "another-secret", "provider account", "ONRAMP_API_SECRET is wrong"),
        ("ASSETS", '{"USDT": ["erc20"], "DOGE": ["matic20"]}', "provider account", "DOGE on matic20"),
    ],
)
def test_check_names_what_the_provider_refuses(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, part: str, said: str
) -> None:
    assert _unwell() == {}
    monkeypatch.setenv(variable, value)
    get_settings.cache_clear()
    found = _unwell()
    assert set(found) == {part}
    assert said in found[part]
    assert value not in found[part]


@pytest.mark.usefixtures("database")
def test_while_the_secret_is_changed_the_one_before_is_good_too(
    simulator: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONRAMP_API_SECRET", "not-yet-known")
    monkeypatch.setenv("ONRAMP_API_SECRET_PREVIOUS", NEXT_SECRET)
    get_settings.cache_clear()
    assert simulator.base
    assert _unwell() == {}


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(("seconds", "said"), [(-30, "30 s ahead of"), (40, "40 s behind")])
def test_check_names_a_clock_that_is_off(simulator: Process, seconds: int, said: str) -> None:
    simulator.scenario("clock_skew", times=None, value=seconds)
    found = _unwell()
    assert set(found) == {"provider clock"}, "what is signed with the provider's time is accepted"
    assert said in found["provider clock"]


@pytest.mark.usefixtures("database")
async def test_check_says_how_far_off_a_clock_is_that_agrees(simulator: Process) -> None:
    simulator.scenario("clock_skew", times=None, value=-2)
    said = await CHECKS["provider clock"](get_settings())
    assert re.search(r"clock is [2-4]\.\d s ahead of the provider's", said), said


@pytest.mark.usefixtures("database", "simulator")
@pytest.mark.parametrize(
    ("network", "entry", "said"),
    [
        ("matic20", {"address": TREASURY[:-1]}, "40 hexadecimal digits"),
        ("matic20", {"address": TREASURY.replace("5aA", "5aa")}, "EIP-55"),
        ("trc20", {"address": "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6u"}, "checksum"),
        ("spl", {"address": "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1vQQ"}, "32 bytes"),
        ("ton", {"address": "EQCD39VS5jcptHL8vMjEXrzGaRcCVYto7HUn4bpAOg8xqB2M"}, "checksum"),
        ("btc", {"address": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"}, "checksum"),
        ("xrp", {"address": "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh"}, "needs a memo"),
    ],
)
def test_check_names_a_wrong_treasury_address(
    monkeypatch: pytest.MonkeyPatch, network: str, entry: dict[str, str], said: str
) -> None:
    right = {"matic20": [{"address": TREASURY}], "nosuchnet": [{"address": "whatever-it-is"}]}
    monkeypatch.setenv("ASSETS", '{"USDT": ["matic20"]}')
    monkeypatch.setenv("TREASURY_ADDRESSES", json.dumps(right))
    get_settings.cache_clear()
    assert _unwell() == {}
    assert "nosuchnet by hand" in _run("check").stdout
    monkeypatch.setenv("TREASURY_ADDRESSES", json.dumps({**right, network: [*right.get(network, []), entry]}))
    get_settings.cache_clear()
    found = _unwell()
    assert set(found) == {"treasury addresses"}
    assert network in found["treasury addresses"]
    assert said in found["treasury addresses"]
    assert entry["address"] not in found["treasury addresses"]


@pytest.mark.usefixtures("database", "simulator")
def test_check_says_that_treasury_addresses_are_not_those_of_the_last_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asyncio.run(record_once())
    assert _unwell() == {}
    addresses = {network: [{"address": TREASURY}] for network in get_settings().treasury_addresses}
    monkeypatch.setenv("TREASURY_ADDRESSES", json.dumps(addresses))
    get_settings.cache_clear()
    found = _unwell()
    assert set(found) == {"treasury changes"}
    assert "arbitrum, bep20, erc20, matic20" in found["treasury changes"]


async def record_once() -> None:
    await changes.record_changes()
    await engine.dispose()


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(
    ("url", "said"),
    [
        (None, "The simulator at 127.0.0.1:1 does not answer (it runs while"),
        ("http://127.0.0.1:1", "The simulator at 127.0.0.1:1 does not answer (look at"),
        ("https://me:hunter2@provider.invalid", "The provider at provider.invalid does not answer (look at"),
    ],
)
def test_check_names_a_provider_that_cannot_be_reached(
    monkeypatch: pytest.MonkeyPatch, url: str | None, said: str
) -> None:
    monkeypatch.setattr(client, "SIMULATOR_URL", "http://127.0.0.1:1")  # where nothing listens
    if url is not None:
        monkeypatch.setenv("ONRAMP_API_URL", url)
    get_settings.cache_clear()
    found = _unwell()
    assert set(found) == {"provider", "provider clock", "provider account"}
    assert all(said in detail for detail in found.values())
    assert "hunter2" not in str(found)


@pytest.mark.usefixtures("simulator")
def test_in_development_check_attaches_to_the_folders_own_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "DATA_DIR", tmp_path)
    monkeypatch.setenv("DATABASE_URL", "")  # `_database` sets it; this restores that it was unset.
    get_settings.cache_clear()
    running = postgres.start(tmp_path, settings={"fsync": "off"})
    try:
        assert _run("migrate").exit_code == 0
        monkeypatch.setenv("DATABASE_URL", "")
        get_settings.cache_clear()
        assert _unwell() == {}
    finally:
        running.stop()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def test_an_operator_sets_the_webhook_address_and_has_webhooks_sent(
    simulator: Process, receiver: Receiver
) -> None:
    assert json.loads(_run("onramp", "set-webhook", receiver.url, "--json").stdout) == {
        "webhook_url": receiver.url
    }
    assert _run("onramp", "send-dummy").exit_code == 0
    assert receiver.wait_for(1)[0].is_signed_with(SECRET)
    order_id = simulator.open()
    assert "did not accept" in _run("onramp", "resend", str(order_id)).stderr, "it is not completed"
    simulator.move(order_id, 4)
    receiver.wait_for(2)
    assert _run("onramp", "resend", str(order_id)).exit_code == 0
    assert receiver.wait_for(3)[2].body["orderId"] == order_id


@pytest.mark.usefixtures("simulator")
def test_without_an_address_our_own_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFLEX_BACKEND_PORT", "8123")
    get_settings.cache_clear()
    assert _run("onramp", "set-webhook").stdout == (
        "Webhooks go to http://localhost:8123/api/webhooks/onramp.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("set-webhook", "ftp://example.com/"), "Use an address that begins with"),
        (("set-webhook", "http://"), "Use an address that begins with"),
        (("set-webhook", "http://a/" + "a" * 500), "Use an address that begins with"),
        (("send-dummy", "nonsense"), "Use an address that begins with"),
        (("resend", "999999999"), "does not know this order"),
        (("resend", "9" * 65), "1 to 64 visible characters"),
        (("resend", "two words"), "1 to 64 visible characters"),
    ],
)
@pytest.mark.usefixtures("simulator")
def test_what_the_provider_cannot_be_asked_ends_with_its_reason(
    arguments: tuple[str, ...], reason: str
) -> None:
    result = _run("onramp", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert reason in result.stderr


def test_a_provider_that_is_not_the_simulator_needs_an_address_it_can_reach(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ONRAMP_API_URL", "https://provider.invalid")
    get_settings.cache_clear()
    assert "PUBLIC_URL is not set" in _run("onramp", "set-webhook").stderr
    monkeypatch.setenv("PUBLIC_URL", "http://localhost:3000")
    get_settings.cache_clear()
    assert "begins with https://" in _run("onramp", "set-webhook").stderr


async def test_the_webhook_address_is_registered_as_soon_as_the_simulator_answers(
    simulator: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_address, "FIRST_WAIT_SECONDS", 0.05)
    simulator.scenario("api_down", times=2)
    await asyncio.wait_for(webhook_address.register_with_simulator(), 10)
    await lifecycle.disconnect()
    registered = simulator.control("requests", method="GET")["items"]
    tries = next(row for row in registered if row["path"].endswith("setWebhookUrl"))["by_status"]
    assert tries["200"] == 1


def _confirm(database: str, email: str) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute("UPDATE users SET email_confirmed_at = now() WHERE email = %s", (email,))


def test_an_operator_opens_accounts_and_grants_roles(database: str) -> None:
    made = _run("create-user", "ops@example.com", "--country", "IN", "--json", typed=f"{PASSWORD}\n")
    assert made.exit_code == 0, made.output
    user = json.loads(made.stdout)
    assert user["role"] == "user"
    early = _run("grant-role", "OPS@example.com", "admin")
    assert (early.exit_code, "was never confirmed" in early.stderr) == (1, True)
    _confirm(database, "ops@example.com")
    granted = _run("grant-role", "OPS@example.com", "admin", "--json")
    assert (granted.exit_code, json.loads(granted.stdout)) == (0, {"id": user["id"], "role": "admin"})
    assert PASSWORD not in made.output
    assert _run("create-user", "b@example.com", typed=f"{PASSWORD}\n").exit_code == 0
    _confirm(database, "b@example.com")
    alone = _run("grant-role", "b@example.com", "operator")
    assert (alone.exit_code, alone.stdout) == (1, "")
    assert alone.stderr == "There is an admin: an admin grants roles, with --by and --code.\n"
    by = ("--by", "ops@example.com")
    wrong = _run("grant-role", "b@example.com", "operator", *by, "--code", "00000-00000")
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    with psycopg.connect(database, autocommit=True) as owner:
        code = operator_code(owner, user["id"])
    assert _run("grant-role", "b@example.com", "operator", *by, "--code", code).exit_code == 0
    with psycopg.connect(database) as owner:
        lines = owner.execute("SELECT actor, action, subject, detail FROM audit_log ORDER BY at").fetchall()
    assert [line[:3] for line in lines] == [
        ("command", "account.created", user["id"]),
        ("command", "account.role_granted", user["id"]),
        ("command", "account.created", lines[2][2]),
        (user["id"], "account.role_granted", lines[2][2]),
    ]
    assert json.loads(lines[1][3]) == {"before": "user", "after": "admin", "sessions_ended": 0}


@pytest.mark.usefixtures("database")
def test_what_cannot_be_done_ends_with_its_reason() -> None:
    for arguments, typed, reason in (
        (("create-user", "ops@example.com"), "password1\n", "easy to guess"),
        (("create-user", "ops"), f"{PASSWORD}\n", "not an email address"),
        (("grant-role", "nobody@example.com", "admin"), "", "no account with this email"),
    ):
        result = _run(*arguments, typed=typed)
        assert result.exit_code == 1
        assert reason in result.stderr
        assert result.stdout == ""
    assert _run("grant-role", "a@example.com", "emperor").exit_code == 2
