"""The mail to somebody whose password was right and whose code was wrong, on a device that is not known.

Only adds a word to a list. It holds for new rows from here on; 0040 checks the others, which takes no lock that
keeps anybody out.
"""

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None
# What the list held, it goes on holding.
oldest_release = "0022"

KINDS = (
    "'confirm_email', 'confirm_new_email', 'email_changed', 'email_change_undone', 'reset_password',"
    " 'password_changed', 'new_device', 'refresh_token_reused', 'top_up_settled', 'top_up_in_review',"
    " 'top_up_released', 'top_up_failed', 'top_up_reversed', 'factors_changed', 'factors_reset_asked',"
    " 'account_closed', 'claim_account', 'endpoint_disabled'"
)


def _allow(kinds: str) -> None:
    name = op.f("ck_outbox_mails_kind")
    op.drop_constraint(name, "outbox_mails")
    op.create_check_constraint(name, "outbox_mails", f"kind IN ({kinds})", postgresql_not_valid=True)


def upgrade() -> None:
    _allow(f"{KINDS}, 'factor_refused'")


def downgrade() -> None:
    op.execute("DELETE FROM outbox_mails WHERE kind = 'factor_refused'")
    _allow(KINDS)
