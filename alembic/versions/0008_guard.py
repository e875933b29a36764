"""Sessions end when a role changes; an index for a person's ended sessions; only named roles may connect."""

from alembic import op

from onramp_app.db.rights import ADMIT_ONLY_OURS

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

REASONS = ("signed_out", "ended_by_user", "password_changed", "refresh_token_reused", "renewed")

ADMIT_ALL = """
DO $$
BEGIN
    IF pg_has_role(current_user, (SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE')
    THEN
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO PUBLIC', current_database());
        EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM onramp_app', current_database());
    END IF;
END $$
"""


def _end_reasons(*reasons: str) -> None:
    op.drop_constraint(op.f("ck_auth_sessions_end_reason"), "auth_sessions")
    words = ", ".join(f"'{reason}'" for reason in reasons)
    op.create_check_constraint(op.f("ck_auth_sessions_end_reason"), "auth_sessions", f"end_reason IN ({words})")


def upgrade() -> None:
    _end_reasons(*REASONS, "role_changed")
    op.create_index(
        op.f("ix_auth_sessions_user_id_revoked_at"), "auth_sessions", ["user_id", "revoked_at"]
    )
    op.execute("GRANT DELETE ON webhook_refusals TO onramp_app")
    op.execute(ADMIT_ONLY_OURS)


def downgrade() -> None:
    op.execute(ADMIT_ALL)
    op.execute("REVOKE DELETE ON webhook_refusals FROM onramp_app")
    op.drop_index(op.f("ix_auth_sessions_user_id_revoked_at"), "auth_sessions")
    op.execute("UPDATE auth_sessions SET end_reason = 'renewed' WHERE end_reason = 'role_changed'")
    _end_reasons(*REASONS)
