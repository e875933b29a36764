"""Endpoints disabled by operators, and indexes for undelivered webhooks, however long the log is.

The tables are new in the same release, so their indexes are created while nobody writes there. The
constraints that 0033 left unvalidated on older tables are validated here, in a transaction that blocks
nobody.
"""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None
oldest_release = "0022"

UNCHECKED = (
    ("outbox_mails", "ck_outbox_mails_kind"),
    ("program_users", "fk_program_users_low_asset"),
    ("program_users", "ck_program_users_low_is_whole"),
    ("program_users", "ck_program_users_low_minor"),
)
WORDS = "'program', 'failing', 'gone'"
INDEXES = (
    (
        "ix_outgoing_deliveries_not_taken",
        ["endpoint_id", "made_at", "id"],
        "state = 'failed' OR (state = 'waiting' AND first_tried_at IS NOT NULL)",
    ),
    ("ix_outgoing_deliveries_taken", ["endpoint_id", "ended_at"], "state = 'delivered'"),
)


def _allow(words: str) -> None:
    name = op.f("ck_webhook_endpoints_disabled_because")
    op.drop_constraint(name, "webhook_endpoints")
    op.create_check_constraint(name, "webhook_endpoints", f"disabled_because IN ({words})")


def upgrade() -> None:
    for table, name in UNCHECKED:
        op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")
    for name, columns, condition in INDEXES:
        op.create_index(name, "outgoing_deliveries", columns, postgresql_where=sa.text(condition))
    _allow(f"{WORDS}, 'operator'")


def downgrade() -> None:
    op.execute(
        "UPDATE webhook_endpoints SET disabled_because = 'program' WHERE disabled_because = 'operator'"
    )
    _allow(WORDS)
    for name, *_ in INDEXES:
        op.drop_index(name, "outgoing_deliveries")
