"""Production and the money of other environments."""

import psycopg
import pytest

from onramp_app.config import ConfigurationError
from onramp_app.domain.ledger import Environment
from onramp_app.services import instance

_TOP_UP = (
    "INSERT INTO users (id, email, password_hash, display_name, display_currency, language, role, kyc_status,"
    " kyc_tier, created_at, updated_at)"
    " VALUES ('u', 'u@example.org', 'x', 'U', 'INR', 'en', 'user', 'none', 'none', now(), now());"
    "INSERT INTO assets VALUES ('USDT', 6, now());"
    "INSERT INTO top_ups (id, user_id, environment, fiat_amount, fiat_currency, fiat_type, asset, network,"
    " payment_method, status, charged, rank, has_entry, version, created_at, updated_at) VALUES ('t', 'u',"
    " '{}', 1, 'INR', 1, 'USDT', 'matic20', 'UPI', 'created', 'no', 0, false, 1, now(), now())"
)
_ORDER = (
    "INSERT INTO provider_orders (id, environment, provider, flow, order_id, first_seen_at, version,"
    " applied_version) VALUES ('o', '{}', 'onramp', 'buy', '1', now(), 0, 0)"
)


@pytest.mark.parametrize("statement", [_TOP_UP, _ORDER], ids=["top-up", "provider order"])
async def test_production_refuses_a_database_with_other_money(
    database: str, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    def write(environment: str) -> None:
        with psycopg.connect(database, autocommit=True) as owner:
            for part in statement.format(environment).split(";"):
                owner.execute(part.encode())

    await instance.refuse_other_money()
    write("live")
    monkeypatch.setattr(instance, "current_environment", lambda: Environment.LIVE)
    await instance.refuse_other_money()
    for environment in ("simulator", "sandbox"):
        with psycopg.connect(database, autocommit=True) as owner:
            owner.execute(f"UPDATE top_ups SET environment = '{environment}'".encode())
            owner.execute(f"UPDATE provider_orders SET environment = '{environment}'".encode())
        with pytest.raises(ConfigurationError, match="simulated or test top-ups"):
            await instance.refuse_other_money()
    monkeypatch.setattr(instance, "current_environment", lambda: Environment.SIMULATOR)
    await instance.refuse_other_money()
