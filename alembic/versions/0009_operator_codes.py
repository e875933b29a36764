"""One-time codes of operators, and deeds that wait for a second operator."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "operator_codes",
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("code_hash", sa.LargeBinary, nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("guesses_left", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_operator_codes")),
        sa.ForeignKeyConstraint(
            ["session_id"], ["auth_sessions.id"], ondelete="CASCADE", name=op.f("fk_operator_codes_session_id")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], ondelete="CASCADE", name=op.f("fk_operator_codes_user_id")
        ),
        sa.CheckConstraint(
            "octet_length(code_hash) BETWEEN 32 AND 32", name=op.f("ck_operator_codes_code_hash_octets")
        ),
        sa.CheckConstraint("expires_at > made_at", name=op.f("ck_operator_codes_expires_later")),
        sa.CheckConstraint("guesses_left BETWEEN 0 AND 5", name=op.f("ck_operator_codes_guesses_left")),
    )
    op.create_index(op.f("ix_operator_codes_user_id"), "operator_codes", ["user_id"])
    op.create_table(
        "proposals",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("deed_hash", sa.LargeBinary, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("proposed_by", sa.Text, nullable=False),
        sa.Column("proposed_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("confirmed_by", sa.Text),
        sa.Column("confirmed_at", moment),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proposals")),
        sa.ForeignKeyConstraint(["proposed_by"], ["users.id"], name=op.f("fk_proposals_proposed_by")),
        sa.ForeignKeyConstraint(["confirmed_by"], ["users.id"], name=op.f("fk_proposals_confirmed_by")),
        sa.CheckConstraint("char_length(action) BETWEEN 1 AND 64", name=op.f("ck_proposals_action_length")),
        sa.CheckConstraint("char_length(subject) BETWEEN 1 AND 200", name=op.f("ck_proposals_subject_length")),
        sa.CheckConstraint("char_length(reason) BETWEEN 1 AND 500", name=op.f("ck_proposals_reason_length")),
        sa.CheckConstraint(
            "octet_length(deed_hash) BETWEEN 32 AND 32", name=op.f("ck_proposals_deed_hash_octets")
        ),
        sa.CheckConstraint("expires_at > proposed_at", name=op.f("ck_proposals_expires_later")),
        sa.CheckConstraint(
            "(confirmed_at IS NULL) = (confirmed_by IS NULL)", name=op.f("ck_proposals_confirmation_is_whole")
        ),
        sa.CheckConstraint("confirmed_by <> proposed_by", name=op.f("ck_proposals_four_eyes")),
    )
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON operator_codes TO onramp_app")
    op.execute("GRANT SELECT, INSERT, UPDATE (confirmed_by, confirmed_at) ON proposals TO onramp_app")


def downgrade() -> None:
    op.drop_table("proposals")
    op.drop_table("operator_codes")
