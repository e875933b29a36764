"""Indexes for finding transactions by reference, amounts and payment method.

Only adds: the previous release writes no `paid_amount`, so a payment of a different amount that it applies is
not found by that amount until this release reads the order again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None
oldest_release = "0022"

LISTED = (
    "kind IN ('debit', 'make_good', 'recover', 'return', 'reverse', 'undo_reverse', 'write_off')"
)
BY_REFERENCE = sa.text("right(id, 8)")


def upgrade() -> None:
    op.add_column("top_ups", sa.Column("paid_amount", sa.Numeric))
    op.execute(
        "UPDATE top_ups t SET paid_amount = o.fiat_amount FROM provider_orders o"
        " WHERE o.id = t.best_order_id AND t.charged = 'yes' AND o.fiat_amount <> t.fiat_amount"
    )
    op.create_check_constraint(
        op.f("ck_top_ups_paid_amount"),
        "top_ups",
        "paid_amount >= 0 AND paid_amount < 'Infinity'::numeric",
    )
    op.execute("GRANT UPDATE (paid_amount) ON top_ups TO onramp_app")
    op.create_index("ix_top_ups_reference", "top_ups", ["user_id", BY_REFERENCE])
    op.create_index(
        op.f("ix_top_ups_user_id_fiat_amount_created_at_id"),
        "top_ups",
        ["user_id", "fiat_amount", "created_at", "id"],
    )
    op.create_index(
        op.f("ix_top_ups_user_id_payment_method_created_at_id"),
        "top_ups",
        ["user_id", "payment_method", "created_at", "id"],
    )
    op.create_index(
        "ix_top_ups_received",
        "top_ups",
        ["user_id", "received_minor", "created_at", "id"],
        postgresql_where=sa.text("received_minor IS NOT NULL"),
    )
    op.create_index(
        "ix_top_ups_paid_otherwise",
        "top_ups",
        ["user_id", "paid_amount", "created_at", "id"],
        postgresql_where=sa.text("paid_amount IS NOT NULL"),
    )
    op.create_index(
        "ix_ledger_transfers_reference",
        "ledger_transfers",
        ["user_id", BY_REFERENCE],
        postgresql_where=sa.text(LISTED),
    )


def downgrade() -> None:
    op.drop_index("ix_ledger_transfers_reference", "ledger_transfers")
    op.drop_index("ix_top_ups_paid_otherwise", "top_ups")
    op.drop_index("ix_top_ups_received", "top_ups")
    op.drop_index(op.f("ix_top_ups_user_id_payment_method_created_at_id"), "top_ups")
    op.drop_index(op.f("ix_top_ups_user_id_fiat_amount_created_at_id"), "top_ups")
    op.drop_index("ix_top_ups_reference", "top_ups")
    op.drop_column("top_ups", "paid_amount")
