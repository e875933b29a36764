"""Frozen accounts, and the indexes for a person's list, the limits and the check at a start in production."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

LISTED = "kind IN ('debit', 'make_good', 'recover', 'return', 'reverse', 'undo_reverse', 'write_off')"


def upgrade() -> None:
    op.add_column("users", sa.Column("frozen_at", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_ledger_transfers_listed",
        "ledger_transfers",
        ["user_id", "created_at", "id"],
        postgresql_where=sa.text(LISTED),
    )
    op.create_index(
        "ix_top_ups_user_id_settled_at",
        "top_ups",
        ["user_id", "settled_at"],
        postgresql_where=sa.text("status = 'settled'"),
    )
    op.create_index(
        "ix_top_ups_not_live",
        "top_ups",
        ["environment"],
        postgresql_where=sa.text("environment <> 'live'"),
    )


def downgrade() -> None:
    op.drop_index("ix_top_ups_not_live", table_name="top_ups")
    op.drop_index("ix_top_ups_user_id_settled_at", table_name="top_ups")
    op.drop_index("ix_ledger_transfers_listed", table_name="ledger_transfers")
    op.drop_column("users", "frozen_at")
