"""Count how often the provider answered that we read too often (429)."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

TABLE = "provider_busy"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("environment", sa.Text, primary_key=True),
        sa.Column("times", sa.BigInteger, nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "environment IN ('simulator', 'sandbox', 'live')", name=op.f(f"ck_{TABLE}_environment")
        ),
        sa.CheckConstraint("times >= 1", name=op.f(f"ck_{TABLE}_times")),
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON {TABLE} TO onramp_app")


def downgrade() -> None:
    op.drop_table(TABLE)
