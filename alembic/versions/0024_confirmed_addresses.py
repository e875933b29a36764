"""When an account's address was confirmed, and the links that are mailed to account owners.

Only adds: the previous release treats accounts without a confirmed address like any other. Addresses have
always been stored in ASCII.
"""

import sqlalchemy as sa

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

PURPOSES = "'confirm_email', 'change_email', 'undo_email', 'reset_password', 'not_me'"


def upgrade() -> None:
    op.add_column("users", sa.Column("email_confirmed_at", sa.DateTime(timezone=True)))
    op.create_check_constraint(
        op.f("ck_users_email_ascii"), "users", "octet_length(email) = char_length(email)"
    )
    op.create_table(
        "account_links",
        sa.Column("secret_hash", sa.LargeBinary, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("secret_hash", name=op.f("pk_account_links")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_account_links_user_id"), ondelete="CASCADE"
        ),
        sa.CheckConstraint("octet_length(secret_hash) = 32", name=op.f("ck_account_links_secret_hash_length")),
        sa.CheckConstraint(f"purpose IN ({PURPOSES})", name=op.f("ck_account_links_purpose")),
        sa.CheckConstraint("char_length(email) BETWEEN 3 AND 254", name=op.f("ck_account_links_email_length")),
        sa.CheckConstraint("email = lower(email)", name=op.f("ck_account_links_email_lower_case")),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_account_links_expires_later")),
    )
    op.create_index(op.f("ix_account_links_user_id_purpose"), "account_links", ["user_id", "purpose"])
    op.create_index(
        "ix_account_links_kept_email",
        "account_links",
        ["email"],
        postgresql_where=sa.text("purpose = 'undo_email'"),
    )
    op.create_index(op.f("ix_account_links_expires_at"), "account_links", ["expires_at"])
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON account_links TO onramp_app")


def downgrade() -> None:
    op.drop_table("account_links")
    op.drop_constraint(op.f("ck_users_email_ascii"), "users")
    op.drop_column("users", "email_confirmed_at")
