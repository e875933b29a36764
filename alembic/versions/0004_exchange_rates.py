"""The latest price of each currency and asset."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exchange_rates",
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("per_stable", sa.Numeric, nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("environment", "symbol", name="pk_exchange_rates"),
        sa.CheckConstraint(
            "environment IN ('simulator', 'sandbox', 'live')", name=op.f("ck_exchange_rates_environment")
        ),
        sa.CheckConstraint("symbol ~ '^[A-Z0-9]{2,10}$'", name=op.f("ck_exchange_rates_symbol")),
        sa.CheckConstraint(
            "per_stable > 0 AND per_stable < 'Infinity'::numeric", name=op.f("ck_exchange_rates_per_stable")
        ),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON exchange_rates TO onramp_app")


def downgrade() -> None:
    op.drop_table("exchange_rates")
