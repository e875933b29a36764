"""Top-ups, the provider's records and webhooks, and the books with the rules that the database enforces."""

from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

RULES = Path(__file__).with_name("0002_money_rules.sql")
TABLES = (
    "ledger_entries", "ledger_transfers", "ledger_accounts", "ledger_chain", "audit_log", "user_balances",
    "exceptions", "top_up_steps", "widget_sessions", "idempotency_keys", "webhook_events", "webhook_refusals",
    "provider_orders", "top_ups", "assets",
)  # fmt: skip
FUNCTIONS = (
    "refuse_change()", "count_version()", "limit_webhook_bodies()", "trim_webhook_refusals()",
    "move_balances()", "ledger_transfer_content(text)", "audit_row_content(text)",
    "append_to_chain(text, text, text)", "finish_transfer()", "finish_audit_row()",
)  # fmt: skip


def upgrade() -> None:
    time, minor = sa.DateTime(timezone=True), sa.Numeric(38, 0)
    op.create_table('assets',
        sa.Column('code', sa.Text, nullable=False),
        sa.Column('scale', sa.SmallInteger, nullable=False),
        sa.Column('created_at', time, nullable=False),
        sa.CheckConstraint("code ~ '^[A-Z0-9.]{1,20}$'", name=op.f('ck_assets_code')),
        sa.CheckConstraint('scale BETWEEN 0 AND 18', name=op.f('ck_assets_scale')),
        sa.PrimaryKeyConstraint('code', name=op.f('pk_assets'))
    )
    op.create_table('audit_log',
        sa.Column('id', sa.Text, nullable=False),
        sa.Column('at', time, nullable=False),
        sa.Column('actor', sa.Text, nullable=False),
        sa.Column('action', sa.Text, nullable=False),
        sa.Column('subject', sa.Text, nullable=False),
        sa.Column('address', sa.Text, nullable=False),
        sa.Column('detail', sa.Text, nullable=False),
        sa.CheckConstraint('char_length(action) BETWEEN 1 AND 64', name=op.f('ck_audit_log_action_length')),
        sa.CheckConstraint('char_length(actor) BETWEEN 1 AND 64', name=op.f('ck_audit_log_actor_length')),
        sa.CheckConstraint('char_length(address) BETWEEN 0 AND 45', name=op.f('ck_audit_log_address_length')),
        sa.CheckConstraint('char_length(detail) BETWEEN 0 AND 4000', name=op.f('ck_audit_log_detail_length')),
        sa.CheckConstraint('char_length(subject) BETWEEN 0 AND 200', name=op.f('ck_audit_log_subject_length')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_audit_log'))
    )
    op.create_index(op.f('ix_audit_log_at_id'), 'audit_log', ['at', 'id'])
    op.create_index(op.f('ix_audit_log_subject'), 'audit_log', ['subject'])
    op.create_table('ledger_chain',
        sa.Column('seq', sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column('kind', sa.Text, nullable=False),
        sa.Column('subject_id', sa.Text, nullable=False),
        sa.Column('previous_hash', sa.LargeBinary, nullable=False),
        sa.Column('hash', sa.LargeBinary, nullable=False),
        sa.CheckConstraint("kind IN ('transfer', 'audit')", name=op.f('ck_ledger_chain_kind')),
        sa.CheckConstraint('octet_length(hash) BETWEEN 32 AND 32', name=op.f('ck_ledger_chain_hash_octets')),
        sa.CheckConstraint('octet_length(previous_hash) BETWEEN 32 AND 32', name=op.f('ck_ledger_chain_previous_hash_octets')),
        sa.CheckConstraint('seq >= 1', name=op.f('ck_ledger_chain_seq')),
        sa.PrimaryKeyConstraint('seq', name=op.f('pk_ledger_chain')),
        sa.UniqueConstraint('kind', 'subject_id', name=op.f('uq_ledger_chain_kind_subject_id')),
        sa.UniqueConstraint('previous_hash', name=op.f('uq_ledger_chain_previous_hash'))
    )
    op.create_table('webhook_events',
        sa.Column('id', sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column('environment', sa.Text, nullable=False),
        sa.Column('header', sa.LargeBinary, nullable=False),
        sa.Column('body', sa.LargeBinary, nullable=False),
        sa.Column('header_hash', sa.LargeBinary, sa.Computed('sha256(header)', persisted=True), nullable=False),
        sa.Column('body_hash', sa.LargeBinary, sa.Computed('sha256(body)', persisted=True), nullable=False),
        sa.Column('received_at', time, nullable=False),
        sa.Column('secret', sa.Text, nullable=False),
        sa.Column('is_old', sa.Boolean, nullable=False),
        sa.Column('differs', sa.Boolean, nullable=False),
        sa.Column('flow', sa.Text),
        sa.Column('order_id', sa.Text),
        sa.Column('handled_at', time),
        sa.Column('error', sa.Text),
        sa.Column('replays', sa.Integer, server_default='0', nullable=False),
        sa.Column('replayed_at', time),
        sa.CheckConstraint("environment IN ('simulator', 'sandbox', 'live')", name=op.f('ck_webhook_events_environment')),
        sa.CheckConstraint("secret IN ('current', 'previous')", name=op.f('ck_webhook_events_secret')),
        sa.CheckConstraint('char_length(error) BETWEEN 1 AND 500', name=op.f('ck_webhook_events_error_length')),
        sa.CheckConstraint('char_length(flow) BETWEEN 1 AND 16', name=op.f('ck_webhook_events_flow_length')),
        sa.CheckConstraint('char_length(order_id) BETWEEN 1 AND 64', name=op.f('ck_webhook_events_order_id_length')),
        sa.CheckConstraint('octet_length(body) BETWEEN 0 AND 65536', name=op.f('ck_webhook_events_body_octets')),
        sa.CheckConstraint('octet_length(header) BETWEEN 1 AND 32768', name=op.f('ck_webhook_events_header_octets')),
        sa.CheckConstraint('replays >= 0', name=op.f('ck_webhook_events_replays')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook_events')),
        sa.UniqueConstraint('environment', 'header_hash', 'body_hash', name=op.f('uq_webhook_events_environment_header_hash_body_hash'))
    )
    op.create_index(op.f('ix_webhook_events_order_id'), 'webhook_events', ['order_id'])
    op.create_index(op.f('ix_webhook_events_received_at'), 'webhook_events', ['received_at'])
    op.create_index('ix_webhook_events_unhandled', 'webhook_events', ['id'], postgresql_where=sa.text('handled_at IS NULL'))
    op.create_table('webhook_refusals',
        sa.Column('id', sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column('environment', sa.Text, nullable=False),
        sa.Column('received_at', time, nullable=False),
        sa.Column('reason', sa.Text, nullable=False),
        sa.Column('address', sa.Text, nullable=False),
        sa.Column('header', sa.LargeBinary, nullable=False),
        sa.Column('body', sa.LargeBinary, nullable=False),
        sa.Column('body_bytes', sa.Integer, server_default='0', nullable=False),
        sa.CheckConstraint("environment IN ('simulator', 'sandbox', 'live')", name=op.f('ck_webhook_refusals_environment')),
        sa.CheckConstraint('body_bytes >= 0', name=op.f('ck_webhook_refusals_body_bytes')),
        sa.CheckConstraint('char_length(address) BETWEEN 0 AND 45', name=op.f('ck_webhook_refusals_address_length')),
        sa.CheckConstraint('char_length(reason) BETWEEN 1 AND 64', name=op.f('ck_webhook_refusals_reason_length')),
        sa.CheckConstraint('octet_length(body) BETWEEN 0 AND 1024', name=op.f('ck_webhook_refusals_body_octets')),
        sa.CheckConstraint('octet_length(header) BETWEEN 0 AND 1024', name=op.f('ck_webhook_refusals_header_octets')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook_refusals'))
    )
    op.create_table('idempotency_keys',
        sa.Column('user_id', sa.Text, nullable=False),
        sa.Column('key', sa.Text, nullable=False),
        sa.Column('request_hash', sa.LargeBinary, nullable=False),
        sa.Column('status', sa.SmallInteger),
        sa.Column('body', sa.Text),
        sa.Column('created_at', time, nullable=False),
        sa.CheckConstraint("key ~ '^[!-~]{1,64}$'", name=op.f('ck_idempotency_keys_key')),
        sa.CheckConstraint('(status IS NULL) = (body IS NULL)', name=op.f('ck_idempotency_keys_answer_is_whole')),
        sa.CheckConstraint('char_length(body) BETWEEN 0 AND 65536', name=op.f('ck_idempotency_keys_body_length')),
        sa.CheckConstraint('octet_length(request_hash) BETWEEN 32 AND 32', name=op.f('ck_idempotency_keys_request_hash_octets')),
        sa.CheckConstraint('status BETWEEN 200 AND 499 AND status <> 429', name=op.f('ck_idempotency_keys_status')),
        sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_idempotency_keys_user_id')),
        sa.PrimaryKeyConstraint('user_id', 'key', name=op.f('pk_idempotency_keys'))
    )
    op.create_index(op.f('ix_idempotency_keys_created_at'), 'idempotency_keys', ['created_at'])
    op.create_table('ledger_accounts',
        sa.Column('id', sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column('name', sa.Text, sa.Computed("CASE kind WHEN 'treasury' THEN 'treasury:' || network || ':' || address || ':' || asset WHEN 'suspense' THEN 'suspense:' || asset WHEN 'payable' THEN 'provider:onramp:' || asset || ':' || kind WHEN 'income' THEN 'operator:' || asset || ':' || kind WHEN 'adjustments' THEN 'operator:' || asset || ':' || kind ELSE 'user:' || user_id || ':' || asset || ':' || kind END", persisted=True), nullable=False),
        sa.Column('kind', sa.Text, nullable=False),
        sa.Column('asset', sa.Text, nullable=False),
        sa.Column('user_id', sa.Text),
        sa.Column('network', sa.Text),
        sa.Column('address', sa.Text),
        sa.CheckConstraint("(kind = 'treasury') = (address IS NOT NULL)", name=op.f('ck_ledger_accounts_address')),
        sa.CheckConstraint("(kind = 'treasury') = (network IS NOT NULL)", name=op.f('ck_ledger_accounts_network')),
        sa.CheckConstraint("(kind IN ('available', 'held', 'owed')) = (user_id IS NOT NULL)", name=op.f('ck_ledger_accounts_user_id')),
        sa.CheckConstraint("kind IN ('treasury', 'available', 'held', 'owed', 'suspense', 'payable', 'income', 'adjustments')", name=op.f('ck_ledger_accounts_kind')),
        sa.CheckConstraint('char_length(address) BETWEEN 1 AND 200', name=op.f('ck_ledger_accounts_address_length')),
        sa.CheckConstraint('char_length(network) BETWEEN 1 AND 32', name=op.f('ck_ledger_accounts_network_length')),
        sa.ForeignKeyConstraint(['asset'], ['assets.code'], name=op.f('fk_ledger_accounts_asset')),
        sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_ledger_accounts_user_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_ledger_accounts')),
        sa.UniqueConstraint('name', name=op.f('uq_ledger_accounts_name'))
    )
    op.create_index(op.f('ix_ledger_accounts_user_id'), 'ledger_accounts', ['user_id'], postgresql_where=sa.text('user_id IS NOT NULL'))
    op.create_table('top_ups',
        sa.Column('id', sa.Text, nullable=False),
        sa.Column('user_id', sa.Text, nullable=False),
        sa.Column('environment', sa.Text, nullable=False),
        sa.Column('fiat_amount', sa.Numeric, nullable=False),
        sa.Column('fiat_currency', sa.Text, nullable=False),
        sa.Column('fiat_type', sa.BigInteger, nullable=False),
        sa.Column('asset', sa.Text, nullable=False),
        sa.Column('network', sa.Text, nullable=False),
        sa.Column('payment_method', sa.Text, nullable=False),
        sa.Column('quote', sa.Text),
        sa.Column('expected_amount', sa.Numeric),
        sa.Column('base_amount', sa.Numeric),
        sa.Column('base_currency', sa.Text),
        sa.Column('status', sa.Text, nullable=False),
        sa.Column('reason', sa.Text),
        sa.Column('charged', sa.Text, nullable=False),
        sa.Column('rank', sa.SmallInteger, nullable=False),
        sa.Column('has_entry', sa.Boolean, nullable=False),
        sa.Column('received_minor', minor),
        sa.Column('received_asset', sa.Text),
        sa.Column('best_order_id', sa.Text),
        sa.Column('linked_to', sa.Text),
        sa.Column('version', sa.BigInteger, nullable=False),
        sa.Column('created_at', time, nullable=False),
        sa.Column('updated_at', time, nullable=False),
        sa.Column('claimed_at', time),
        sa.Column('settled_at', time),
        sa.CheckConstraint("CASE status WHEN 'settled' THEN has_entry WHEN 'reversed' THEN has_entry WHEN 'in_review' THEN true ELSE NOT has_entry END", name=op.f('ck_top_ups_status_fits_entry')),
        sa.CheckConstraint("base_amount >= 0 AND base_amount < 'Infinity'::numeric", name=op.f('ck_top_ups_base_amount')),
        sa.CheckConstraint("base_currency ~ '^[A-Z]{3}$'", name=op.f('ck_top_ups_base_currency')),
        sa.CheckConstraint("charged IN ('no', 'unknown', 'yes')", name=op.f('ck_top_ups_charged')),
        sa.CheckConstraint("environment IN ('simulator', 'sandbox', 'live')", name=op.f('ck_top_ups_environment')),
        sa.CheckConstraint("expected_amount >= 0 AND expected_amount < 'Infinity'::numeric", name=op.f('ck_top_ups_expected_amount')),
        sa.CheckConstraint("fiat_amount >= 0 AND fiat_amount < 'Infinity'::numeric", name=op.f('ck_top_ups_fiat_amount')),
        sa.CheckConstraint("fiat_currency ~ '^[A-Z]{3}$'", name=op.f('ck_top_ups_fiat_currency')),
        sa.CheckConstraint("json_typeof(quote::json) = 'object' AND char_length(quote) <= 4000", name=op.f('ck_top_ups_quote')),
        sa.CheckConstraint("reason IN ('abandoned', 'timed_out', 'name_mismatch', 'amount_mismatch', 'wrong_address', 'wrong_asset', 'over_limit', 'over_delivery', 'account_frozen', 'kyc_rejected', 'amount_unreadable', 'unknown_status', 'returned')", name=op.f('ck_top_ups_reason')),
        sa.CheckConstraint("status <> 'in_review' OR reason IS NOT NULL", name=op.f('ck_top_ups_review_has_reason')),
        sa.CheckConstraint("status <> 'settled' OR settled_at IS NOT NULL", name=op.f('ck_top_ups_settled_has_time')),
        sa.CheckConstraint("status IN ('created', 'awaiting_payment', 'processing', 'settled', 'canceled', 'expired', 'failed', 'in_review', 'reversed')", name=op.f('ck_top_ups_status')),
        sa.CheckConstraint('(base_amount IS NULL) = (base_currency IS NULL)', name=op.f('ck_top_ups_base_is_whole')),
        sa.CheckConstraint('char_length(network) BETWEEN 1 AND 32', name=op.f('ck_top_ups_network_length')),
        sa.CheckConstraint('char_length(payment_method) BETWEEN 1 AND 64', name=op.f('ck_top_ups_payment_method_length')),
        sa.CheckConstraint('has_entry = (received_minor IS NOT NULL) AND has_entry = (received_asset IS NOT NULL)', name=op.f('ck_top_ups_entry_is_whole')),
        sa.CheckConstraint('linked_to <> id', name=op.f('ck_top_ups_linked_to_another')),
        sa.CheckConstraint('rank BETWEEN 0 AND 70', name=op.f('ck_top_ups_rank')),
        sa.CheckConstraint('received_minor > 0', name=op.f('ck_top_ups_received_minor')),
        sa.CheckConstraint('version >= 1', name=op.f('ck_top_ups_version')),
        sa.ForeignKeyConstraint(['asset'], ['assets.code'], name=op.f('fk_top_ups_asset')),
        sa.ForeignKeyConstraint(['linked_to'], ['top_ups.id'], name=op.f('fk_top_ups_linked_to')),
        sa.ForeignKeyConstraint(['received_asset'], ['assets.code'], name=op.f('fk_top_ups_received_asset')),
        sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_top_ups_user_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_top_ups'))
    )
    op.create_index('ix_top_ups_best_order_id', 'top_ups', ['best_order_id'], postgresql_where=sa.text('best_order_id IS NOT NULL'))
    op.create_index('ix_top_ups_linked_to', 'top_ups', ['linked_to'], postgresql_where=sa.text('linked_to IS NOT NULL'))
    op.create_index('ix_top_ups_open', 'top_ups', ['fiat_type', 'created_at'], postgresql_where=sa.text("status IN ('created', 'awaiting_payment', 'processing')"))
    op.create_index(op.f('ix_top_ups_user_id_asset_created_at_id'), 'top_ups', ['user_id', 'asset', 'created_at', 'id'])
    op.create_index(op.f('ix_top_ups_user_id_created_at_id'), 'top_ups', ['user_id', 'created_at', 'id'])
    op.create_index(op.f('ix_top_ups_user_id_status_created_at_id'), 'top_ups', ['user_id', 'status', 'created_at', 'id'])
    op.create_table('user_balances',
        sa.Column('user_id', sa.Text, nullable=False),
        sa.Column('asset', sa.Text, nullable=False),
        sa.Column('available_minor', minor, nullable=False),
        sa.Column('held_minor', minor, nullable=False),
        sa.Column('owed_minor', minor, nullable=False),
        sa.Column('version', sa.BigInteger, nullable=False),
        sa.CheckConstraint('available_minor >= 0', name=op.f('ck_user_balances_available')),
        sa.CheckConstraint('held_minor >= 0', name=op.f('ck_user_balances_held')),
        sa.CheckConstraint('owed_minor >= 0', name=op.f('ck_user_balances_owed')),
        sa.ForeignKeyConstraint(['asset'], ['assets.code'], name=op.f('fk_user_balances_asset')),
        sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_user_balances_user_id')),
        sa.PrimaryKeyConstraint('user_id', 'asset', name=op.f('pk_user_balances'))
    )
    op.create_table('provider_orders',
        sa.Column('id', sa.Text, nullable=False),
        sa.Column('environment', sa.Text, nullable=False),
        sa.Column('provider', sa.Text, nullable=False),
        sa.Column('flow', sa.Text, nullable=False),
        sa.Column('order_id', sa.Text, nullable=False),
        sa.Column('top_up_id', sa.Text),
        sa.Column('raw', sa.Text),
        sa.Column('status_number', sa.BigInteger),
        sa.Column('status_text', sa.Text),
        sa.Column('status_class', sa.Text),
        sa.Column('class_since', time),
        sa.Column('recognition_id', sa.Text),
        sa.Column('reference_id', sa.Text),
        sa.Column('wallet_address', sa.Text),
        sa.Column('coin_id', sa.BigInteger),
        sa.Column('chain_id', sa.BigInteger),
        sa.Column('transaction_hash', sa.Text),
        sa.Column('fiat_type', sa.BigInteger),
        sa.Column('fiat_currency', sa.Text),
        sa.Column('fiat_amount', sa.Numeric),
        sa.Column('payment_kind', sa.SmallInteger),
        sa.Column('expected_price', sa.Numeric),
        sa.Column('expected_amount', sa.Numeric),
        sa.Column('actual_price', sa.Numeric),
        sa.Column('bought_amount', sa.Numeric),
        sa.Column('gas_fee', sa.Numeric),
        sa.Column('provider_fee', sa.Numeric),
        sa.Column('client_fee', sa.Numeric),
        sa.Column('gateway_fee', sa.Numeric),
        sa.Column('is_kyc_needed', sa.Boolean),
        sa.Column('ordered_at', time),
        sa.Column('asset', sa.Text),
        sa.Column('network', sa.Text),
        sa.Column('is_ours', sa.Boolean),
        sa.Column('delivered_minor', minor),
        sa.Column('delivered_rule', sa.Text),
        sa.Column('first_seen_at', time, nullable=False),
        sa.Column('read_at', time),
        sa.Column('version', sa.BigInteger, nullable=False),
        sa.Column('applied_version', sa.BigInteger, nullable=False),
        sa.Column('due_at', time),
        sa.Column('read_failures', sa.Integer, server_default='0', nullable=False),
        sa.Column('apply_after', time),
        sa.Column('apply_failures', sa.Integer, server_default='0', nullable=False),
        sa.Column('apply_error', sa.Text),
        sa.CheckConstraint("actual_price >= 0 AND actual_price < 'Infinity'::numeric", name=op.f('ck_provider_orders_actual_price')),
        sa.CheckConstraint("bought_amount >= 0 AND bought_amount < 'Infinity'::numeric", name=op.f('ck_provider_orders_bought_amount')),
        sa.CheckConstraint("client_fee >= 0 AND client_fee < 'Infinity'::numeric", name=op.f('ck_provider_orders_client_fee')),
        sa.CheckConstraint("delivered_rule IN ('actual_minus_gas', 'actual')", name=op.f('ck_provider_orders_delivered_rule')),
        sa.CheckConstraint("environment IN ('simulator', 'sandbox', 'live')", name=op.f('ck_provider_orders_environment')),
        sa.CheckConstraint("expected_amount >= 0 AND expected_amount < 'Infinity'::numeric", name=op.f('ck_provider_orders_expected_amount')),
        sa.CheckConstraint("expected_price >= 0 AND expected_price < 'Infinity'::numeric", name=op.f('ck_provider_orders_expected_price')),
        sa.CheckConstraint("fiat_amount >= 0 AND fiat_amount < 'Infinity'::numeric", name=op.f('ck_provider_orders_fiat_amount')),
        sa.CheckConstraint("fiat_currency ~ '^[A-Z]{3}$'", name=op.f('ck_provider_orders_fiat_currency')),
        sa.CheckConstraint("flow = 'buy' OR status_class IS NULL", name=op.f('ck_provider_orders_only_buy_has_class')),
        sa.CheckConstraint("flow IN ('buy', 'sell', 'swap')", name=op.f('ck_provider_orders_flow')),
        sa.CheckConstraint("gas_fee >= 0 AND gas_fee < 'Infinity'::numeric", name=op.f('ck_provider_orders_gas_fee')),
        sa.CheckConstraint("gateway_fee >= 0 AND gateway_fee < 'Infinity'::numeric", name=op.f('ck_provider_orders_gateway_fee')),
        sa.CheckConstraint("provider = 'onramp'", name=op.f('ck_provider_orders_provider')),
        sa.CheckConstraint("provider_fee >= 0 AND provider_fee < 'Infinity'::numeric", name=op.f('ck_provider_orders_provider_fee')),
        sa.CheckConstraint("status_class IN ('opened', 'claimed', 'paid', 'buying', 'bought', 'sending', 'delivered', 'timed_out', 'abandoned', 'name_mismatch', 'amount_mismatch', 'unknown')", name=op.f('ck_provider_orders_status_class')),
        sa.CheckConstraint('(version = 0) = (raw IS NULL)', name=op.f('ck_provider_orders_raw_is_there')),
        sa.CheckConstraint('(version = 0) = (read_at IS NULL)', name=op.f('ck_provider_orders_read_is_whole')),
        sa.CheckConstraint('applied_version BETWEEN 0 AND version', name=op.f('ck_provider_orders_applied_version')),
        sa.CheckConstraint('char_length(apply_error) BETWEEN 1 AND 500', name=op.f('ck_provider_orders_apply_error_length')),
        sa.CheckConstraint('char_length(network) BETWEEN 1 AND 32', name=op.f('ck_provider_orders_network_length')),
        sa.CheckConstraint('char_length(order_id) BETWEEN 1 AND 64', name=op.f('ck_provider_orders_order_id_length')),
        sa.CheckConstraint('char_length(raw) BETWEEN 2 AND 65536', name=op.f('ck_provider_orders_raw_length')),
        sa.CheckConstraint('char_length(recognition_id) BETWEEN 1 AND 256', name=op.f('ck_provider_orders_recognition_id_length')),
        sa.CheckConstraint('char_length(reference_id) BETWEEN 1 AND 256', name=op.f('ck_provider_orders_reference_id_length')),
        sa.CheckConstraint('char_length(status_text) BETWEEN 1 AND 64', name=op.f('ck_provider_orders_status_text_length')),
        sa.CheckConstraint('char_length(transaction_hash) BETWEEN 1 AND 256', name=op.f('ck_provider_orders_transaction_hash_length')),
        sa.CheckConstraint('char_length(wallet_address) BETWEEN 1 AND 256', name=op.f('ck_provider_orders_wallet_address_length')),
        sa.CheckConstraint('delivered_minor > 0', name=op.f('ck_provider_orders_delivered_minor')),
        sa.CheckConstraint('delivered_minor IS NULL OR is_ours IS TRUE', name=op.f('ck_provider_orders_delivered_is_ours')),
        sa.CheckConstraint('is_ours IS NOT TRUE OR (delivered_rule IS NOT NULL AND asset IS NOT NULL AND network IS NOT NULL)', name=op.f('ck_provider_orders_ours_is_whole')),
        sa.CheckConstraint('payment_kind IN (1, 2)', name=op.f('ck_provider_orders_payment_kind')),
        sa.CheckConstraint('read_failures >= 0 AND apply_failures >= 0', name=op.f('ck_provider_orders_failures')),
        sa.ForeignKeyConstraint(['asset'], ['assets.code'], name=op.f('fk_provider_orders_asset')),
        sa.ForeignKeyConstraint(['top_up_id'], ['top_ups.id'], name=op.f('fk_provider_orders_top_up_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_provider_orders')),
        sa.UniqueConstraint('environment', 'provider', 'flow', 'order_id', name=op.f('uq_provider_orders_environment_provider_flow_order_id'))
    )
    op.create_index('ix_provider_orders_due', 'provider_orders', ['due_at'], postgresql_where=sa.text('due_at IS NOT NULL'))
    op.create_index('ix_provider_orders_newest', 'provider_orders', ['environment', 'first_seen_at', 'id'])
    op.create_index(op.f('ix_provider_orders_recognition_id'), 'provider_orders', ['recognition_id'])
    op.create_index('ix_provider_orders_to_apply', 'provider_orders', ['id'], postgresql_where=sa.text('version > applied_version'))
    op.create_index(op.f('ix_provider_orders_top_up_id'), 'provider_orders', ['top_up_id'])
    op.create_index(op.f('ix_provider_orders_transaction_hash'), 'provider_orders', ['transaction_hash'])
    op.create_table('widget_sessions',
        sa.Column('recognition_id', sa.Text, nullable=False),
        sa.Column('top_up_id', sa.Text, nullable=False),
        sa.Column('environment', sa.Text, nullable=False),
        sa.Column('asset', sa.Text, nullable=False),
        sa.Column('network', sa.Text, nullable=False),
        sa.Column('address', sa.Text, nullable=False),
        sa.Column('memo', sa.Text),
        sa.Column('fiat_amount', sa.Numeric, nullable=False),
        sa.Column('url', sa.Text, nullable=False),
        sa.Column('created_at', time, nullable=False),
        sa.Column('offered_until', time, nullable=False),
        sa.CheckConstraint("environment IN ('simulator', 'sandbox', 'live')", name=op.f('ck_widget_sessions_environment')),
        sa.CheckConstraint("fiat_amount >= 0 AND fiat_amount < 'Infinity'::numeric", name=op.f('ck_widget_sessions_fiat_amount')),
        sa.CheckConstraint("recognition_id ~ '^[A-Za-z0-9]{22,32}$'", name=op.f('ck_widget_sessions_recognition_id')),
        sa.CheckConstraint('char_length(address) BETWEEN 1 AND 128', name=op.f('ck_widget_sessions_address_length')),
        sa.CheckConstraint('char_length(memo) BETWEEN 1 AND 64', name=op.f('ck_widget_sessions_memo_length')),
        sa.CheckConstraint('char_length(network) BETWEEN 1 AND 32', name=op.f('ck_widget_sessions_network_length')),
        sa.CheckConstraint('char_length(url) BETWEEN 1 AND 2048', name=op.f('ck_widget_sessions_url_length')),
        sa.ForeignKeyConstraint(['asset'], ['assets.code'], name=op.f('fk_widget_sessions_asset')),
        sa.ForeignKeyConstraint(['top_up_id'], ['top_ups.id'], name=op.f('fk_widget_sessions_top_up_id')),
        sa.PrimaryKeyConstraint('recognition_id', name=op.f('pk_widget_sessions'))
    )
    op.create_index(op.f('ix_widget_sessions_top_up_id_created_at'), 'widget_sessions', ['top_up_id', 'created_at'])
    op.create_table('exceptions',
        sa.Column('id', sa.Text, nullable=False),
        sa.Column('environment', sa.Text, nullable=False),
        sa.Column('kind', sa.Text, nullable=False),
        sa.Column('top_up_id', sa.Text),
        sa.Column('provider_order_id', sa.Text),
        sa.Column('detail', sa.Text, nullable=False),
        sa.Column('opened_at', time, nullable=False),
        sa.Column('closed_at', time),
        sa.Column('closed_by', sa.Text),
        sa.Column('close_reason', sa.Text),
        sa.CheckConstraint("environment IN ('simulator', 'sandbox', 'live')", name=op.f('ck_exceptions_environment')),
        sa.CheckConstraint("kind <> 'held' OR top_up_id IS NOT NULL", name=op.f('ck_exceptions_held_names_top_up')),
        sa.CheckConstraint("kind <> 'suspense' OR provider_order_id IS NOT NULL", name=op.f('ck_exceptions_suspense_names_order')),
        sa.CheckConstraint("kind IN ('held', 'suspense', 'in_review', 'not_ours', 'failed_after_settled', 'unknown_status', 'apply_failed', 'record_unreadable')", name=op.f('ck_exceptions_kind')),
        sa.CheckConstraint('(closed_at IS NULL) = (closed_by IS NULL) AND (closed_at IS NULL) = (close_reason IS NULL)', name=op.f('ck_exceptions_close_is_whole')),
        sa.CheckConstraint('char_length(close_reason) BETWEEN 1 AND 500', name=op.f('ck_exceptions_close_reason_length')),
        sa.CheckConstraint('char_length(closed_by) BETWEEN 1 AND 64', name=op.f('ck_exceptions_closed_by_length')),
        sa.CheckConstraint('char_length(detail) BETWEEN 0 AND 1000', name=op.f('ck_exceptions_detail_length')),
        sa.ForeignKeyConstraint(['provider_order_id'], ['provider_orders.id'], name=op.f('fk_exceptions_provider_order_id')),
        sa.ForeignKeyConstraint(['top_up_id'], ['top_ups.id'], name=op.f('fk_exceptions_top_up_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_exceptions'))
    )
    op.create_index('ix_exceptions_open', 'exceptions', ['opened_at', 'id'], postgresql_where=sa.text('closed_at IS NULL'))
    op.create_index(op.f('ix_exceptions_opened_at_id'), 'exceptions', ['opened_at', 'id'])
    op.create_index(op.f('ix_exceptions_top_up_id'), 'exceptions', ['top_up_id'], postgresql_where=sa.text('top_up_id IS NOT NULL'))
    op.create_index('uq_exceptions_open', 'exceptions', ['kind', 'top_up_id', 'provider_order_id'], unique=True, postgresql_where=sa.text('closed_at IS NULL AND (top_up_id IS NOT NULL OR provider_order_id IS NOT NULL)'), postgresql_nulls_not_distinct=True)
    op.create_table('ledger_transfers',
        sa.Column('id', sa.Text, nullable=False),
        sa.Column('environment', sa.Text, nullable=False),
        sa.Column('reference', sa.Text, nullable=False),
        sa.Column('input_hash', sa.LargeBinary, nullable=False),
        sa.Column('kind', sa.Text, nullable=False),
        sa.Column('user_id', sa.Text),
        sa.Column('top_up_id', sa.Text),
        sa.Column('provider_order_id', sa.Text),
        sa.Column('source', sa.Text, nullable=False),
        sa.Column('actor', sa.Text),
        sa.Column('reason', sa.Text),
        sa.Column('created_at', time, nullable=False),
        sa.CheckConstraint("(kind IN ('make_good', 'write_off', 'debit', 'count')) = (provider_order_id IS NULL)", name=op.f('ck_ledger_transfers_provider_order_id')),
        sa.CheckConstraint("environment IN ('simulator', 'sandbox', 'live')", name=op.f('ck_ledger_transfers_environment')),
        sa.CheckConstraint("kind IN ('receive', 'recover', 'attribute', 'release', 'return', 'make_good', 'reverse', 'undo_reverse', 'remit', 'setoff', 'write_off', 'debit', 'count')", name=op.f('ck_ledger_transfers_kind')),
        sa.CheckConstraint("kind NOT IN ('make_good', 'write_off') OR reason IS NOT NULL", name=op.f('ck_ledger_transfers_reason_is_told')),
        sa.CheckConstraint("source IN ('webhook_read', 'poll', 'user', 'operator', 'clock', 'system')", name=op.f('ck_ledger_transfers_source')),
        sa.CheckConstraint('char_length(actor) BETWEEN 1 AND 64', name=op.f('ck_ledger_transfers_actor_length')),
        sa.CheckConstraint('char_length(reason) BETWEEN 1 AND 500', name=op.f('ck_ledger_transfers_reason_length')),
        sa.CheckConstraint('char_length(reference) BETWEEN 1 AND 250', name=op.f('ck_ledger_transfers_reference_length')),
        sa.CheckConstraint('octet_length(input_hash) BETWEEN 32 AND 32', name=op.f('ck_ledger_transfers_input_hash_octets')),
        sa.ForeignKeyConstraint(['provider_order_id'], ['provider_orders.id'], name=op.f('fk_ledger_transfers_provider_order_id')),
        sa.ForeignKeyConstraint(['top_up_id'], ['top_ups.id'], name=op.f('fk_ledger_transfers_top_up_id')),
        sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_ledger_transfers_user_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_ledger_transfers')),
        sa.UniqueConstraint('environment', 'reference', name=op.f('uq_ledger_transfers_environment_reference'))
    )
    op.create_index(op.f('ix_ledger_transfers_provider_order_id'), 'ledger_transfers', ['provider_order_id'], postgresql_where=sa.text('provider_order_id IS NOT NULL'))
    op.create_index(op.f('ix_ledger_transfers_top_up_id'), 'ledger_transfers', ['top_up_id'], postgresql_where=sa.text('top_up_id IS NOT NULL'))
    op.create_index(op.f('ix_ledger_transfers_user_id_created_at_id'), 'ledger_transfers', ['user_id', 'created_at', 'id'], postgresql_where=sa.text('user_id IS NOT NULL'))
    op.create_table('top_up_steps',
        sa.Column('id', sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column('top_up_id', sa.Text, nullable=False),
        sa.Column('at', time, nullable=False),
        sa.Column('status', sa.Text, nullable=False),
        sa.Column('reason', sa.Text),
        sa.Column('charged', sa.Text, nullable=False),
        sa.Column('source', sa.Text, nullable=False),
        sa.Column('actor', sa.Text),
        sa.Column('detail', sa.Text, nullable=False),
        sa.Column('provider_order_id', sa.Text),
        sa.Column('order_version', sa.BigInteger),
        sa.CheckConstraint("charged IN ('no', 'unknown', 'yes')", name=op.f('ck_top_up_steps_charged')),
        sa.CheckConstraint("reason IN ('abandoned', 'timed_out', 'name_mismatch', 'amount_mismatch', 'wrong_address', 'wrong_asset', 'over_limit', 'over_delivery', 'account_frozen', 'kyc_rejected', 'amount_unreadable', 'unknown_status', 'returned')", name=op.f('ck_top_up_steps_reason')),
        sa.CheckConstraint("source IN ('webhook_read', 'poll', 'user', 'operator', 'clock', 'system')", name=op.f('ck_top_up_steps_source')),
        sa.CheckConstraint("status IN ('created', 'awaiting_payment', 'processing', 'settled', 'canceled', 'expired', 'failed', 'in_review', 'reversed')", name=op.f('ck_top_up_steps_status')),
        sa.CheckConstraint('char_length(actor) BETWEEN 1 AND 64', name=op.f('ck_top_up_steps_actor_length')),
        sa.CheckConstraint('char_length(detail) BETWEEN 0 AND 500', name=op.f('ck_top_up_steps_detail_length')),
        sa.ForeignKeyConstraint(['provider_order_id'], ['provider_orders.id'], name=op.f('fk_top_up_steps_provider_order_id')),
        sa.ForeignKeyConstraint(['top_up_id'], ['top_ups.id'], name=op.f('fk_top_up_steps_top_up_id')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_top_up_steps'))
    )
    op.create_index(op.f('ix_top_up_steps_top_up_id_id'), 'top_up_steps', ['top_up_id', 'id'])
    op.create_table('ledger_entries',
        sa.Column('transfer_id', sa.Text, nullable=False),
        sa.Column('account_id', sa.BigInteger, nullable=False),
        sa.Column('amount_minor', minor, nullable=False),
        sa.CheckConstraint('amount_minor <> 0', name=op.f('ck_ledger_entries_amount_minor')),
        sa.ForeignKeyConstraint(['account_id'], ['ledger_accounts.id'], name=op.f('fk_ledger_entries_account_id')),
        sa.ForeignKeyConstraint(['transfer_id'], ['ledger_transfers.id'], name=op.f('fk_ledger_entries_transfer_id')),
        sa.PrimaryKeyConstraint('transfer_id', 'account_id', name=op.f('pk_ledger_entries'))
    )
    op.create_index(op.f('ix_ledger_entries_account_id'), 'ledger_entries', ['account_id'], postgresql_include=['amount_minor'])

    # Added last, because top-ups and provider orders refer to each other.
    op.create_foreign_key("fk_top_ups_best_order_id", "top_ups", "provider_orders", ["best_order_id"], ["id"])
    op.get_bind().exec_driver_sql(RULES.read_text().replace("%", "%%"))  # % is a placeholder to the driver.


def downgrade() -> None:
    op.execute("DROP FUNCTION lock_user_balances(text[], text[])")  # Returns rows of a table dropped below.
    op.drop_constraint("fk_top_ups_best_order_id", "top_ups", type_="foreignkey")
    for table in TABLES:
        op.drop_table(table)
    for function in FUNCTIONS:
        op.execute(f"DROP FUNCTION {function}")
