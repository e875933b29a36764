"""Accounts, sessions, refresh tokens, and the role that the application works as."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.exc import ProgrammingError

from onramp_app.config import ConfigurationError

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = ("users", "auth_sessions", "refresh_tokens")

# Roles belong to the cluster: another database's migration may create the same one at this moment.
CREATE_ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'onramp_app') THEN
        CREATE ROLE onramp_app NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""

# Since PostgreSQL 16 the creator of a role administers it without being able to become it.
BECOME_ROLE = """
DO $$
DECLARE
    can_become boolean := pg_has_role(current_user, 'onramp_app',
        CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END);
BEGIN
    IF NOT can_become AND current_setting('server_version_num')::int >= 160000 THEN
        -- As text, because PostgreSQL 15 parses this branch too, although it never takes it.
        EXECUTE 'GRANT onramp_app TO CURRENT_USER WITH SET TRUE, INHERIT FALSE';
    ELSIF NOT can_become THEN
        GRANT onramp_app TO CURRENT_USER;
    END IF;
EXCEPTION WHEN unique_violation THEN NULL;
END $$
"""


def _make_role() -> None:
    user = op.get_bind().scalar(sa.text("SELECT current_user"))
    try:
        op.execute(CREATE_ROLE)
        op.execute(BECOME_ROLE)
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != "42501":  # insufficient_privilege
            raise
        raise ConfigurationError(
            f"The database user {user} may not create the role onramp_app: as an administrator run "
            f'CREATE ROLE onramp_app NOLOGIN; GRANT onramp_app TO "{user}"; and migrate again.'
        ) from None


def upgrade() -> None:
    _make_role()
    time = sa.DateTime(timezone=True)
    op.create_table(
        "users",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text, nullable=False),
        sa.Column("country", sa.Text),
        sa.Column("display_currency", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("kyc_status", sa.Text, nullable=False),
        sa.Column("kyc_tier", sa.Text, nullable=False),
        sa.Column("created_at", time, nullable=False),
        sa.Column("updated_at", time, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("email", name="uq_users_email"),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_users_email_lower_case")),
        sa.CheckConstraint("char_length(email) BETWEEN 3 AND 254", name=op.f("ck_users_email_length")),
        sa.CheckConstraint("char_length(display_name) BETWEEN 1 AND 80", name=op.f("ck_users_display_name_length")),
        sa.CheckConstraint("country ~ '^[A-Z]{2}$'", name=op.f("ck_users_country")),
        sa.CheckConstraint("display_currency ~ '^[A-Z]{3}$'", name=op.f("ck_users_display_currency")),
        sa.CheckConstraint("char_length(language) BETWEEN 2 AND 12", name=op.f("ck_users_language_length")),
        sa.CheckConstraint("char_length(password_hash) BETWEEN 1 AND 255", name=op.f("ck_users_password_hash_length")),
        sa.CheckConstraint("role IN ('user', 'operator', 'admin')", name=op.f("ck_users_role")),
        sa.CheckConstraint(
            "kyc_status IN ('none', 'started', 'in_review', 'approved', 'rejected', 'resubmit')",
            name=op.f("ck_users_kyc_status"),
        ),
        sa.CheckConstraint("kyc_tier IN ('none', 'basic', 'full')", name=op.f("ck_users_kyc_tier")),
    )
    op.create_table(
        "auth_sessions",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("created_at", time, nullable=False),
        sa.Column("last_seen_at", time, nullable=False),
        sa.Column("expires_at", time, nullable=False),
        sa.Column("revoked_at", time),
        sa.Column("end_reason", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_auth_sessions"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="fk_auth_sessions_user_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint("kind IN ('browser', 'program')", name=op.f("ck_auth_sessions_kind")),
        sa.CheckConstraint(
            "end_reason IN ('signed_out', 'ended_by_user', 'password_changed', 'refresh_token_reused', 'renewed')",
            name=op.f("ck_auth_sessions_end_reason"),
        ),
        sa.CheckConstraint(
            "(revoked_at IS NULL) = (end_reason IS NULL)", name=op.f("ck_auth_sessions_end_is_whole")
        ),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_auth_sessions_expires_later")),
        sa.CheckConstraint("char_length(device) BETWEEN 0 AND 200", name=op.f("ck_auth_sessions_device_length")),
        sa.CheckConstraint("char_length(address) BETWEEN 0 AND 45", name=op.f("ck_auth_sessions_address_length")),
    )
    op.create_index("ix_auth_sessions_user_id_id", "auth_sessions", ["user_id", "id"])
    op.create_table(
        "refresh_tokens",
        sa.Column("token_hash", sa.LargeBinary, nullable=False),
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("created_at", time, nullable=False),
        sa.Column("used_at", time),
        sa.Column("successor_salt", sa.LargeBinary),
        sa.PrimaryKeyConstraint("token_hash", name="pk_refresh_tokens"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["auth_sessions.id"], name="fk_refresh_tokens_session_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint("octet_length(token_hash) = 32", name=op.f("ck_refresh_tokens_token_hash_length")),
        sa.CheckConstraint("octet_length(successor_salt) = 32", name=op.f("ck_refresh_tokens_successor_salt_length")),
        sa.CheckConstraint("(used_at IS NULL) = (successor_salt IS NULL)", name=op.f("ck_refresh_tokens_use_is_whole")),
    )
    op.create_index("ix_refresh_tokens_session_id", "refresh_tokens", ["session_id"])
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(TABLES)} TO onramp_app")
    op.execute("GRANT SELECT ON alembic_version TO onramp_app")


def downgrade() -> None:
    # The role stays: it belongs to the cluster and other databases may use it.
    op.execute("REVOKE SELECT ON alembic_version FROM onramp_app")
    for table in reversed(TABLES):
        op.drop_table(table)
