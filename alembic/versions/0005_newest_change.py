"""An index for a person's newest change, which pages compare from time to time."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_top_ups_user_id_updated_at", "top_ups", ["user_id", "updated_at"])


def downgrade() -> None:
    op.drop_index("ix_top_ups_user_id_updated_at", "top_ups")
