"""An index for the latest settled top-ups of a payment method."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_top_ups_settled_by_method",
        "top_ups",
        ["environment", "payment_method", "settled_at"],
        postgresql_where=sa.text("status = 'settled'"),
    )


def downgrade() -> None:
    op.drop_index("ix_top_ups_settled_by_method", table_name="top_ups")
