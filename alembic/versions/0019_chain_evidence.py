"""Evidence of what networks show of deliveries, and claims of which transfer belongs to which order.

The application's role may only add claims: a claimed transfer stays claimed, whatever bug there may be.
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

REASONS = (
    "abandoned",
    "timed_out",
    "name_mismatch",
    "amount_mismatch",
    "wrong_address",
    "wrong_asset",
    "over_limit",
    "over_delivery",
    "account_frozen",
    "kyc_rejected",
    "amount_unreadable",
    "unknown_status",
    "returned",
)
ACTS = (
    "created",
    "read",
    "linked",
    "canceled",
    "expired",
    "given_up",
    "released",
    "returned",
    "closed",
    "reversed",
    "reversal_undone",
    "attributed",
)
SOURCES = ("webhook_read", "poll", "user", "operator", "clock", "system")
KINDS = (
    "held",
    "suspense",
    "in_review",
    "not_ours",
    "failed_after_settled",
    "unknown_status",
    "apply_failed",
    "record_unreadable",
    "not_found",
)
# Table, column, the old words, the new words.
GROWN = (
    ("top_ups", "reason", REASONS, ("chain_missing", "chain_differs")),
    ("top_up_steps", "reason", REASONS, ("chain_missing", "chain_differs")),
    ("top_up_steps", "hold", REASONS, ("chain_missing", "chain_differs")),
    ("top_up_steps", "act", ACTS, ("credited",)),
    ("top_up_steps", "source", SOURCES, ("chain",)),
    ("ledger_transfers", "source", SOURCES, ("chain",)),
    ("exceptions", "kind", KINDS, ("chain_differs", "chain_missing", "chain_left", "chain_away")),
)
HASH = "~ '^0x[0-9a-f]{64}$'"


def _one_of(table: str, column: str, words: tuple[str, ...], *, unless_kept: bool = False) -> None:
    listed = ", ".join(f"'{word}'" for word in words)
    op.drop_constraint(op.f(f"ck_{table}_{column}"), table)
    # Timeline lines and transfers never change, so a downgrade leaves existing rows unvalidated.
    op.create_check_constraint(
        op.f(f"ck_{table}_{column}"), table, f"{column} IN ({listed})", postgresql_not_valid=unless_kept
    )


def _rule(table: str, name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))


def upgrade() -> None:
    for table, column, words, more in GROWN:
        _one_of(table, column, words + more)
    op.create_table(
        "chain_evidence",
        sa.Column("provider_order_id", sa.Text, nullable=False),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("asset", sa.Text, nullable=False),
        sa.Column("network", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("transaction_hash", sa.Text, nullable=True),
        sa.Column("recorded_minor", sa.Numeric(38, 0), nullable=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("block_number", sa.BigInteger, nullable=True),
        sa.Column("block_hash", sa.Text, nullable=True),
        sa.Column("amount_minor", sa.Numeric(38, 0), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("unseen_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("away_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_look_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("looks_after", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("credited_by", sa.Text, nullable=True),
        sa.PrimaryKeyConstraint("provider_order_id", name=op.f("pk_chain_evidence")),
        sa.ForeignKeyConstraint(
            ["provider_order_id"], ["provider_orders.id"], name=op.f("fk_chain_evidence_provider_order_id")
        ),
        sa.ForeignKeyConstraint(["asset"], ["assets.code"], name=op.f("fk_chain_evidence_asset")),
        sa.ForeignKeyConstraint(["credited_by"], ["users.id"], name=op.f("fk_chain_evidence_credited_by")),
        _rule("chain_evidence", "environment", "environment IN ('simulator', 'sandbox', 'live')"),
        _rule(
            "chain_evidence",
            "state",
            "state IN ('waiting', 'away', 'missing', 'confirmed', 'differs', 'left', 'dropped')",
        ),
        _rule("chain_evidence", "network_length", "char_length(network) BETWEEN 1 AND 32"),
        _rule("chain_evidence", "address_length", "char_length(address) BETWEEN 1 AND 200"),
        _rule("chain_evidence", "transaction_hash", f"transaction_hash {HASH}"),
        _rule("chain_evidence", "block_hash", f"block_hash {HASH}"),
        _rule("chain_evidence", "block_is_whole", "(block_number IS NULL) = (block_hash IS NULL)"),
        _rule("chain_evidence", "block_number", "block_number >= 0"),
        _rule("chain_evidence", "amount_minor", "amount_minor > 0"),
        _rule("chain_evidence", "recorded_minor", "recorded_minor > 0"),
        _rule(
            "chain_evidence",
            "confirmed_is_whole",
            "state NOT IN ('confirmed', 'differs', 'left') OR confirmed_at IS NOT NULL AND"
            " transaction_hash IS NOT NULL",
        ),
        _rule("chain_evidence", "amount_is_confirmed", "amount_minor IS NULL OR confirmed_at IS NOT NULL"),
        _rule("chain_evidence", "why_length", "char_length(why) BETWEEN 0 AND 500"),
        _rule("chain_evidence", "credited_by_length", "char_length(credited_by) BETWEEN 1 AND 64"),
        _rule("chain_evidence", "counts", "failures >= 0 AND looks_after >= 0"),
    )
    op.create_index(
        "uq_chain_evidence_confirmed",
        "chain_evidence",
        ["network", "transaction_hash", "asset", "address"],
        unique=True,
        postgresql_where=sa.text("confirmed_at IS NOT NULL"),
    )
    op.create_index(
        "ix_chain_evidence_due",
        "chain_evidence",
        ["network", "next_look_at"],
        postgresql_where=sa.text("next_look_at IS NOT NULL"),
    )
    op.create_index(
        "ix_chain_evidence_away",
        "chain_evidence",
        ["network", "away_since"],
        postgresql_where=sa.text("away_since IS NOT NULL"),
    )
    op.create_table(
        "chain_claims",
        sa.Column("network", sa.Text, nullable=False),
        sa.Column("transaction_hash", sa.Text, nullable=False),
        sa.Column("log_index", sa.BigInteger, nullable=False),
        sa.Column("provider_order_id", sa.Text, nullable=False),
        sa.Column("units", sa.Numeric(78, 0), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "network", "transaction_hash", "log_index", name=op.f("pk_chain_claims")
        ),
        sa.ForeignKeyConstraint(
            ["provider_order_id"], ["provider_orders.id"], name=op.f("fk_chain_claims_provider_order_id")
        ),
        _rule("chain_claims", "network_length", "char_length(network) BETWEEN 1 AND 32"),
        _rule("chain_claims", "transaction_hash", f"transaction_hash {HASH}"),
        _rule("chain_claims", "log_index", "log_index >= -1"),
        _rule("chain_claims", "units", "units > 0"),
    )
    op.create_index(op.f("ix_chain_claims_provider_order_id"), "chain_claims", ["provider_order_id"])
    op.execute("GRANT SELECT, INSERT, UPDATE ON chain_evidence TO onramp_app")
    op.execute("GRANT SELECT, INSERT ON chain_claims TO onramp_app")


def downgrade() -> None:
    # Words that the previous release does not know are replaced by the nearest ones that it knows.
    op.drop_table("chain_claims")
    op.drop_table("chain_evidence")
    op.execute("UPDATE top_ups SET reason = 'amount_unreadable' WHERE reason = 'chain_missing'")
    op.execute("UPDATE top_ups SET reason = 'over_delivery' WHERE reason = 'chain_differs'")
    op.execute("DELETE FROM exceptions WHERE kind IN ('chain_differs', 'chain_missing', 'chain_left', 'chain_away')")
    for table, column, words, _more in GROWN:
        _one_of(table, column, words, unless_kept=table in ("top_up_steps", "ledger_transfers"))
