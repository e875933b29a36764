"""Store the parsed content of a webhook beside its bytes.

Existing rows keep nulls and are parsed when they are read: the content may be in the signed header or in the
body, either may not be JSON, and only the application knows the provider's formats.
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

TABLE = "webhook_events"


def upgrade() -> None:
    op.drop_column(TABLE, "error")
    for column in (
        sa.Column("kind", sa.Text),
        sa.Column("status_text", sa.Text),
        sa.Column("signed_at", sa.DateTime(timezone=True)),
        sa.Column("is_content_signed", sa.Boolean),
        sa.Column("fiat_type", sa.BigInteger),
        sa.Column("ordered_at", sa.DateTime(timezone=True)),
        sa.Column("recognition_id", sa.Text),
    ):
        op.add_column(TABLE, column)
    for name, condition in (
        ("kind", "kind IN ('onramp', 'offramp', 'kyc', 'unknown')"),
        ("status_text_length", "char_length(status_text) BETWEEN 1 AND 64"),
        ("recognition_id_length", "char_length(recognition_id) BETWEEN 1 AND 256"),
        ("translation_is_whole", "(kind IS NULL) = (is_content_signed IS NULL)"),
    ):
        op.create_check_constraint(op.f(f"ck_{TABLE}_{name}"), TABLE, condition)


def downgrade() -> None:
    for name in (
        "recognition_id",
        "ordered_at",
        "fiat_type",
        "is_content_signed",
        "signed_at",
        "status_text",
        "kind",
    ):
        op.drop_column(TABLE, name)
    op.add_column(TABLE, sa.Column("error", sa.Text))
    op.create_check_constraint(
        op.f(f"ck_{TABLE}_error_length"), TABLE, "char_length(error) BETWEEN 1 AND 500"
    )
