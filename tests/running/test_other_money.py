"""Production refuses a database that holds another environment's money."""

from collections.abc import Callable

import psycopg
import pytest

from onramp_app.config import ConfigurationError
from onramp_app.domain.environment import Environment
from onramp_app.running.lifecycle import refuse_other_money
from tests import rows


def _top_up(owner: psycopg.Connection, environment: str) -> None:
    owner.execute("INSERT INTO assets VALUES ('USDT', 6, now())")
    rows.top_up(owner, rows.user(owner), environment=environment)


def _order(owner: psycopg.Connection, environment: str) -> None:
    owner.execute(
        "INSERT INTO provider_orders (id, environment, provider, flow, order_id, first_seen_at, version,"
        " applied_version) VALUES ('o', %s, 'onramp', 'buy', '1', now(), 0, 0)",
        (environment,),
    )


@pytest.mark.parametrize("write", [_top_up, _order], ids=["top-up", "provider order"])
async def test_production_refuses_a_database_with_other_money(
    database: str, write: Callable[[psycopg.Connection, str], None]
) -> None:
    await refuse_other_money(Environment.LIVE)
    with psycopg.connect(database, autocommit=True) as owner:
        write(owner, "live")
    await refuse_other_money(Environment.LIVE)
    for environment in ("simulator", "sandbox"):
        with psycopg.connect(database, autocommit=True) as owner:
            owner.execute(f"UPDATE top_ups SET environment = '{environment}'".encode())
            owner.execute(f"UPDATE provider_orders SET environment = '{environment}'".encode())
        with pytest.raises(ConfigurationError, match="simulated or test top-ups"):
            await refuse_other_money(Environment.LIVE)
    await refuse_other_money(Environment.SIMULATOR)
