"""Endpoints that a program has removed, kept until the log of their deliveries is deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None
# The previous release still shows them, but sends nothing to them, since they are disabled.
oldest_release = "0022"


def upgrade() -> None:
    op.add_column("webhook_endpoints", sa.Column("removed_at", sa.DateTime(timezone=True)))
    op.create_check_constraint(
        op.f("ck_webhook_endpoints_removed_is_disabled"),
        "webhook_endpoints",
        "removed_at IS NULL OR disabled_at IS NOT NULL",
    )


def downgrade() -> None:
    op.execute("DELETE FROM webhook_endpoints WHERE removed_at IS NOT NULL")
    op.drop_column("webhook_endpoints", "removed_at")
