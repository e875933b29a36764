"""Seals of the hash chain, made with a key that the database never sees."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ledger_seals",
        sa.Column("seq", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("previous", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_ledger_seals")),
        sa.ForeignKeyConstraint(["seq"], ["ledger_chain.seq"], name=op.f("fk_ledger_seals_seq")),
        sa.CheckConstraint("octet_length(hash) BETWEEN 32 AND 32", name=op.f("ck_ledger_seals_hash_octets")),
        sa.CheckConstraint(
            "octet_length(previous) BETWEEN 32 AND 32", name=op.f("ck_ledger_seals_previous_octets")
        ),
        sa.CheckConstraint("octet_length(mac) BETWEEN 32 AND 32", name=op.f("ck_ledger_seals_mac_octets")),
        sa.CheckConstraint("char_length(key_id) BETWEEN 1 AND 64", name=op.f("ck_ledger_seals_key_id_length")),
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_seals"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute("GRANT SELECT, INSERT ON ledger_seals TO onramp_app")


def downgrade() -> None:
    op.drop_table("ledger_seals")
