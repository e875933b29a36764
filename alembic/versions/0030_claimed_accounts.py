"""Accounts that programs open, and the mail with which their owners claim them.

Only adds words to two lists: the previous release opens no such accounts, and finds no such links.
"""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None
# The two lists of allowed words keep all their old words.
oldest_release = "0022"

KINDS = (
    "'confirm_email', 'confirm_new_email', 'email_changed', 'email_change_undone', 'reset_password',"
    " 'password_changed', 'new_device', 'refresh_token_reused', 'top_up_settled', 'top_up_in_review',"
    " 'top_up_released', 'top_up_failed', 'top_up_reversed', 'factors_changed', 'factors_reset_asked',"
    " 'account_closed'"
)
PURPOSES = "'confirm_email', 'change_email', 'undo_email', 'reset_password', 'not_me'"


def _allow(table: str, column: str, words: str) -> None:
    name = op.f(f"ck_{table}_{column}")
    op.drop_constraint(name, table)
    op.create_check_constraint(name, table, f"{column} IN ({words})")


def upgrade() -> None:
    _allow("outbox_mails", "kind", f"{KINDS}, 'claim_account'")
    _allow("account_links", "purpose", f"{PURPOSES}, 'claim_account'")


def downgrade() -> None:
    op.execute("DELETE FROM outbox_mails WHERE kind = 'claim_account'")
    op.execute("DELETE FROM account_links WHERE purpose = 'claim_account'")
    _allow("outbox_mails", "kind", KINDS)
    _allow("account_links", "purpose", PURPOSES)
