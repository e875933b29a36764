"""Traces: a webhook's trace is passed from the inbox to the order that it names, with its time of receipt.

Only adds nullable columns, so the previous release keeps working with its own columns.
"""

import sqlalchemy as sa

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

FORM = "trace ~ '^00-[0-9a-f]{32}-[0-9a-f]{16}-01$'"


def upgrade() -> None:
    op.add_column("webhook_events", sa.Column("trace", sa.Text))
    op.add_column("provider_orders", sa.Column("trace", sa.Text))
    op.add_column("provider_orders", sa.Column("hinted_at", sa.DateTime(timezone=True)))
    for table in ("webhook_events", "provider_orders"):
        op.create_check_constraint(op.f(f"ck_{table}_trace"), table, FORM)


def downgrade() -> None:
    for table in ("webhook_events", "provider_orders"):
        op.drop_constraint(op.f(f"ck_{table}_trace"), table)
        op.drop_column(table, "trace")
    op.drop_column("provider_orders", "hinted_at")
