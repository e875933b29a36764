"""Second factors: authenticator apps, passkeys, recovery codes, and when a session last re-authenticated.

Only adds: the previous release opens sessions without `proved_at`, which defaults to the time of the insert.
"""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None
# The two lists of allowed words keep all their old words.
oldest_release = "0022"

REASONS = (
    "'signed_out', 'ended_by_user', 'password_changed', 'refresh_token_reused', 'renewed', 'role_changed'"
)
KINDS = (
    "'confirm_email', 'confirm_new_email', 'email_changed', 'email_change_undone', 'reset_password',"
    " 'password_changed', 'new_device', 'refresh_token_reused', 'top_up_settled', 'top_up_in_review',"
    " 'top_up_released', 'top_up_failed', 'top_up_reversed'"
)


def _owned(table: str, *columns: sa.schema.SchemaItem, checks: dict[str, str]) -> None:
    op.create_table(
        table,
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f(f"fk_{table}_user_id"), ondelete="CASCADE"
        ),
        *[sa.CheckConstraint(rule, name=op.f(f"ck_{table}_{name}")) for name, rule in checks.items()],
    )


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    _owned(
        "authenticators",
        sa.Column("sealed_secret", sa.LargeBinary, nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("confirmed_at", moment),
        sa.Column("last_counter", sa.BigInteger, nullable=False),
        sa.Column("last_used_at", moment),
        checks={
            "sealed_secret_octets": "octet_length(sealed_secret) BETWEEN 29 AND 128",
            "last_counter": "last_counter >= 0",
            "used_once_confirmed": "confirmed_at IS NOT NULL OR last_used_at IS NULL",
        },
    )
    for name, rule in (("confirmed", "IS NOT NULL"), ("begun", "IS NULL")):
        op.create_index(
            f"uq_authenticators_{name}",
            "authenticators",
            ["user_id"],
            unique=True,
            postgresql_where=sa.text(f"confirmed_at {rule}"),
        )
    _owned(
        "passkeys",
        sa.Column("credential_id", sa.LargeBinary, nullable=False),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("is_backed_up", sa.Boolean, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("last_used_at", moment),
        checks={
            "credential_id_octets": "octet_length(credential_id) BETWEEN 1 AND 1023",
            "public_key_octets": "octet_length(public_key) BETWEEN 1 AND 2048",
            "name_length": "char_length(name) BETWEEN 1 AND 64",
            "sign_count": "sign_count >= 0",
        },
    )
    op.create_unique_constraint(op.f("uq_passkeys_credential_id"), "passkeys", ["credential_id"])
    op.create_index(op.f("ix_passkeys_user_id"), "passkeys", ["user_id"])
    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("code_hash", sa.LargeBinary, nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("used_at", moment),
        sa.PrimaryKeyConstraint("user_id", "code_hash", name=op.f("pk_recovery_codes")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_recovery_codes_user_id"), ondelete="CASCADE"
        ),
        sa.CheckConstraint("octet_length(code_hash) BETWEEN 32 AND 32", name=op.f("ck_recovery_codes_code_hash_octets")),
    )
    op.create_table(
        "spent_challenges",
        sa.Column("challenge_hash", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("challenge_hash", name=op.f("pk_spent_challenges")),
        sa.CheckConstraint(
            "octet_length(challenge_hash) BETWEEN 32 AND 32", name=op.f("ck_spent_challenges_challenge_hash_octets")
        ),
    )
    _owned(
        "factor_resets",
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("asked_at", moment, nullable=False),
        sa.Column("due_at", moment, nullable=False),
        sa.Column("ended_at", moment),
        sa.Column("is_done", sa.Boolean),
        sa.ForeignKeyConstraint(["asked_by"], ["users.id"], name=op.f("fk_factor_resets_asked_by")),
        checks={
            "not_ones_own": "asked_by <> user_id",
            "due_later": "due_at > asked_at",
            "end_is_whole": "(ended_at IS NULL) = (is_done IS NULL)",
        },
    )
    op.create_index(
        "uq_factor_resets_open",
        "factor_resets",
        ["user_id"],
        unique=True,
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(op.f("ix_spent_challenges_expires_at"), "spent_challenges", ["expires_at"])
    tables = "authenticators, passkeys, recovery_codes, spent_challenges, factor_resets"
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO onramp_app")
    op.add_column(
        "auth_sessions", sa.Column("proved_at", moment, nullable=False, server_default=sa.text("now()"))
    )
    # The upgrade itself proves nobody's identity, so existing sessions count from their creation.
    op.execute("UPDATE auth_sessions SET proved_at = created_at")
    op.drop_constraint(op.f("ck_auth_sessions_end_reason"), "auth_sessions")
    op.create_check_constraint(
        op.f("ck_auth_sessions_end_reason"), "auth_sessions", f"end_reason IN ({REASONS}, 'factors_changed')"
    )
    op.drop_constraint(op.f("ck_outbox_mails_kind"), "outbox_mails")
    op.create_check_constraint(
        op.f("ck_outbox_mails_kind"),
        "outbox_mails",
        f"kind IN ({KINDS}, 'factors_changed', 'factors_reset_asked')",
    )


def downgrade() -> None:
    op.execute("DELETE FROM outbox_mails WHERE kind IN ('factors_changed', 'factors_reset_asked')")
    op.drop_constraint(op.f("ck_outbox_mails_kind"), "outbox_mails")
    op.create_check_constraint(op.f("ck_outbox_mails_kind"), "outbox_mails", f"kind IN ({KINDS})")
    op.execute("UPDATE auth_sessions SET end_reason = 'ended_by_user' WHERE end_reason = 'factors_changed'")
    op.drop_constraint(op.f("ck_auth_sessions_end_reason"), "auth_sessions")
    op.create_check_constraint(
        op.f("ck_auth_sessions_end_reason"), "auth_sessions", f"end_reason IN ({REASONS})"
    )
    op.drop_column("auth_sessions", "proved_at")
    for table in ("factor_resets", "spent_challenges", "recovery_codes", "passkeys", "authenticators"):
        op.drop_table(table)
