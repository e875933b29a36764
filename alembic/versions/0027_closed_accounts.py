"""Accounts that their owners have closed, and the mail that says so.

Only adds: the previous release cannot close an account, and lets nobody sign in to a closed one, because
nobody knows its password.
"""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None
# The list of allowed kinds keeps all its old words.
oldest_release = "0022"

KINDS = (
    "'confirm_email', 'confirm_new_email', 'email_changed', 'email_change_undone', 'reset_password',"
    " 'password_changed', 'new_device', 'refresh_token_reused', 'top_up_settled', 'top_up_in_review',"
    " 'top_up_released', 'top_up_failed', 'top_up_reversed', 'factors_changed', 'factors_reset_asked'"
)


def upgrade() -> None:
    op.add_column("users", sa.Column("closed_at", sa.DateTime(timezone=True)))
    op.create_check_constraint(
        op.f("ck_users_closed_names_nobody"),
        "users",
        "closed_at IS NULL OR (email = 'closed-' || id || '@account.invalid' AND country IS NULL AND role = 'user')",
    )
    op.drop_constraint(op.f("ck_outbox_mails_kind"), "outbox_mails")
    op.create_check_constraint(
        op.f("ck_outbox_mails_kind"), "outbox_mails", f"kind IN ({KINDS}, 'account_closed')"
    )


def downgrade() -> None:
    op.execute("DELETE FROM outbox_mails WHERE kind = 'account_closed'")
    op.drop_constraint(op.f("ck_outbox_mails_kind"), "outbox_mails")
    op.create_check_constraint(op.f("ck_outbox_mails_kind"), "outbox_mails", f"kind IN ({KINDS})")
    op.drop_constraint(op.f("ck_users_closed_names_nobody"), "users")
    op.drop_column("users", "closed_at")
