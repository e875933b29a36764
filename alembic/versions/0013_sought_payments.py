"""Record which top-up a webhook named, and allow cases for payments that are not found."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

KINDS = (
    "held",
    "suspense",
    "in_review",
    "not_ours",
    "failed_after_settled",
    "unknown_status",
    "apply_failed",
    "record_unreadable",
)


def _kinds(*kinds: str) -> None:
    op.drop_constraint(op.f("ck_exceptions_kind"), "exceptions")
    words = ", ".join(f"'{kind}'" for kind in kinds)
    op.create_check_constraint(op.f("ck_exceptions_kind"), "exceptions", f"kind IN ({words})")


def upgrade() -> None:
    op.add_column("provider_orders", sa.Column("hinted_top_up_id", sa.Text))
    op.create_foreign_key(
        op.f("fk_provider_orders_hinted_top_up_id"), "provider_orders", "top_ups", ["hinted_top_up_id"], ["id"]
    )
    op.create_index(
        "ix_provider_orders_hinted",
        "provider_orders",
        ["hinted_top_up_id"],
        postgresql_where=sa.text("hinted_top_up_id IS NOT NULL"),
    )
    _kinds(*KINDS, "not_found")


def downgrade() -> None:
    op.execute("DELETE FROM exceptions WHERE kind = 'not_found'")
    _kinds(*KINDS)
    op.drop_index("ix_provider_orders_hinted", "provider_orders")
    op.drop_column("provider_orders", "hinted_top_up_id")
