"""Indexes with which loops, cleaning jobs and operators' lists find rows without scanning a whole table.

Only adds indexes, most of them over few rows. Creating each one blocks writers of its table: for about a
second per million rows.
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None
oldest_release = "0022"

INDEXES: tuple[tuple[str, str, list[str], str | None], ...] = (
    ("ix_users_role", "users", ["role"], "role <> 'user'"),
    ("ix_auth_sessions_expires_at", "auth_sessions", ["expires_at"], None),
    ("ix_auth_sessions_revoked_at", "auth_sessions", ["revoked_at"], "revoked_at IS NOT NULL"),
    ("ix_refresh_tokens_used_at", "refresh_tokens", ["used_at"], "used_at IS NOT NULL"),
    ("ix_link_sessions_ended_at", "link_sessions", ["ended_at"], "ended_at IS NOT NULL"),
    ("ix_outbox_mails_given_up", "outbox_mails", ["given_up_at"], "given_up_at IS NOT NULL"),
    ("ix_outbox_mails_last", "outbox_mails", ["id"], "kind = 'account_closed'"),
    (
        "ix_provider_orders_not_booked",
        "provider_orders",
        ["id"],
        "flow = 'buy' AND status_class = 'delivered' AND delivered_minor IS NULL",
    ),
    (
        "ix_exceptions_provider_order_id",
        "exceptions",
        ["provider_order_id"],
        "provider_order_id IS NOT NULL",
    ),
    (
        "ix_exceptions_unnamed",
        "exceptions",
        ["kind", "left(detail, 100)"],
        "top_up_id IS NULL AND provider_order_id IS NULL",
    ),
    ("ix_ledger_transfers_counts", "ledger_transfers", ["created_at"], "kind = 'count'"),
    ("ix_audit_log_treasury", "audit_log", ["at", "id"], "action = 'treasury.addresses'"),
    (
        "ix_outgoing_deliveries_endpoint_id_state_made_at_id",
        "outgoing_deliveries",
        ["endpoint_id", "state", "made_at", "id"],
        None,
    ),
    (
        "ix_verification_customers_unproven",
        "verification_customers",
        ["awake_at"],
        "NOT is_proven AND customer_id IS NOT NULL",
    ),
)


def upgrade() -> None:
    for name, table, columns, condition in INDEXES:
        op.create_index(
            name,
            table,
            [sa.text(column) if "(" in column else column for column in columns],
            postgresql_where=None if condition is None else sa.text(condition),
        )


def downgrade() -> None:
    for name, table, *_ in reversed(INDEXES):
        op.drop_index(name, table)
