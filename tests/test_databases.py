"""The databases of tests: nothing that one test leaves behind reaches the next."""

import psycopg
import pytest

from onramp_app.config import load_settings
from tests import rows
from tests.databases import Databases

CHANGES = [
    "CREATE TABLE mine (number int)",
    "DROP INDEX ix_top_ups_user_id_updated_at",
    "ALTER TABLE users RENAME COLUMN password_hash TO moved",
    "ALTER TABLE top_up_steps ADD CHECK (detail <> 'bought') NOT VALID",
    "ALTER TABLE ledger_entries DISABLE TRIGGER ALL",
    "GRANT UPDATE ON ledger_entries TO onramp_app",
    "GRANT CREATE ON SCHEMA public TO onramp_app",
    "ALTER FUNCTION lock_user_balances COST 7",
    "INSERT INTO exchange_rates SELECT 'simulator', 'S' || n, 1, now() FROM generate_series(1, 99999) n",
]


def test_the_settings_name_the_database(database: str) -> None:
    named = load_settings().database_url
    assert named is not None
    assert named.get_secret_value() == database


def _fill(owner: psycopg.Connection) -> int:
    owner.execute("INSERT INTO assets VALUES ('USDT', 18, now())")
    top_up_id = rows.top_up(owner, rows.user(owner))
    rows.step(owner, top_up_id)
    step = owner.execute("SELECT max(id) FROM top_up_steps")
    owner.execute(
        "INSERT INTO audit_log (id, at, actor, action, subject, address, detail)"
        " VALUES ('a', now(), 'operator-1', 'grant_role', 's', '', '')"
    )
    return int(step.fetchone()[0])


def _link(owner: psycopg.Connection) -> int:
    return int(owner.execute("SELECT seq FROM ledger_chain").fetchone()[0])


def test_a_used_database_comes_back_empty_and_counts_from_one(
    databases: Databases, postgres_server: str
) -> None:
    name = databases.take()
    for _ in range(2):
        with psycopg.connect(f"{postgres_server}/{name}", autocommit=True) as owner:
            assert (_fill(owner), _link(owner)) == (1, 1)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                owner.execute("DELETE FROM audit_log")  # the table's rules are back in force
            stays = psycopg.connect(f"{postgres_server}/{name}")
            databases.give_back(name)
        with pytest.raises(psycopg.OperationalError):
            stays.execute("SELECT 1")
        assert databases.take() == name
    databases.give_back(name)


@pytest.mark.parametrize("change", CHANGES)
def test_one_of_which_more_than_rows_was_changed_is_dropped(
    databases: Databases, postgres_server: str, change: str
) -> None:
    name = databases.take()
    with psycopg.connect(f"{postgres_server}/{name}", autocommit=True) as owner:
        owner.execute(change.encode())
    databases.give_back(name)
    with psycopg.connect(f"{postgres_server}/postgres") as server:
        found = server.execute("SELECT count(*) FROM pg_database WHERE datname = %s", (name,)).fetchone()
        assert found == (0,)
