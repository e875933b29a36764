"""Allow e-wallets and unknown kinds of payment."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

NAME = "ck_provider_orders_payment_kind"


def upgrade() -> None:
    op.drop_constraint(op.f(NAME), "provider_orders")
    op.create_check_constraint(op.f(NAME), "provider_orders", "payment_kind IN (0, 1, 2, 3)")


def downgrade() -> None:
    op.execute("UPDATE provider_orders SET payment_kind = NULL WHERE payment_kind IN (0, 3)")
    op.drop_constraint(op.f(NAME), "provider_orders")
    op.create_check_constraint(op.f(NAME), "provider_orders", "payment_kind IN (1, 2)")
