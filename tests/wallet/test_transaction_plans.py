"""A page of a long list is read from indexes, whatever the filters: no table is scanned in full."""

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from onramp_app.domain.paging import Position
from onramp_app.top_ups import limits
from onramp_app.top_ups.transitions import TopUpStatus
from onramp_app.wallet import search
from onramp_app.wallet.transaction_queries import Filters, Wanted, statement

ROWS = 20_000
ME = f"{1:032x}"

_FILL = f"""
SET session_replication_role = replica;  -- The books' own rules are slow, and nothing here is about them.
INSERT INTO assets VALUES ('USDT', 18, now()), ('USDC', 6, now());
INSERT INTO users (id, email, password_hash, display_name, display_currency, language, role, kyc_status,
                   kyc_tier, created_at, updated_at)
SELECT lpad(to_hex(n), 32, '0'), n || '@example.org', 'x', 'P', 'INR', 'en', 'user', 'none', 'none', now(),
       now()
  FROM generate_series(1, 50) AS n;
INSERT INTO provider_orders (id, environment, provider, flow, order_id, raw, transaction_hash, first_seen_at,
                             read_at, version, applied_version)
SELECT 'a' || lpad(to_hex(n), 31, '0'), 'simulator', 'onramp', 'buy', n, '{{}}', '0x' || n, now(), now(), 1, 1
  FROM generate_series(1, {ROWS}) AS n;
INSERT INTO top_ups (id, user_id, environment, fiat_amount, fiat_currency, fiat_type, asset, network,
                     payment_method, status, charged, rank, has_entry, received_minor, received_asset,
                     best_order_id, version, created_at, updated_at, settled_at)
SELECT 'b' || lpad(to_hex(n), 31, '0'), lpad(to_hex(CASE WHEN n % 2 = 0 THEN 1 ELSE n % 50 + 1 END), 32, '0'),
       'simulator', 1000, 'INR', 1, CASE WHEN n % 100 = 0 THEN 'USDC' ELSE 'USDT' END, 'matic20', 'UPI',
       'settled', 'yes', 70, true, 1, 'USDT', 'a' || lpad(to_hex(n), 31, '0'), 1,
       timestamptz '2026-01-01Z' + n * interval '1 minute', now(),
       timestamptz '2026-01-01Z' + n * interval '1 minute'
  FROM generate_series(1, {ROWS}) AS n;
INSERT INTO ledger_accounts (kind, asset, user_id)
SELECT 'available', 'USDT', id FROM users;
INSERT INTO ledger_accounts (kind, asset, network, address)
SELECT 'treasury', 'USDT', 'matic20', 'address-' || n FROM generate_series(1, 2000) AS n;
INSERT INTO ledger_transfers (id, environment, reference, input_hash, kind, user_id, provider_order_id,
                              source, reason, created_at)
SELECT 'c' || lpad(to_hex(n), 31, '0'), 'simulator', 'r' || n, sha256(''),
       CASE WHEN n % 200 = 0 THEN 'make_good' ELSE 'receive' END, lpad(to_hex(1), 32, '0'),
       CASE WHEN n % 200 = 0 THEN NULL ELSE 'a' || lpad(to_hex(n), 31, '0') END, 'poll', 'because',
       timestamptz '2026-01-01Z' + n * interval '1 minute'
  FROM generate_series(1, {ROWS}) AS n;
INSERT INTO ledger_entries (transfer_id, account_id, amount_minor)
SELECT t.id, a.id, -5 FROM ledger_transfers t JOIN ledger_accounts a ON a.user_id = t.user_id;
INSERT INTO programs VALUES ('shop', 'shop', now());
INSERT INTO debits (id, environment, program_id, reference, input_hash, user_id, asset, amount_minor, is_hold,
                    status, posted_minor, released_minor, reversed_minor, created_at, updated_at)
SELECT 'd' || n, 'simulator', 'shop', 'r' || n, sha256(''), lpad(to_hex(1), 32, '0'), 'USDT', 5, false,
       'posted', 5, 0, 0, now(), now()
  FROM generate_series(1, {ROWS}) AS n;
ANALYZE;
"""


@pytest.fixture(scope="module")
def _filled(database_of_the_file: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_of_the_file, autocommit=True) as connection:
        for part in _FILL.split(";\n"):
            connection.execute(part.encode())
        yield connection


@pytest.fixture
def owner(_filled: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """An owner's connection, in a transaction that rolls back whatever the test does."""
    with _filled.transaction(force_rollback=True):
        yield _filled


def plan(owner: psycopg.Connection, wanted: Wanted, *, after: Position | None = None) -> tuple[str, int]:
    """Run a page's query; return its plan, and how many blocks it read."""
    return plan_of(owner, *statement(ME, wanted, after=after, limit=51))


def plan_of(owner: psycopg.Connection, query: Any, values: dict[str, Any]) -> tuple[str, int]:
    made = query.compile(dialect=PGDialect_psycopg()).construct_expanded_state(values)
    explained = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {made.statement}".encode()
    lines = [line for (line,) in owner.execute(explained, made.parameters)]
    found = "\n".join(lines)
    blocks = sum(int(count) for count in re.findall(r"Buffers: shared hit=(\d+)", lines[1] + lines[2]))
    return found, blocks


MIDDLE = Position(datetime(2026, 1, 8, tzinfo=UTC), "f" * 32)
ASKED = {
    "all": Wanted(Filters()),
    "settled": Wanted(Filters(status=TopUpStatus.SETTLED)),
    "created": Wanted(Filters(status=TopUpStatus.CREATED)),
    "asset": Wanted(Filters(asset="USDC")),
    "asset and status": Wanted(Filters(asset="USDT", status=TopUpStatus.SETTLED)),
    "a day": Wanted(Filters(since=datetime(2026, 1, 3, tzinfo=UTC), before=datetime(2026, 1, 4, tzinfo=UTC))),
    "found": Wanted(Filters(q="0x5"), ids=("0x5", f"b{5:031x}"), order_ids=(f"a{5:031x}",)),
}


def test_a_page_is_read_from_indexes(owner: psycopg.Connection) -> None:
    for name, wanted in ASKED.items():
        for after in (None, MIDDLE):
            found, blocks = plan(owner, wanted, after=after)
            assert "Seq Scan" not in found, (name, found)
            assert 0 < blocks < 1500, (name, found)
    _searches_are_read_from_indexes(owner)


# All of the person's 10,400 top-ups have the same amounts and method: the most that a search can find.
SEARCHED: dict[str, dict[str, Any]] = {
    "reference": {"reference": "00000005"},
    "fiat": {"numbers": [Decimal(1000)], "units": [""]},
    "paid": {"numbers": [Decimal(1000)], "units": ["INR"]},
    "received": {"low": [Decimal(1)], "high": [Decimal(2)], "assets": ["USDT"]},
    "methods": {"methods": ["UPI"]},
}


def _searches_are_read_from_indexes(owner: psycopg.Connection) -> None:
    page = {"user_id": ME, "most": 51}
    deep = {"after_at": MIDDLE.created_at, "after_id": MIDDLE.id}
    for part, values in SEARCHED.items():
        for given in ({}, deep, deep | {"status": "settled", "asset": "USDT"}):
            query = search._top_ups((part,), frozenset(given))
            found, blocks = plan_of(owner, query, values | given | page)
            assert "Seq Scan" not in found, (part, found)
            assert blocks < 300, (part, found)
    for given in ({}, deep, deep | {"asset": "USDT"}):
        for query in search._transfers(frozenset({"reference", "low"}), frozenset(given)):
            found, blocks = plan_of(owner, query, SEARCHED["reference"] | SEARCHED["received"] | given | page)
            assert "Seq Scan" not in found, found
            assert blocks < 1500, found
    found, _ = plan_of(owner, search._METHODS, {"user_id": ME, "most": search.MOST_METHODS})
    assert "Seq Scan on top_ups" not in found
    # A full page of results, at the start and deep in the list.
    ids = tuple(f"b{n:031x}" for n in range(100, 100 + 2 * 51, 2))
    for after in (None, MIDDLE):
        found, blocks = plan(owner, Wanted(Filters(), ids=ids), after=after)
        assert "Seq Scan" not in found, found
        assert blocks < 1500, found


_SPENDER = f"{2:032x}"
_SPENT = f"""
SET session_replication_role = replica;
INSERT INTO ledger_transfers (id, environment, reference, input_hash, kind, user_id, debit_id, source,
                              created_at)
SELECT md5('e' || n), 'simulator', 's' || n, sha256(''), 'debit', '{_SPENDER}', 'd' || n,
       'program', timestamptz '2026-01-01Z' + n * interval '1 minute'
  FROM generate_series(1, {3 * ROWS}) AS n;
ANALYZE ledger_transfers
"""


def test_a_reference_is_found_among_very_many_debits_without_passing_over_them(
    owner: psycopg.Connection,
) -> None:
    for part in _SPENT.split(";\n"):
        owner.execute(part.encode())
    for given in ({}, {"after_at": MIDDLE.created_at, "after_id": MIDDLE.id}):
        (query,) = search._transfers(frozenset({"reference"}), frozenset(given))
        reference = hashlib.md5(b"e5", usedforsecurity=False).hexdigest()[-8:]
        # With a short page the planner is more likely to assume that it fills up early.
        values = {"user_id": _SPENDER, "most": 6, "reference": reference}
        found, blocks = plan_of(owner, query, values | given)
        assert "ix_ledger_transfers_reference" in found, found
        assert blocks < 50, found


@pytest.mark.full
def test_control_without_its_index_a_search_reads_all_of_a_person(owner: psycopg.Connection) -> None:
    owner.execute("DROP INDEX ix_top_ups_user_id_fiat_amount_created_at_id, ix_top_ups_reference")
    page = {"user_id": ME, "most": 51}
    _, blocks = plan_of(owner, search._top_ups(("reference",), frozenset()), SEARCHED["reference"] | page)
    assert blocks > 300


async def test_what_counts_for_limits_is_read_from_indexes(owner: psycopg.Connection) -> None:
    query = f"EXPLAIN {limits.USED}".encode()
    for name in ("user_id", "day", "month", "except_id"):
        query = re.sub(rb":" + name.encode() + rb"\b", f"%({name})s".encode(), query)
    values = {"user_id": ME, "day": "2026-01-14T20:00Z", "month": "2026-01-14T20:00Z", "except_id": ""}
    found = "\n".join(line for (line,) in owner.execute(query, values))
    assert "ix_top_ups_user_id_settled_at" in found
    assert "Seq Scan" not in found, found


@pytest.mark.full
def test_control_without_the_indexes_tables_are_read_through(owner: psycopg.Connection) -> None:
    owner.execute("DROP INDEX ix_top_ups_user_id_created_at_id, ix_top_ups_user_id_status_created_at_id")
    owner.execute("DROP INDEX ix_top_ups_user_id_asset_created_at_id, ix_top_ups_user_id_settled_at")
    found, _ = plan(owner, Wanted(Filters()))
    assert "Seq Scan on top_ups" in found
