"""Settings: which values are refused, with which messages, and which secrets no message contains."""

import multiprocessing
import re
import stat
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import make_url

from onramp_app import production
from onramp_app.config import (
    ConfigurationError,
    Settings,
    load_settings,
)
from onramp_app.db.engine import sqlalchemy_url

SECRET = "hunter2-and-more-than-32-bytes-long"
PRODUCTION: dict[str, Any] = {
    "app_env": "production",
    "public_url": "https://wallet.mycompany.io",
    "database_url": "postgresql://wallet:correct-horse@db.internal:5432/wallet",
    "secret_key": "Zq7mC2xWn0Tb9LrVh4Ky8Gd1Fs6Pj3Ea5Uo",
    "onramp_app_id": "4711",
    "onramp_api_key": "key-of-ours",
    "onramp_api_secret": "a-secret-of-ours-nobody-knows",
    "treasury_addresses": '{"matic20": [{"address": "0x' + "a1b2c3d4e5" * 4 + '"}],'
    ' "bep20": [{"address": "0x'
    + "a2b3c4d5e6" * 4
    + '"}], "arbitrum": [{"address": "0x'
    + "a3b4c5d6e7" * 4
    + '"}]}',
    "smtp_url": "smtps://wallet:pw@mail.mycompany.io:465",
    "mail_from": "Wallet <no-reply@mycompany.io>",
    "support_email": "help@mycompany.io",
}


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)


def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **values: Any) -> Settings:
    """Load settings from environment variables, the way a person sets them."""
    for name, value in values.items():
        monkeypatch.setenv(name.upper(), str(value))
    return load_settings(tmp_path)


def test_complete_production_settings_are_accepted(monkeypatch, tmp_path):
    settings = load(monkeypatch, tmp_path, **PRODUCTION)

    assert settings.is_production
    assert settings.listen_host == "0.0.0.0"
    assert settings.ui_origin == "https://wallet.mycompany.io"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("missing", production.REQUIRED)
@pytest.mark.parametrize("empty", [True, False])
def test_a_missing_production_setting_is_named(monkeypatch, tmp_path, missing, empty):
    values = {**PRODUCTION, missing: ""} if empty else {k: v for k, v in PRODUCTION.items() if k != missing}

    with pytest.raises(
        ConfigurationError, match=rf"^{missing.upper()} is not set, and production needs it\.$"
    ):
        load(monkeypatch, tmp_path, **values)


def test_all_that_is_missing_or_unusable_is_named_at_once(monkeypatch, tmp_path):
    few = {"app_env": " production ", "public_url": "https://wallet.example.com", "secret_key": "x" * 40}
    with pytest.raises(ConfigurationError) as unfit:
        load(monkeypatch, tmp_path, **few)
    assert str(unfit.value).splitlines() == [
        "DATABASE_URL, ONRAMP_APP_ID, ONRAMP_API_KEY, ONRAMP_API_SECRET, TREASURY_ADDRESSES, SMTP_URL,"
        " MAIL_FROM and SUPPORT_EMAIL are not set, and production needs them.",
        "PUBLIC_URL still holds a placeholder; set the real value.",
        "SECRET_KEY still holds a placeholder; set the real value.",
        "SECRET_KEY repeats so few characters that it is easily guessed; set the real value.",
    ]
    with pytest.raises(ConfigurationError) as unusable:
        load(monkeypatch, tmp_path, **few, smtp_url="mail", mail_from=" ", port="x", database_connections=1)
    assert [line.split(" cannot be used: ")[0] for line in str(unusable.value).splitlines()] == [
        "DATABASE_URL, ONRAMP_APP_ID, ONRAMP_API_KEY, ONRAMP_API_SECRET, TREASURY_ADDRESSES, MAIL_FROM"
        " and SUPPORT_EMAIL are not set, and production needs them.",
        *("PORT", "DATABASE_CONNECTIONS", "SMTP_URL"),
    ]


@pytest.mark.parametrize(
    ("name", "placeholder"),
    [
        ("public_url", "https://your-domain.com"),
        ("public_url", "https://wallet.example.com"),
        ("database_url", "postgresql://user:changeme@db/wallet"),
        ("secret_key", "change-me-change-me-change-me-change-me"),
        ("onramp_api_key", "simulator-key"),
        ("onramp_api_key", "xxxxxxxx"),
        ("onramp_api_secret", "simulator-secret"),
        ("onramp_api_secret", "<secret>"),
        ("treasury_addresses", '{"matic20": [{"address": "0x51515151515151515151515151515151515150001"}]}'),
        ("smtp_url", "smtp://user:replace-me@mail.io"),
        ("mail_from", "no-reply@example.com"),
        ("support_email", "help@example.org"),
    ],
)
def test_a_placeholder_is_named_and_not_repeated(monkeypatch, tmp_path, name, placeholder):
    with pytest.raises(ConfigurationError, match=f"^{name.upper()} still holds a placeholder") as refusal:
        load(monkeypatch, tmp_path, **{**PRODUCTION, name: placeholder})

    assert placeholder not in str(refusal.value)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"onramp_app_id": 1}, "ONRAMP_APP_ID is one of the provider's test ids"),
        ({"onramp_app_id": 2}, "ONRAMP_APP_ID is one of the provider's test ids"),
        ({"secret_key": "k" * 31}, "SECRET_KEY cannot be used: it is shorter than 32 bytes."),
        ({"secret_key_previous": "k" * 31}, "SECRET_KEY_PREVIOUS cannot be used: it is shorter than 32"),
        ({"public_url": "http://wallet.mycompany.io"}, "PUBLIC_URL must begin with https://"),
        ({"public_url": "https://localhost:3000"}, "PUBLIC_URL names a test host"),
        ({"public_url": "https://127.0.0.1"}, "PUBLIC_URL names a test host"),
        ({"public_url": "https://[::1]:3000"}, "PUBLIC_URL names a test host"),
        ({"onramp_api_url": "https://api-test.onramp.money"}, "ONRAMP_API_URL names a test host"),
        ({"onramp_api_url": "http://localhost:8001"}, "ONRAMP_API_URL names a test host"),
        ({"onramp_widget_url": "https://sandbox.onramp.money"}, "ONRAMP_WIDGET_URL names a test host"),
        (
            {"chain_rpc": '{"matic20": ["https://a.io/v2/k1", "http://polygon.mycompany.io"]}'},
            "CHAIN_RPC must name servers of matic20 that begin with https:// in production.",
        ),
        ({"chain_rpc": '{"matic20": ["https://your-node.io"]}'}, "CHAIN_RPC still holds a placeholder"),
        ({"assets": '{"USDT": ["trc20"]}'}, "TREASURY_ADDRESSES has no current address for trc20"),
    ],
)
def test_production_refuses_what_belongs_to_a_test(monkeypatch, tmp_path, values, sentence):
    with pytest.raises(ConfigurationError, match=re.escape(sentence)):
        load(monkeypatch, tmp_path, **{**PRODUCTION, **values})


def _production(**changes: Any) -> dict[str, Any]:
    return {**PRODUCTION, **changes}


def _treasury(address: str, network: str = "matic20") -> dict[str, str]:
    entry = f'{{"{network}": [{{"address": "{address}"}}]}}'
    return {"assets": f'{{"USDT": ["{network}"]}}', "treasury_addresses": entry}


OTHER = "Hn5tQ8wXc1Zr7Lb3Vk9Mf2Gs6Jd0Py4Ea8"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"secret_key": "k" * 48}, "SECRET_KEY repeats"),
        ({"secret_key": "ab1" * 16}, "SECRET_KEY repeats"),
        ({"secret_key_previous": "k" * 48}, "SECRET_KEY_PREVIOUS repeats"),
        (
            {"secret_key_previous": "change-me-change-me-change-me-change-me"},
            "SECRET_KEY_PREVIOUS still holds",
        ),
        ({"secret_key_previous": PRODUCTION["secret_key"]}, "SECRET_KEY_PREVIOUS is the same as SECRET_KEY;"),
        ({"onramp_api_key": "k"}, "ONRAMP_API_KEY is shorter than 8 characters"),
        ({"onramp_api_key": "k" * 32}, "ONRAMP_API_KEY repeats"),
        ({"onramp_api_key": "your-api-key"}, "ONRAMP_API_KEY still holds"),
        ({"onramp_api_secret": "${ONRAMP_API_SECRET}"}, "ONRAMP_API_SECRET still holds"),
        ({"onramp_api_secret": "abcdefgh1234567"}, "ONRAMP_API_SECRET is shorter than 16 characters"),
        ({"onramp_api_secret": "test_secret_not_real"}, "ONRAMP_API_SECRET still holds"),
        ({"onramp_api_secret": PRODUCTION["secret_key"]}, "ONRAMP_API_SECRET is the same as SECRET_KEY;"),
        ({"onramp_api_secret_previous": "simulator-secret"}, "ONRAMP_API_SECRET_PREVIOUS still holds"),
        ({"metrics_token": "secret"}, "METRICS_TOKEN still holds"),
        ({"metrics_token": "xxxxxxxxxxxxxxxxxxxx"}, "METRICS_TOKEN still holds"),
        ({"metrics_token": "m3trics"}, "METRICS_TOKEN is shorter than 16 characters"),
        ({"metrics_token": PRODUCTION["secret_key"]}, "METRICS_TOKEN is the same as SECRET_KEY;"),
        (
            {"database_url": f"postgresql://u:{OTHER}@db/w", "metrics_token": OTHER},
            "METRICS_TOKEN is the same",
        ),
        ({"database_owner_url": "postgresql://u:changeme@db/w"}, "DATABASE_OWNER_URL still holds"),
        ({"database_url": "postgresql://u:password@db/w"}, "DATABASE_URL still holds"),
        ({"redis_url": "redis://:your-password@db"}, "REDIS_URL still holds"),
        ({"terms_url": "https://example.com/terms"}, "TERMS_URL still holds"),
        ({"onramp_api_url": "http://api.onramp.money"}, "ONRAMP_API_URL must begin with https://"),
        ({"onramp_widget_url": "http://onramp.money/main"}, "ONRAMP_WIDGET_URL must begin with https://"),
    ],
)
def test_production_refuses_what_protects_nothing(monkeypatch, tmp_path, values, sentence):
    with pytest.raises(ConfigurationError, match=f"^{re.escape(sentence)}") as refusal:
        load(monkeypatch, tmp_path, **_production(**values))

    assert not any(len(value) > 8 and str(value) in str(refusal.value) for value in values.values())


@pytest.mark.parametrize("name", ["public_url", "onramp_api_url", "onramp_widget_url"])
@pytest.mark.parametrize(
    "host",
    [
        *("localhost.", "LOCALHOST", "wallet.localhost", "localhost.localdomain", "ip6-localhost"),
        *("127.0.0.1", "127.1", "0x7f.1", "0x7f000001", "2130706433", "0177.0.0.1", "\uff11\uff12\uff17.1"),
        *("0.0.0.0", "0", "10.0.0.7", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::7f00:1]", "[64:ff9b::7f00:1]"),
        *("[2002:7f00:1::]", "[fe80::1]", "[fd00::1]", "[fec0::1]", "[2001:db8::1]", "[::ffff:10.0.0.1]"),
        *("127.0.0.1.nip.io", "lvh.me", "wallet.test", "sandbox.onramp.money", "224.0.0.1", "192.0.2.1"),
    ],
)
def test_production_takes_no_disguise_of_this_machine(monkeypatch, tmp_path, name, host):
    with pytest.raises(ConfigurationError, match=f"^{name.upper()} "):
        load(monkeypatch, tmp_path, **_production(**{name: f"https://{host}"}))


@pytest.mark.parametrize("host", ["latest-wallet.in", "8.8.8.8", "[2606:4700::1111]", "wallet.example.in"])
def test_production_takes_every_public_host(monkeypatch, tmp_path, host):
    load(
        monkeypatch,
        tmp_path,
        **_production(public_url=f"https://{host}", onramp_api_url=f"https://{host}/v2"),
    )


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("0x" + "0" * 40, "matic20"),
        ("0x000000000000000000000000000000000000dEaD", "matic20"),
        ("0x0000000000000000000000000000000000000001", "matic20"),
        ("0xdEAD000000000000000042069420694206942069", "matic20"),
        ("0x" + "EeeE" * 10, "matic20"),
        ("0x72c6668306f1d89425e86899b7444a0c2e5f25cf", "matic20"),
        ("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "erc20"),
        ("0x5151515151515151515151515151515151510001", "matic20"),
        ("T9yD14Nj9j7xAB4dbGeiX9h8unkKHxuWwb", "trc20"),
        ("1" * 32, "spl"),
    ],
)
def test_production_refuses_addresses_whose_key_is_not_the_operators(monkeypatch, tmp_path, address, network):
    with pytest.raises(ConfigurationError, match=r"^TREASURY_ADDRESSES (still )?holds ") as refusal:
        load(monkeypatch, tmp_path, **_production(**_treasury(address, network)))

    assert address not in str(refusal.value)


def test_production_takes_secrets_and_addresses_that_are_the_operators_own(monkeypatch, tmp_path):
    treasury = _treasury("0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F")
    secrets = {"metrics_token": OTHER, "secret_key_previous": OTHER[::-1]}
    load(monkeypatch, tmp_path, **_production(**treasury, **secrets))


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        ("https://wallet.my-company.in", "https://wallet.my-company.in"),
        ("https://wallet.my-company.in/", "https://wallet.my-company.in"),
        ("https://wallet.my-company.in:443", "https://wallet.my-company.in"),
        ("https://wallet.my-company.in:443/", "https://wallet.my-company.in"),
        ("https://wallet.my-company.in:8443", "https://wallet.my-company.in:8443"),
        ("http://wallet.my-company.in:80", "http://wallet.my-company.in"),
        ("http://wallet.my-company.in:443", "http://wallet.my-company.in:443"),
        ("HTTPS://Wallet.My-Company.IN", "https://wallet.my-company.in"),
        ("https://wallet.my-company.in.", "https://wallet.my-company.in"),
        ("https://bücher.my-company.in", "https://xn--bcher-kva.my-company.in"),
        ("https://वॉलेट.भारत", "https://xn--c2b1bi7ei.xn--h2brj9c"),
        ("https://xn--bcher-kva.my-company.in", "https://xn--bcher-kva.my-company.in"),
        ("http://[2001:DB8:0:0::1]:3000", "http://[2001:db8::1]:3000"),
        ("http://wallet_1.internal:3000", "http://wallet_1.internal:3000"),
    ],
)
def test_the_public_address_is_kept_as_browsers_write_an_origin(monkeypatch, tmp_path, given, origin):
    settings = load(monkeypatch, tmp_path, public_url=given)
    assert (settings.public_url, settings.ui_origin, settings.ui_origins) == (origin, origin, (origin,))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("https://wallet.my-company.in/wallet", "it must end after the host"),
        ("https://wallet.my-company.in/?a=1", "it must end after the host"),
        ("https://wallet.my-company.in/#a", "it must end after the host"),
        ("https://ada:pass@wallet.my-company.in", "it must not hold a user name or password"),
        ("https://@wallet.my-company.in", "it must not hold a user name or password"),
        ("https://wallet my-company.in", "its host is not a name"),
        ("https://..", "its host is not a name"),
    ],
)
def test_a_public_address_that_names_more_than_an_origin_is_refused_in_words(
    monkeypatch, tmp_path, given, why
):
    with pytest.raises(ConfigurationError, match=f"^PUBLIC_URL cannot be used: {re.escape(why)}"):
        load(monkeypatch, tmp_path, public_url=given)


def test_in_development_this_machine_has_two_names(monkeypatch, tmp_path):
    both = ("http://localhost:3000", "http://127.0.0.1:3000")
    assert load(monkeypatch, tmp_path).ui_origins == both
    assert load(monkeypatch, tmp_path, public_url="http://127.0.0.1:3000").ui_origins == both[::-1]


def test_proxies_are_networks_separated_by_commas(monkeypatch, tmp_path):
    settings = load(monkeypatch, tmp_path, trusted_proxies="10.0.0.0/8, 203.0.113.7,2001:db8::/32")
    assert [str(network) for network in settings.trusted_proxies] == [
        "10.0.0.0/8",
        "203.0.113.7/32",
        "2001:db8::/32",
    ]
    with pytest.raises(ConfigurationError, match=r"^TRUSTED_PROXIES .*cannot be used"):
        load(monkeypatch, tmp_path, trusted_proxies="10.0.0.1/8")


def test_links_lead_back_to_origins_as_browsers_write_them(monkeypatch, tmp_path):
    given = "https://Shop.My-Company.com/, http://localhost:7000,https://shop.my-company.com:443"
    settings = load(monkeypatch, tmp_path, return_origins=given)
    assert settings.return_origins == (
        "https://shop.my-company.com",
        "http://localhost:7000",
        "https://shop.my-company.com",
    )
    for wrong in ("shop.my-company.com", "https://shop.my-company.com/paid", "javascript:alert(1)", "*"):
        with pytest.raises(ConfigurationError, match=r"^RETURN_ORIGINS .*cannot be used"):
            load(monkeypatch, tmp_path, return_origins=wrong)


def test_production_leads_back_by_https_only(monkeypatch, tmp_path):
    with pytest.raises(ConfigurationError, match=r"^RETURN_ORIGINS cannot be used: each must begin"):
        load(monkeypatch, tmp_path, **PRODUCTION, return_origins="http://shop.my-company.com")
    monkeypatch.setenv("RETURN_ORIGINS", "https://shop.my-company.com")
    assert load(monkeypatch, tmp_path, **PRODUCTION).return_origins == ("https://shop.my-company.com",)


@pytest.mark.parametrize("value", ["1"])
def test_a_replit_deployment_is_production(monkeypatch, tmp_path, value):
    with pytest.raises(ConfigurationError, match="are not set, and production needs them"):
        load(monkeypatch, tmp_path, replit_deployment=value)


HOSTED = {
    "Replit": "postgresql://neondb_owner:p4ss@ep-a-b-1.us-east-2.aws.neon.tech/neondb?sslmode=require",
    "Neon": "postgresql://o:p4ss@ep-a-b-1-pooler.eu-central-1.aws.neon.tech/neondb"
    "?sslmode=require&channel_binding=require",
    "Neon, for old clients": "postgres://o:p4ss@a.neon.tech/neondb?options=endpoint%3Dep-a-b-1&sslmode=require",
    "Supabase, transactions": "postgresql://postgres.abc:p4ss@aws-0-eu-central-1.pooler.supabase.com:6543/postgres"
    "?pgbouncer=true&connection_limit=1",
    "Supabase, sessions": "postgresql://postgres.abc:p4ss@aws-0-eu-central-1.pooler.supabase.com:5432/postgres",
    "RDS": "postgres://wallet:p%40ss@db.abc.eu-central-1.rds.amazonaws.com:5432/wallet"
    "?sslmode=verify-full&sslrootcert=/etc/ssl/rds.pem",
}


@pytest.mark.parametrize("given", HOSTED.values(), ids=HOSTED.keys())
def test_addresses_of_hosted_databases_are_taken_as_they_come(monkeypatch, tmp_path, given):
    url = load(monkeypatch, tmp_path, database_url=given).database_url.get_secret_value()
    read = conninfo_to_dict(url)
    assert (read["host"], read["password"]) == (make_url(given).host, make_url(given).password)
    kept = {
        name: value
        for name, value in make_url(given).query.items()
        if name.startswith(("ssl", "chan", "opt"))
    }
    assert make_url(sqlalchemy_url(url)).query == kept


def test_control_libpq_refuses_what_is_for_other_drivers():
    with pytest.raises(psycopg.ProgrammingError, match="pgbouncer"):
        conninfo_to_dict(HOSTED["Supabase, transactions"])


def test_what_replit_serves_is_found_where_replit_says(monkeypatch, tmp_path):
    domains = "wallet.replit.app, wallet.my-company.in"
    assert load(monkeypatch, tmp_path, replit_domains=domains).public_url == "https://wallet.replit.app"
    named = load(monkeypatch, tmp_path, replit_domains=domains, public_url="https://wallet.my-company.in")
    assert named.public_url == "https://wallet.my-company.in"


def test_production_is_content_with_the_name_that_replit_gives(monkeypatch, tmp_path):
    given = {name: value for name, value in PRODUCTION.items() if name not in ("public_url", "app_env")}
    settings = load(
        monkeypatch, tmp_path, **given, replit_deployment="1", replit_domains="wallet.my-company.in"
    )
    assert settings.public_url == "https://wallet.my-company.in"
    with pytest.raises(ConfigurationError, match="PUBLIC_URL"):
        load(monkeypatch, tmp_path, **given, replit_deployment="1", replit_domains="")


def test_a_replit_workspace_is_not_production(monkeypatch, tmp_path):
    assert not load(monkeypatch, tmp_path, replit_deployment="0").is_production


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("database_url", f"mysql://user:{SECRET}@db/wallet"),
        ("database_url", f"postgresql://user:{SECRET}@db"),
        ("database_url", f"postgresql://user:{SECRET}/x@db/wallet"),
        ("database_url", f"postgresql://user:{SECRET}@[db/wallet"),
        ("database_url", f"postgresql://user:{SECRET}@db\u2100/wallet"),
        ("database_owner_url", SECRET),
        ("redis_url", f"http://:{SECRET}@redis"),
        ("redis_url", f"unix:///run/{SECRET}"),  # the rate limiter cannot use it
        ("redis_url", "redis:///0"),
        ("smtp_url", f"smtp://user:{SECRET}@"),
        ("smtp_url", f"smtp://user@host:{SECRET}"),
        ("public_url", f"ftp://{SECRET}"),
        ("onramp_app_id", SECRET),
        ("onramp_settlement", SECRET),
        ("onramp_tolerance_percent", SECRET),
        ("mail_from", SECRET),
        ("port", SECRET),
        ("port", "0"),
        ("log_level", SECRET),
        ("assets", f'{{"{SECRET}'),
        ("assets", "{}"),
        ("assets", '{"USDT": []}'),
        ("assets", f'{{"USDT": ["{SECRET}"]}}'),
        ("treasury_addresses", SECRET),
        ("treasury_addresses", '{"matic20": []}'),
        ("treasury_addresses", f'{{"matic20": [{{"address": "0x12345678", "until": "{SECRET}"}}]}}'),
        ("treasury_addresses", '{"matic20": [{"address": "0x12345678", "until": "2031-01-01T00:00:00"}]}'),
        ("treasury_addresses", f'{{"matic20": [{{"address": "0x12345678", "note": "{SECRET}"}}]}}'),
        ("limits", f'{{"basic": {{"per_day": "{SECRET}"}}}}'),
        ("limits", '{"basic": {"per_day": -1}}'),
        ("limits", '{"basic": {"per_day": NaN}}'),
        ("limits", '{"gold": {"per_day": 1}}'),
    ],
)
def test_an_unusable_value_is_one_sentence_that_names_the_variable_only(monkeypatch, tmp_path, name, value):
    with pytest.raises(ConfigurationError) as refusal:
        load(monkeypatch, tmp_path, **{name: value})

    sentence = str(refusal.value)
    assert sentence.startswith(f"{name.upper()} ")
    assert " cannot be used: " in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert SECRET not in sentence
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_both_schemes_of_postgresql_are_accepted(monkeypatch, tmp_path, scheme):
    settings = load(monkeypatch, tmp_path, database_url=f"{scheme}://user:hidden-41@db/wallet")

    assert settings.database_url is not None
    assert "hidden-41" not in repr(settings)


def test_limits_are_exact(monkeypatch, tmp_path):
    settings = load(
        monkeypatch, tmp_path, limits='{"basic": {"per_day": 0.1, "per_month": 100000000000000001}}'
    )

    assert settings.limits.basic.per_day == Decimal("0.1")
    assert settings.limits.basic.per_month == Decimal("100000000000000001")
    assert settings.limits.full.per_day is None


def test_an_address_whose_time_is_over_is_kept_but_not_enough(monkeypatch, tmp_path):
    old = '{"address": "0x12345678", "until": "2020-01-01T00:00:00Z"}'
    assets = '{"USDT": ["matic20"]}'

    with pytest.raises(ConfigurationError, match="no current address for matic20"):
        load(monkeypatch, tmp_path, assets=assets, treasury_addresses=f'{{"matic20": [{old}]}}')
    both = f'{{"matic20": [{old}, {{"address": "0x87654321"}}]}}'
    settings = load(monkeypatch, tmp_path, assets=assets, treasury_addresses=both)

    assert [address.address for address in settings.treasury_addresses["matic20"]] == [
        "0x12345678",
        "0x87654321",
    ]


def test_development_has_simulated_addresses_of_the_right_form(monkeypatch, tmp_path):
    settings = load(monkeypatch, tmp_path)

    assert settings.treasury_addresses.keys() == {"matic20", "bep20", "arbitrum", "erc20"}
    for (address,) in settings.treasury_addresses.values():
        assert re.fullmatch(r"0x[0-9]{40}", address.address)


def test_development_listens_on_loopback_unless_host_says_otherwise(monkeypatch, tmp_path):
    assert load(monkeypatch, tmp_path).listen_host == "127.0.0.1"
    assert load(monkeypatch, tmp_path, host="0.0.0.0").listen_host == "0.0.0.0"


@pytest.mark.parametrize(
    ("values", "hops"),
    [
        ({}, 0),
        ({"trusted_proxy_hops": 2}, 2),
        ({"trusted_proxy_hops": ""}, 0),
        (PRODUCTION, 1),
        ({**PRODUCTION, "app_env": "development", "replit_deployment": "1"}, 1),
        ({**PRODUCTION, "trusted_proxy_hops": 3}, 3),
        ({**PRODUCTION, "trusted_proxy_hops": 0}, 0),
    ],
)
def test_production_expects_one_proxy_unless_told_otherwise(monkeypatch, tmp_path, values, hops):
    assert load(monkeypatch, tmp_path, **values).trusted_proxy_hops == hops


def test_the_development_key_is_made_once_for_its_owner_only(tmp_path):
    folder = tmp_path / "data"
    first, second = (load_settings(folder).secret_key.get_secret_value() for _ in range(2))

    assert first == second
    assert len(first) >= 32
    assert [path.name for path in folder.iterdir()] == ["secret_key"]
    assert stat.S_IMODE((folder / "secret_key").stat().st_mode) == 0o600


def _key(folder: Path) -> str:
    return load_settings(folder).secret_key.get_secret_value()


def test_processes_that_start_at_once_agree_on_the_key(tmp_path):
    with multiprocessing.get_context("fork").Pool(4) as pool:
        for number in range(20):
            assert len(set(pool.map(_key, [tmp_path / str(number)] * 8, chunksize=1))) == 1


def test_a_damaged_development_key_is_said(tmp_path):
    (tmp_path / "secret_key").write_text("")

    with pytest.raises(ConfigurationError, match="secret_key cannot be read or made; set SECRET_KEY"):
        load_settings(tmp_path)


def _example(project_dir: Path) -> dict[str, str]:
    lines = (project_dir / ".env.example").read_text().splitlines()
    return dict(line[2:].split("=", 1) for line in lines if re.match(r"# [A-Z_]+=", line))


def test_the_example_lists_every_setting_with_one_line_each(project_dir):
    lines = (project_dir / ".env.example").read_text().splitlines()
    settings = [n for n, line in enumerate(lines) if re.match(r"# [A-Z_]+=", line)]

    assert set(_example(project_dir)) == {name.upper() for name in Settings.model_fields}
    assert len(settings) == len(Settings.model_fields)
    assert all(re.match(r"# .+\.$", lines[number - 1]) for number in settings)


def test_the_example_shows_the_defaults(monkeypatch, tmp_path, project_dir):
    default = load(monkeypatch, tmp_path)
    shown = load(monkeypatch, tmp_path, **_example(project_dir))

    assert shown == default


def test_the_file_is_read_from_the_project_folder(tmp_path):
    (tmp_path / ".env").write_text("APP_NAME=From the file\n")

    assert Settings(_env_file=tmp_path / ".env").app_name == "From the file"
    assert Settings.model_config["env_file"] is None, "tests read no developer's file"


@pytest.mark.parametrize(
    ("url", "is_simulator"),
    [
        (None, True),
        ("http://localhost:8001", True),
        ("http://127.0.0.1:9", True),
        ("http://[::1]:9", True),
        ("https://api-test.onramp.money", False),
        ("http://localhost.evil.test", False),
    ],
)
def test_the_simulator_is_what_answers_on_this_machine(monkeypatch, tmp_path, url, is_simulator):
    values = {} if url is None else {"ONRAMP_API_URL": url}

    assert load(monkeypatch, tmp_path, **values).uses_simulator is is_simulator


def test_production_never_takes_the_provider_for_a_simulator(monkeypatch, tmp_path):
    assert not load(monkeypatch, tmp_path, **PRODUCTION).uses_simulator


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({}, "http://localhost:8000"),
        ({"REFLEX_BACKEND_PORT": "3000"}, "http://localhost:3000"),
        ({"HOST": "0.0.0.0"}, "http://localhost:8000"),
        ({"HOST": "192.0.2.7"}, "http://192.0.2.7:8000"),
        ({"HOST": "2001:db8::7"}, "http://[2001:db8::7]:8000"),
    ],
)
def test_the_api_is_reached_where_it_listens(monkeypatch, tmp_path, values, url):
    assert load(monkeypatch, tmp_path, **values).local_api_url == url
