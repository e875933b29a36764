"""Verification: its append-only history, and the ids under which the provider knows people.

The bytes of webhooks about people that older versions stored are erased: they may hold data from documents.
"""

import sqlalchemy as sa

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

WORD = "'^[A-Z]{1,20}(_[A-Z]{1,20}){0,4}$'"
STATUSES = "'none', 'started', 'in_review', 'approved', 'rejected', 'resubmit'"
TIERS = "'none', 'basic', 'full'"
# The row number keeps each header different, as the unique constraint on both hashes requires.
FORGET_PEOPLE = """
UPDATE webhook_events
   SET header = convert_to(replace(encode(convert_to('{"kept": {}, "row": ' || id || '}', 'UTF8'), 'base64'), E'\\n', ''), 'UTF8'),
       body = convert_to('{"kept": {}}', 'UTF8')
 WHERE kind = 'kyc'
"""


def upgrade() -> None:
    op.create_table(
        "verification_steps",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("from_status", sa.Text, nullable=False),
        sa.Column("to_status", sa.Text, nullable=False),
        sa.Column("from_tier", sa.Text, nullable=False),
        sa.Column("to_tier", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("word", sa.Text),
        sa.Column("actor", sa.Text),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verification_steps")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_verification_steps_user_id")),
        sa.ForeignKeyConstraint(["actor"], ["users.id"], name=op.f("fk_verification_steps_actor")),
        *[
            sa.CheckConstraint(rule, name=op.f(f"ck_verification_steps_{name}"))
            for name, rule in (
                ("statuses", f"from_status IN ({STATUSES}) AND to_status IN ({STATUSES})"),
                ("tiers", f"from_tier IN ({TIERS}) AND to_tier IN ({TIERS})"),
                ("approval_has_tier", "to_status <> 'approved' OR to_tier <> 'none'"),
                ("no_tier_without", "to_status NOT IN ('none', 'rejected') OR to_tier = 'none'"),
                ("source", "source IN ('provider', 'operator', 'user')"),
                ("word_of_provider", "(source = 'provider') = (word IS NOT NULL)"),
                ("word", f"word ~ {WORD}"),
                ("actor_of_people", "(source = 'provider') = (actor IS NULL)"),
                ("reason_of_operator", "(source = 'operator') = (reason IS NOT NULL)"),
                (
                    "nobody_approves_themselves",
                    "source <> 'user' OR (to_tier = from_tier"
                    " AND (to_status = from_status OR to_status IN ('started', 'in_review')))",
                ),
                ("reason_length", "char_length(reason) BETWEEN 1 AND 500"),
            )
        ],
    )
    op.create_index(op.f("ix_verification_steps_user_id_id"), "verification_steps", ["user_id", "id"])
    op.create_table(
        "verification_customers",
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("client_customer_id", sa.Text, nullable=False),
        sa.Column("customer_id", sa.Text),
        sa.Column("is_proven", sa.Boolean, nullable=False),
        sa.Column("last_word", sa.Text),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("awake_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True)),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("read_failures", sa.Integer, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_verification_customers")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_verification_customers_user_id")),
        sa.UniqueConstraint(
            "client_customer_id", name=op.f("uq_verification_customers_client_customer_id")
        ),
        *[
            sa.CheckConstraint(rule, name=op.f(f"ck_verification_customers_{name}"))
            for name, rule in (
                ("environment", "environment IN ('simulator', 'sandbox', 'live')"),
                ("client_customer_id", "client_customer_id ~ '^[0-9a-f]{32}$'"),
                ("customer_id", "customer_id ~ '^[!-~]{1,64}$'"),
                ("proof_names_customer", "NOT is_proven OR customer_id IS NOT NULL"),
                ("asked_about_proven_ones", "due_at IS NULL OR is_proven"),
                ("last_word", f"last_word ~ {WORD}"),
            )
        ],
    )
    op.create_index(
        "uq_verification_customers_proven",
        "verification_customers",
        ["environment", "customer_id"],
        unique=True,
        postgresql_where=sa.text("is_proven"),
    )
    op.create_index(
        "ix_verification_customers_due",
        "verification_customers",
        ["due_at"],
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON verification_steps"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute("GRANT SELECT, INSERT ON verification_steps TO onramp_app")
    op.execute("GRANT SELECT, INSERT, UPDATE ON verification_customers TO onramp_app")
    op.execute(FORGET_PEOPLE)


def downgrade() -> None:
    op.drop_table("verification_customers")
    op.drop_table("verification_steps")
