"""Requests for a link to set a password. Only adds: the previous release neither writes nor reads them."""

import sqlalchemy as sa

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reset_requests",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reset_requests")),
        sa.CheckConstraint("char_length(email) BETWEEN 3 AND 254", name=op.f("ck_reset_requests_email_length")),
        sa.CheckConstraint("char_length(address) BETWEEN 0 AND 45", name=op.f("ck_reset_requests_address_length")),
        sa.CheckConstraint("char_length(device) BETWEEN 0 AND 200", name=op.f("ck_reset_requests_device_length")),
    )
    op.create_index(op.f("ix_reset_requests_asked_at"), "reset_requests", ["asked_at"])
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON reset_requests TO onramp_app")


def downgrade() -> None:
    op.drop_table("reset_requests")
