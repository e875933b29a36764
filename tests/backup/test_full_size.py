"""Full size: a million entries are restored and verified within five minutes."""

import asyncio
import json
import shutil
import sys
import time
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from onramp_app.__main__ import app
from onramp_app.config import get_settings
from onramp_app.db import engine
from onramp_app.db.migrate import migrate
from onramp_app.ledger import sealing
from onramp_app.local import postgres

ENTRIES = 1_000_000
PEOPLE = 10_000
SECONDS = 300

# Each transfer is a separate delivery, with one entry for the treasury and one for its owner.
_FILL = """
INSERT INTO assets VALUES ('USDT', 6, now());
INSERT INTO users (id, email, password_hash, display_name, display_currency, language, role, kyc_status,
                   kyc_tier, created_at, updated_at)
SELECT 'u' || n, 'u' || n || '@example.org', 'x', 'Asha', 'INR', 'en', 'user', 'none', 'none', now(), now()
  FROM generate_series(1, %(people)s) n;
INSERT INTO ledger_accounts (kind, asset, network, address) VALUES ('treasury', 'USDT', 'matic20', '0xaaaa');
INSERT INTO ledger_accounts (kind, asset, user_id) SELECT 'available', 'USDT', id FROM users;
INSERT INTO provider_orders (id, environment, provider, flow, order_id, top_up_id, raw, status_number,
    status_class, bought_amount, gas_fee, asset, network, wallet_address, is_ours, delivered_minor,
    delivered_rule, first_seen_at, read_at, version, applied_version)
SELECT 'o' || n, 'simulator', 'onramp', 'buy', n, 't' || n, '{}', 4, 'delivered', 11.5, 0.25, 'USDT',
       'matic20', '0xaaaa', true, 11250000, 'actual_minus_gas', now(), now(), 1, 1
  FROM generate_series(1, %(transfers)s) n;
INSERT INTO top_ups (id, user_id, environment, fiat_amount, fiat_currency, fiat_type, asset, network,
    payment_method, status, charged, rank, has_entry, received_minor, received_asset, best_order_id, version,
    created_at, updated_at, settled_at)
SELECT 't' || n, 'u' || 1 + n %% %(people)s, 'simulator', 1000, 'INR', 1, 'USDT', 'matic20', 'UPI', 'settled',
       'yes', 70, true, 11250000, 'USDT', 'o' || n, 1, now(), now(), now()
  FROM generate_series(1, %(transfers)s) n;
INSERT INTO ledger_transfers (id, environment, reference, input_hash, kind, user_id, top_up_id,
    provider_order_id, source, created_at)
SELECT 'x' || n, 'simulator', 'onramp:buy:' || n || ':receive', sha256(n::text::bytea), 'receive',
       'u' || 1 + n %% %(people)s, 't' || n, 'o' || n, 'poll', now()
  FROM generate_series(1, %(transfers)s) n;
INSERT INTO ledger_entries (transfer_id, account_id, amount_minor)
SELECT t.id, a.id, 11250000 FROM ledger_transfers t, ledger_accounts a WHERE a.kind = 'treasury';
INSERT INTO ledger_entries (transfer_id, account_id, amount_minor)
SELECT t.id, a.id, -11250000 FROM ledger_transfers t JOIN ledger_accounts a ON a.user_id = t.user_id;
INSERT INTO user_balances
SELECT a.user_id, 'USDT', -sum(e.amount_minor), 0, 0, count(*)
  FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id WHERE a.user_id IS NOT NULL GROUP BY 1;
ANALYZE
"""
_CHAIN = """
DO $$
DECLARE
    one record;
    seq bigint := 0;
    last bytea := decode(repeat('00', 32), 'hex');
    next bytea;
BEGIN
    FOR one IN SELECT id FROM ledger_transfers ORDER BY created_at, id LOOP
        seq := seq + 1;
        next := sha256(last || convert_to(ledger_transfer_content(one.id), 'UTF8'));
        INSERT INTO ledger_chain (seq, kind, subject_id, previous_hash, hash)
            VALUES (seq, 'transfer', one.id, last, next);
        last := next;
    END LOOP;
END $$
"""


@pytest.mark.full
def test_a_million_entries_are_restored_and_proved_within_five_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o755)
    first = postgres.start(tmp_path / "first")  # with fsync, as on an operator's server
    migrate(first.url)
    superuser = f"{first.superuser_url.rpartition('/')[0]}/{first.url.rpartition('/')[2]}"
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        for part in _FILL.split(";\n"):
            connection.execute(part.encode(), {"people": PEOPLE, "transfers": ENTRIES // 2})
        connection.execute(_CHAIN.encode())
        connection.execute("ANALYZE")
        counted = connection.execute("SELECT count(*) FROM ledger_entries").fetchone()
    assert counted == (ENTRIES,)
    file = tmp_path / "wallet.backup"
    _name(first.url, monkeypatch)
    asyncio.run(_seal())
    began = time.monotonic()
    made = _run("backup", str(file), "--json")
    made_in = time.monotonic() - began
    assert made["findings"] == []
    first.stop()
    shutil.rmtree(tmp_path / "first")

    second = postgres.start(tmp_path / "second")
    _name(second.url, monkeypatch)
    began = time.monotonic()
    restored = _run("restore", str(file), "--json")
    restored_in = time.monotonic() - began
    second.stop()
    assert (restored["ok"], restored["head"]) == (True, made["head"])
    size = file.stat().st_size
    sys.stdout.write(f"{size:,} bytes made in {made_in:.0f} s, restored and proved in {restored_in:.0f} s\n")
    assert restored_in <= SECONDS


def _name(url: str, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("APP_ENV", "test")
    patch.setenv("DATABASE_URL", url)
    get_settings.cache_clear()
    sealing.forget()


async def _seal() -> None:
    await sealing.seal()
    await engine.dispose()


def _run(*arguments: str) -> dict[str, object]:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert isinstance(document, dict)
    return document
