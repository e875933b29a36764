"""Add-money links, and the narrow sessions of the browsers that opened them.

The previous release knows neither and is not affected: the new column of top-ups is nullable.
"""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None
oldest_release = "0022"


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.create_table(
        "add_money_links",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("program_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("reference", sa.Text),
        sa.Column("input_hash", sa.LargeBinary, nullable=False),
        sa.Column("token_hash", sa.LargeBinary, nullable=False),
        sa.Column("fiat_currency", sa.Text),
        sa.Column("fiat_amount", sa.Numeric),
        sa.Column("asset", sa.Text),
        sa.Column("return_url", sa.Text),
        sa.Column("created_at", time, nullable=False),
        sa.Column("expires_at", time, nullable=False),
        sa.Column("revoked_at", time),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_add_money_links")),
        sa.UniqueConstraint(
            "environment",
            "program_id",
            "reference",
            name=op.f("uq_add_money_links_environment_program_id_reference"),
        ),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_add_money_links_program_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_add_money_links_user_id")),
        sa.ForeignKeyConstraint(["asset"], ["assets.code"], name=op.f("fk_add_money_links_asset")),
        *(
            sa.CheckConstraint(condition, name=op.f(f"ck_add_money_links_{name}"))
            for name, condition in {
                "environment": "environment IN ('simulator', 'sandbox', 'live')",
                "reference": "reference ~ '^[!-9;-~]{1,64}$'",
                "input_hash_octets": "octet_length(input_hash) BETWEEN 32 AND 32",
                "token_hash_octets": "octet_length(token_hash) BETWEEN 32 AND 32",
                "fiat_currency": "fiat_currency ~ '^[A-Z]{3}$'",
                "fiat_amount": "fiat_amount >= 0 AND fiat_amount < 'Infinity'::numeric",
                "amount_has_currency": "fiat_amount IS NULL OR fiat_currency IS NOT NULL",
                "return_url_length": "char_length(return_url) BETWEEN 1 AND 1000",
                "expires_later": "expires_at > created_at",
            }.items()
        ),
    )
    op.create_index(
        op.f("ix_add_money_links_user_id_created_at_id"), "add_money_links", ["user_id", "created_at", "id"]
    )
    op.create_index(op.f("ix_add_money_links_expires_at"), "add_money_links", ["expires_at"])
    op.create_table(
        "link_sessions",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("link_id", sa.Text, nullable=False),
        sa.Column("created_at", time, nullable=False),
        sa.Column("expires_at", time, nullable=False),
        sa.Column("ended_at", time),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_sessions")),
        sa.ForeignKeyConstraint(
            ["link_id"], ["add_money_links.id"], ondelete="CASCADE", name=op.f("fk_link_sessions_link_id")
        ),
        sa.CheckConstraint("expires_at > created_at", name=op.f("ck_link_sessions_expires_later")),
    )
    op.create_index(op.f("ix_link_sessions_link_id_id"), "link_sessions", ["link_id", "id"])
    op.create_index(op.f("ix_link_sessions_expires_at"), "link_sessions", ["expires_at"])
    op.execute("GRANT SELECT, INSERT, DELETE ON add_money_links, link_sessions TO onramp_app")
    # What a link prescribes never changes, nor does its owner.
    op.execute("GRANT UPDATE (revoked_at, reference, return_url) ON add_money_links TO onramp_app")
    op.execute("GRANT UPDATE (expires_at, ended_at) ON link_sessions TO onramp_app")
    op.add_column("top_ups", sa.Column("link_id", sa.Text))
    op.execute("GRANT UPDATE (link_id) ON top_ups TO onramp_app")
    op.create_index(
        "uq_top_ups_link_id",
        "top_ups",
        ["link_id"],
        unique=True,
        postgresql_where=sa.text("link_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("uq_top_ups_link_id", table_name="top_ups")
    op.drop_column("top_ups", "link_id")
    op.drop_table("link_sessions")
    op.drop_table("add_money_links")
