"""Accounts, sessions, refresh tokens, and the role that the application works as."""

import sqlalchemy as sa
from alembic import op

from onramp_app.db.rights import make_role

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = ("users", "auth_sessions", "refresh_tokens")


def upgrade() -> None:
    make_role(op.get_bind())
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
    # The role stays: it belongs to the cluster, and other databases may use it.
    op.execute("REVOKE SELECT ON alembic_version FROM onramp_app")
    for table in reversed(TABLES):
        op.drop_table(table)
