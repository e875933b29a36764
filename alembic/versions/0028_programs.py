"""Programs of the operator, their API keys, and the people that they know.

Only adds: the previous release knows none of these tables.
"""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

SCOPES = "'users', 'balances', 'debits', 'links', 'webhooks'"
TABLES = ("programs", "api_keys", "program_users")


def _moment(name: str, *, nullable: bool = False) -> sa.Column:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    op.create_table(
        "programs",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_programs")),
        sa.UniqueConstraint("name", name=op.f("uq_programs_name")),
        sa.CheckConstraint("char_length(name) BETWEEN 1 AND 64", name=op.f("ck_programs_name_length")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("program_id", sa.Text, nullable=False),
        sa.Column("secret_hash", sa.LargeBinary, nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("networks", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("requests_per_minute", sa.Integer, nullable=False),
        _moment("made_at"),
        _moment("ends_at", nullable=True),
        _moment("last_used_at", nullable=True),
        sa.Column("last_used_from", sa.Text),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_api_keys_program_id")),
        *[
            sa.CheckConstraint(rule, name=op.f(f"ck_api_keys_{name}"))
            for name, rule in (
                ("secret_hash_octets", "octet_length(secret_hash) BETWEEN 32 AND 32"),
                ("scopes", f"scopes <@ ARRAY[{SCOPES}]::text[] AND cardinality(scopes) >= 1"),
                ("networks", "cardinality(networks) <= 32"),
                ("requests_per_minute", "requests_per_minute BETWEEN 1 AND 6000"),
                ("last_used_from_length", "char_length(last_used_from) BETWEEN 0 AND 45"),
                ("use_is_whole", "(last_used_at IS NULL) = (last_used_from IS NULL)"),
            )
        ],
    )
    op.create_index(op.f("ix_api_keys_program_id_made_at"), "api_keys", ["program_id", "made_at"])
    op.create_table(
        "program_users",
        sa.Column("program_id", sa.Text, nullable=False),
        sa.Column("external_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        _moment("created_at"),
        sa.PrimaryKeyConstraint("program_id", "external_id", name=op.f("pk_program_users")),
        sa.UniqueConstraint("program_id", "user_id", name=op.f("uq_program_users_program_id_user_id")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_program_users_program_id")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_program_users_user_id"), ondelete="CASCADE"
        ),
        sa.CheckConstraint("external_id ~ '^[!-~]{1,128}$'", name=op.f("ck_program_users_external_id")),
    )
    op.create_index(op.f("ix_program_users_user_id"), "program_users", ["user_id"])
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(TABLES)} TO onramp_app")


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
