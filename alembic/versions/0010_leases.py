"""Leases, such as that of the process that reads the provider; and when each list was last walked."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "leases",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("worked_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.create_table(
        "history_walks",
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("flow", sa.Text, nullable=False),
        sa.Column("fiat_type", sa.BigInteger, nullable=False),
        sa.Column("walked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("environment", "flow", "fiat_type", name="pk_history_walks"),
        sa.CheckConstraint(
            "environment IN ('simulator', 'sandbox', 'live')", name=op.f("ck_history_walks_environment")
        ),
        sa.CheckConstraint("flow IN ('buy', 'sell', 'swap')", name=op.f("ck_history_walks_flow")),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON leases, history_walks TO onramp_app")


def downgrade() -> None:
    op.drop_table("history_walks")
    op.drop_table("leases")
