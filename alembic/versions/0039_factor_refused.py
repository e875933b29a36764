"""The mail about a sign-in with the right password and a wrong code, on an unknown device.

Only adds a word to a list. The constraint applies only to new rows at first; 0040 validates the others,
without a lock that blocks anybody.
"""

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None
# The list of allowed kinds keeps all its old words.
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
