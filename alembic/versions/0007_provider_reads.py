"""When open top-ups were last read from the provider, by currency."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "provider_reads",
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("fiat_type", sa.BigInteger, nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("environment", "fiat_type", name="pk_provider_reads"),
        sa.CheckConstraint(
            "environment IN ('simulator', 'sandbox', 'live')", name=op.f("ck_provider_reads_environment")
        ),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE ON provider_reads TO onramp_app")


def downgrade() -> None:
    op.drop_table("provider_reads")
