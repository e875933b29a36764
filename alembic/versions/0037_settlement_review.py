"""A separate reason for money that is held because everything is held for review: `settlement_review`.

The previous release uses `over_limit` for it, and cannot show a top-up with the new word. Constraints apply
only to new rows at first; 0038 validates the others, without a lock that blocks anybody.
"""

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None
oldest_release = "0022"

REASONS = (
    "'abandoned', 'timed_out', 'name_mismatch', 'amount_mismatch', 'wrong_address', 'wrong_asset', 'over_limit',"
    " 'over_delivery', 'account_frozen', 'kyc_rejected', 'amount_unreadable', 'unknown_status', 'returned',"
    " 'chain_missing', 'chain_differs'"
)
COLUMNS = (("top_ups", "reason"), ("top_up_steps", "reason"), ("top_up_steps", "hold"))


def _allow(words: str) -> None:
    for table, column in COLUMNS:
        name = op.f(f"ck_{table}_{column}")
        op.drop_constraint(name, table)
        op.create_check_constraint(name, table, f"{column} IN ({words})", postgresql_not_valid=True)


def upgrade() -> None:
    _allow(f"{REASONS}, 'settlement_review'")


def downgrade() -> None:
    # Timeline lines never change, so existing ones are left as they are, unvalidated.
    op.execute("UPDATE top_ups SET reason = 'over_limit' WHERE reason = 'settlement_review'")
    _allow(REASONS)
