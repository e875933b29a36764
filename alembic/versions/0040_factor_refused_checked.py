"""Validates the constraint that 0039 left unvalidated, in a separate transaction that blocks nobody."""

from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None
oldest_release = "0022"


def upgrade() -> None:
    op.execute("ALTER TABLE outbox_mails VALIDATE CONSTRAINT ck_outbox_mails_kind")


def downgrade() -> None:
    pass
