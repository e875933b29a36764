"""Background work and operators' lists read no more rows from large tables than from small ones.

PostgreSQL counts the rows read from each table and index, whichever statement reads them. Most rows here are
finished business, as after years in production.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from onramp_app.accounts.words import Role
from onramp_app.cases.cases import open_unnamed
from onramp_app.cases.words import CaseKind
from onramp_app.chain import status as chain_status
from onramp_app.chain import watcher
from onramp_app.config import get_settings
from onramp_app.crediting import reconciliation
from onramp_app.crediting.apply import apply_some, judge_again, retry_some
from onramp_app.crediting.delivery import DOCUMENTED
from onramp_app.db import engine
from onramp_app.db.engine import execute, transaction
from onramp_app.debits.expiry import release_expired
from onramp_app.domain.environment import Environment
from onramp_app.ledger import sealing
from onramp_app.ledger.balances import counted_since, last_counts
from onramp_app.mail.delivery import NoDelivery
from onramp_app.mail.sender import send_some
from onramp_app.operators.mandate import is_another
from onramp_app.outgoing_webhooks import deliveries, endpoints, sender
from onramp_app.outgoing_webhooks.words import DeliveryState
from onramp_app.programs.views import Program
from onramp_app.provider_orders import walks
from onramp_app.provider_orders.walked_lists import due_history
from onramp_app.provider_orders.walks import due_walks, handle_events, open_walks
from onramp_app.provider_orders.webhooks import list_events
from onramp_app.recovery.requests import answer_some
from onramp_app.review.waiting import waiting_cases
from onramp_app.running import health, metrics
from onramp_app.running.retention import purge
from onramp_app.top_ups.moves import run_clock
from onramp_app.treasury.changes import record_changes
from onramp_app.verification.reader import read_next
from onramp_app.verification.views import waiting_people
from tests import rows
from tests.benchmarks.growth.filling import Store

LINES = 6_000
# In these tests one look covers this many of the newest orders and steps, and a few hundred open top-ups.
NEWEST = 500
MOST_ROWS = 2_000

# The other rows that the application keeps: 6,000 of each kind, finished or not due for a long time.
_FILL = """
SET session_replication_role = replica;
INSERT INTO auth_sessions (id, user_id, kind, device, address, created_at, last_seen_at, proved_at,
                           expires_at, revoked_at, end_reason)
SELECT 'session' || n, 'known' || n, 'program', 'x', '', now(), now(), now(), now() + interval '30 days',
       CASE WHEN n % 2 = 0 THEN now() END, CASE WHEN n % 2 = 0 THEN 'signed_out' END
  FROM generate_series(1, 6000) n;
INSERT INTO refresh_tokens (token_hash, session_id, created_at, used_at, successor_salt)
SELECT sha256(CAST(id || user_id AS bytea)), id, now(), now(), sha256('x') FROM auth_sessions;
INSERT INTO exceptions (id, environment, kind, top_up_id, provider_order_id, detail, opened_at, closed_at,
                        closed_by, close_reason)
SELECT 'case' || id, 'simulator', 'in_review', id, best_order_id, 'x', now(), now(), 'system', 'x'
  FROM top_ups;
INSERT INTO exceptions (id, environment, kind, detail, opened_at, closed_at, closed_by, close_reason)
SELECT 'unread' || n, 'simulator', 'record_unreadable', '{"orderId": ' || n || '}', now(), now(), 'x', 'x'
  FROM generate_series(1, 6000) n;
INSERT INTO chain_evidence (provider_order_id, environment, asset, network, address, transaction_hash, state,
                            why, block_number, block_hash, amount_minor, since, unseen_since, confirmed_at)
SELECT id, 'simulator', 'USDT', 'matic20', 'x', transaction_hash, 'confirmed', '', 1, '0x' || repeat('0', 64),
       1, now(), now(), now() FROM provider_orders WHERE transaction_hash IS NOT NULL;
INSERT INTO audit_log (id, at, actor, action, subject, address, detail)
SELECT 'line' || n, now(), 'x', 'account.new_device', 'x', '', '{}' FROM generate_series(1, 6000) n;
INSERT INTO verification_customers (user_id, environment, client_customer_id, customer_id, is_proven, made_at,
                                    awake_at)
SELECT 'known' || n, 'simulator', md5('c' || n), 'customer' || n, true, now(), now()
  FROM generate_series(1, 6000) n;
INSERT INTO users (id, email, password_hash, display_name, display_currency, language, role, kyc_status,
                   kyc_tier, created_at, updated_at)
SELECT 'known' || n, 'known' || n || '@example.org', 'x', 'P', 'INR', 'en', 'user', 'none', 'none', now(),
       now()
  FROM generate_series(1, 6000) n;
INSERT INTO idempotency_keys (user_id, key, request_hash, created_at)
SELECT 'known' || n, 'k', sha256(''), now() FROM generate_series(1, 6000) n;
INSERT INTO account_links (secret_hash, user_id, purpose, email, created_at, expires_at)
SELECT sha256(CAST('l' || n AS bytea)), 'known' || n, 'confirm_email', 'a@b.c', now(),
       now() + interval '1 day'
  FROM generate_series(1, 6000) n;
INSERT INTO add_money_links (id, environment, program_id, user_id, input_hash, token_hash, created_at,
                             expires_at)
SELECT 'link' || n, 'simulator', 'shop', 'known' || n, sha256(''), sha256(CAST('t' || n AS bytea)), now(),
       now() + interval '1 day' FROM generate_series(1, 6000) n;
INSERT INTO link_sessions (id, link_id, created_at, expires_at, ended_at)
SELECT 'opened' || n, 'link' || n, now(), now() + interval '1 hour', now() FROM generate_series(1, 6000) n;
INSERT INTO outgoing_events (id, program_id, user_id, type, object, data, created_at)
SELECT 'event' || n, 'shop', 'known' || n, 'kyc.changed', 'kyc' || n, '{}', now()
  FROM generate_series(1, 6000) n;
INSERT INTO outgoing_deliveries (id, event_id, endpoint_id, object, sequence, state, made_at, due_at,
                                 attempts, ended_at)
SELECT 'delivery' || n, 'event' || n, e.id, 'kyc' || n, n, 'delivered', now(), now(), 1, now()
  FROM generate_series(1, 6000) n, webhook_endpoints e;
SET session_replication_role = origin;
VACUUM ANALYZE
"""
_READ = """
SELECT relname, CAST(seq_tup_read + coalesce(fetched.number, 0) AS bigint) FROM pg_stat_user_tables t
  LEFT JOIN LATERAL (SELECT sum(idx_tup_read) AS number FROM pg_stat_user_indexes i
                      WHERE i.relid = t.relid) fetched ON true
 WHERE schemaname = 'public'
"""
_OTHERS = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
   AND application_name <> 'owner of the tests'
"""


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        store = Store.begin(connection, rows.user(connection, country="IN"))
        store.grow(1, LINES)
        rows.webhook_endpoint(connection, "shop")
        for part in _FILL.strip().split(";\n"):
            connection.execute(part.encode())
        yield connection
        connection.execute("DROP SCHEMA growth CASCADE")


async def _all_read(owner: psycopg.Connection) -> Counter[str]:
    """Return the rows read from each table so far; a backend reports its counts when its connection ends."""
    await engine.dispose()
    async with asyncio.timeout(10):
        while owner.execute(_OTHERS).fetchone() != (0,):  # noqa: ASYNC110 - there is nothing to await
            await asyncio.sleep(0.01)
    owner.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
    return Counter(dict(owner.execute(_READ).fetchall()))


async def _read_by(owner: psycopg.Connection, look: Callable[[], Awaitable[object]]) -> Counter[str]:
    before = await _all_read(owner)
    await look()
    return await _all_read(owner) - before


async def _in_transaction(look: Callable[..., Awaitable[object]], *values: object) -> object:
    async with transaction() as db:
        return await look(db, *values)


def _looks() -> dict[str, Callable[[], Awaitable[object]]]:
    at = datetime.now(UTC)
    period = {"environment": "simulator", "since": at + timedelta(days=3), "until": at + timedelta(days=4)}
    unread = (CaseKind.RECORD_UNREADABLE, '{"orderId": 5}')
    return {
        "new webhooks": handle_events,
        "what is due": due_walks,
        "what is due, newest first": lambda: due_walks(newest_first=True),
        "what is open": open_walks,
        "the lists of the last weeks": lambda: due_history(3600),
        "the clock": run_clock,
        "applying": lambda: apply_some(DOCUMENTED),
        "applying again": lambda: retry_some(DOCUMENTED),
        "judging again": judge_again,
        "sealing": sealing.seal,
        "mails": lambda: send_some(NoDelivery()),
        "webhooks to programs": lambda: sender.take_some(50, Counter()),
        "webhooks that are stranded": endpoints.give_up_stranded,
        "holds": release_expired,
        "requests for a link": answer_some,
        "verifications": read_next,
        "networks": lambda: watcher._take("matic20", at),
        "purging": purge,
        "health": lambda: _in_transaction(health._system),
        "metrics": metrics._read_system,
        "addresses of the treasury": record_changes,
        "records that cannot be read": lambda: _in_transaction(
            lambda db: open_unnamed(
                db, *unread, most=100, is_once=True, environment=Environment.SIMULATOR, at=at
            )
        ),
        "counts of the treasury": lambda: _in_transaction(last_counts),
        "counts of a day": lambda: _in_transaction(counted_since, at),
        "another operator": lambda: _in_transaction(is_another, Role.OPERATOR),
        "open cases": lambda: waiting_cases(limit=100),
        "people who wait": waiting_people,
        "endpoints": endpoints.listed_for_operators,
        "webhooks": lambda: list_events(limit=100),
        "the rule that fits": lambda: _in_transaction(chain_status.fitting_rule),
        "comparing a period": lambda: _in_transaction(execute, reconciliation._ORDERS, period),
    }


async def _too_much(owner: psycopg.Connection) -> dict[str, dict[str, int]]:
    found = {}
    for name, look in _looks().items():
        read = await _read_by(owner, look)
        if much := {table: number for table, number in read.items() if number > MOST_ROWS}:
            found[name] = much
    return found


async def test_no_look_reads_more_of_a_larger_table(
    owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walks, "NEWEST_STEPS", NEWEST)
    monkeypatch.setattr(walks, "NEWEST_ORDERS", NEWEST)
    monkeypatch.setenv("CHAIN_RPC", '{"matic20": ["http://127.0.0.1:1"]}')
    get_settings.cache_clear()
    assert await _too_much(owner) == {}


@pytest.mark.full
async def test_control_without_its_indexes_a_look_reads_whole_tables(
    owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHAIN_RPC", '{"matic20": ["http://127.0.0.1:1"]}')
    get_settings.cache_clear()
    owner.execute("DROP INDEX ix_provider_orders_not_booked, ix_refresh_tokens_used_at, ix_users_role")
    owner.execute("DROP INDEX ix_outbox_mails_given_up, ix_exceptions_unnamed, ix_ledger_transfers_counts")
    missed = ("judging again", "purging", "another operator", "metrics", "records that cannot be read")
    assert set(missed) | {"counts of a day"} <= (await _too_much(owner)).keys()


# Of two endpoints, one has not accepted the newer half of the deliveries, the other the older half.
_LOG = """
SET session_replication_role = replica;
INSERT INTO outgoing_events (id, program_id, user_id, type, object, data, created_at)
SELECT 'event' || n, 'shop', 'u', 'kyc.changed', 'kyc' || n, '{}', now() FROM generate_series(1, 20000) n;
INSERT INTO outgoing_deliveries (id, event_id, endpoint_id, object, sequence, state, made_at, due_at,
                                 attempts, ended_at)
SELECT e.id || n, 'event' || n, e.id, 'kyc' || n, n, s.state, now() - n * interval '1 second', now(), 1,
       CASE WHEN s.state <> 'waiting' THEN now() END
  FROM generate_series(1, 20000) n, (SELECT id, row_number() OVER (ORDER BY id) FROM webhook_endpoints) e
 CROSS JOIN LATERAL (
    SELECT CASE WHEN n % 500 = 0 THEN 'failed' WHEN (n > 10000) = (e.row_number = 1) THEN 'delivered'
                ELSE 'waiting' END) s (state);
SET session_replication_role = origin;
VACUUM ANALYZE outgoing_events, outgoing_deliveries
"""


async def test_the_log_of_an_endpoint_is_listed_by_state_from_an_index(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        rows.keyless_program(owner, "shop")
        known = [rows.webhook_endpoint(owner, "shop") for _ in range(2)]
        for part in _LOG.strip().split(";\n"):
            owner.execute(part.encode())
        program = Program("shop", "shop", "key", frozenset(), "")
        for endpoint in known:
            for state in (None, *DeliveryState):
                read = await _read_by(owner, lambda e=endpoint, s=state: deliveries.page(program, e, state=s))
                assert max(read.values()) < 200, (state, read)
