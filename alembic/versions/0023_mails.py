"""Mails: the outbox, and which notices people have muted.

Only adds: the previous release writes accounts without the new columns, and sends nothing.
"""

import sqlalchemy as sa

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

KINDS = (
    "'confirm_email', 'confirm_new_email', 'email_changed', 'email_change_undone', 'reset_password',"
    " 'password_changed', 'new_device', 'refresh_token_reused', 'top_up_settled', 'top_up_in_review',"
    " 'top_up_released', 'top_up_failed', 'top_up_reversed'"
)
MUTED = "'money_added', 'reviews', 'failed_payments'"


def _moment(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "outbox_mails",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("event_key", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("link_id", sa.Text),
        sa.Column("link_hash", sa.LargeBinary),
        _moment("created_at"),
        _moment("useless_after"),
        _moment("due_at"),
        sa.Column("attempts", sa.Integer, server_default="0", nullable=False),
        _moment("sent_at", nullable=True),
        _moment("given_up_at", nullable=True),
        sa.Column("problem", sa.Text),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox_mails")),
        sa.UniqueConstraint("event_key", name=op.f("uq_outbox_mails_event_key")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_outbox_mails_user_id"), ondelete="CASCADE"
        ),
        *[
            sa.CheckConstraint(rule, name=op.f(f"ck_outbox_mails_{name}"))
            for name, rule in (
                ("event_key_length", "char_length(event_key) BETWEEN 1 AND 200"),
                ("kind", f"kind IN ({KINDS})"),
                ("recipient_length", "char_length(recipient) BETWEEN 3 AND 254"),
                ("recipient_ascii", "octet_length(recipient) = char_length(recipient)"),
                ("language_length", "char_length(language) BETWEEN 2 AND 12"),
                ("details", "json_typeof(details::json) = 'object' AND char_length(details) <= 4000"),
                ("link_is_whole", "(link_id IS NULL) = (link_hash IS NULL)"),
                ("link_hash_length", "octet_length(link_hash) = 32"),
                ("attempts", "attempts >= 0"),
                ("one_end", "sent_at IS NULL OR given_up_at IS NULL"),
                ("problem_length", "char_length(problem) BETWEEN 1 AND 200"),
            )
        ],
    )
    op.create_index(
        "ix_outbox_mails_waiting",
        "outbox_mails",
        ["due_at"],
        postgresql_where=sa.text("sent_at IS NULL AND given_up_at IS NULL"),
    )
    op.create_index(
        op.f("ix_outbox_mails_user_id_kind_created_at"), "outbox_mails", ["user_id", "kind", "created_at"]
    )
    op.create_index(op.f("ix_outbox_mails_created_at"), "outbox_mails", ["created_at"])
    op.add_column("users", sa.Column("muted_mails", sa.ARRAY(sa.Text), server_default="{}", nullable=False))
    op.create_check_constraint(
        op.f("ck_users_muted_mails"), "users", f"muted_mails <@ ARRAY[{MUTED}]::text[]"
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON outbox_mails TO onramp_app")


def downgrade() -> None:
    op.drop_constraint(op.f("ck_users_muted_mails"), "users")
    op.drop_column("users", "muted_mails")
    op.drop_table("outbox_mails")
