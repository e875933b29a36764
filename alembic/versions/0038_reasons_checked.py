"""Validates the constraints that 0037 left unvalidated, in a separate transaction that blocks nobody."""

from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None
oldest_release = "0022"

UNCHECKED = (
    ("top_ups", "ck_top_ups_reason"),
    ("top_up_steps", "ck_top_up_steps_reason"),
    ("top_up_steps", "ck_top_up_steps_hold"),
)


def upgrade() -> None:
    for table, name in UNCHECKED:
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def downgrade() -> None:
    pass
