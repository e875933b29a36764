"""Debits: what people spend with the operator's product, and what is on hold for it.

The recreated constraints allow everything that the previous release writes, which books no debits. Its lists
of transactions show neither holds nor captures and, while it runs, are read from another index.
"""

import importlib.util
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None
oldest_release = "0022"

KINDS = (
    "receive", "recover", "attribute", "release", "return", "make_good", "reverse", "undo_reverse", "remit",
    "setoff", "write_off", "debit",
)  # fmt: skip
NEW_KINDS = ("debit_hold", "debit_capture", "debit_release", "debit_reverse")
OF_DEBITS = ("debit", *NEW_KINDS)
SOURCES = ("webhook_read", "poll", "user", "operator", "clock", "system", "chain")
LISTED = ("debit", "make_good", "recover", "return", "reverse", "undo_reverse", "write_off")
NEW_LISTED = ("debit_capture", "debit_hold", "debit_reverse")
REFERENCE = "~ '^[!-9;-~]{1,64}$'"

FITS_COUNT = "WHEN 'count' THEN ARRAY['adjustments+', 'treasury-', 'treasury+', 'adjustments-']"
FITS_DEBITS = """WHEN 'debit_hold' THEN ARRAY['available+', 'held-']
                           WHEN 'debit_capture' THEN ARRAY['held+', 'income-']
                           WHEN 'debit_release' THEN ARRAY['held+', 'available-']
                           WHEN 'debit_reverse' THEN ARRAY['income+', 'available-']
                           """
HELD_NAMES = "held > 0 AND NEW.top_up_id IS NULL THEN"
HELD_NAMES_DEBIT = "held > 0 AND NEW.top_up_id IS NULL AND NEW.debit_id IS NULL THEN"


def _words(words: tuple[str, ...]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _finish_transfer() -> str:
    path = Path(__file__).with_name("0014_operators_named.py")
    spec = importlib.util.spec_from_file_location("operators_named", path)
    if spec is None or spec.loader is None:
        raise AssertionError(f"{path} cannot be read")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.FINISH_TRANSFER)


def _run(statement: str) -> None:
    op.get_bind().exec_driver_sql(statement.replace("%", "%%"))  # The driver takes % for a placeholder.


def _replaced(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        if text.count(old) != 1:
            raise AssertionError(f"{old} does not stand in the rule once")
        text = text.replace(old, new)
    return text


def _check(table: str, name: str, condition: str, *, unless_kept: bool = False) -> None:
    op.drop_constraint(op.f(f"ck_{table}_{name}"), table)
    op.create_check_constraint(op.f(f"ck_{table}_{name}"), table, condition, postgresql_not_valid=unless_kept)


def _listed(words: tuple[str, ...]) -> None:
    columns = {"listed": ["created_at", "id"], "reference": [sa.text("right(id, 8)")]}
    for name, by in columns.items():
        op.drop_index(f"ix_ledger_transfers_{name}", table_name="ledger_transfers")
        op.create_index(
            f"ix_ledger_transfers_{name}",
            "ledger_transfers",
            ["user_id", *by],
            postgresql_where=sa.text(f"kind IN ({_words(tuple(sorted(words)))})"),
        )


def upgrade() -> None:
    time, minor = sa.DateTime(timezone=True), sa.Numeric(38, 0)
    op.create_table(
        "debits",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("program_id", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("input_hash", sa.LargeBinary, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("asset", sa.Text, nullable=False),
        sa.Column("amount_minor", minor, nullable=False),
        sa.Column("fiat_amount", sa.Numeric),
        sa.Column("fiat_currency", sa.Text),
        sa.Column("rate", sa.Numeric),
        sa.Column("rate_as_of", time),
        sa.Column("description", sa.Text),
        sa.Column("metadata_json", sa.Text),
        sa.Column("is_hold", sa.Boolean, nullable=False),
        sa.Column("expires_at", time),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("posted_minor", minor, nullable=False),
        sa.Column("released_minor", minor, nullable=False),
        sa.Column("reversed_minor", minor, nullable=False),
        sa.Column("release_reference", sa.Text),
        sa.Column("created_at", time, nullable=False),
        sa.Column("updated_at", time, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_debits")),
        sa.UniqueConstraint(
            "environment", "program_id", "reference", name=op.f("uq_debits_environment_program_id_reference")
        ),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_debits_program_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_debits_user_id")),
        sa.ForeignKeyConstraint(["asset"], ["assets.code"], name=op.f("fk_debits_asset")),
        *(
            sa.CheckConstraint(condition, name=op.f(f"ck_debits_{name}"))
            for name, condition in {
                "environment": "environment IN ('simulator', 'sandbox', 'live')",
                "reference": f"reference {REFERENCE}",
                "input_hash_octets": "octet_length(input_hash) BETWEEN 32 AND 32",
                "amount_minor": "amount_minor > 0",
                "fiat_amount": "fiat_amount >= 0 AND fiat_amount < 'Infinity'::numeric",
                "fiat_currency": "fiat_currency ~ '^[A-Z]{3}$'",
                "rate": "rate >= 0 AND rate < 'Infinity'::numeric",
                "fiat_is_whole": "(fiat_amount IS NULL) = (fiat_currency IS NULL) AND"
                " (fiat_amount IS NULL) = (rate IS NULL) AND (fiat_amount IS NULL) = (rate_as_of IS NULL)",
                "description_length": "char_length(description) BETWEEN 1 AND 140",
                "metadata_json": "json_typeof(metadata_json::json) = 'object'"
                " AND char_length(metadata_json) <= 4000",
                "hold_expires": "is_hold = (expires_at IS NOT NULL)",
                "status": "status IN ('posted', 'held', 'released')",
                "amounts": "posted_minor >= 0 AND released_minor >= 0"
                " AND posted_minor + released_minor <= amount_minor"
                " AND reversed_minor BETWEEN 0 AND posted_minor AND (is_hold OR posted_minor = amount_minor)",
                "status_fits_amounts": "CASE status"
                " WHEN 'held' THEN posted_minor + released_minor < amount_minor"
                " WHEN 'posted' THEN posted_minor > 0 AND posted_minor + released_minor = amount_minor"
                " ELSE released_minor = amount_minor END",
                "release_reference": f"release_reference {REFERENCE}",
            }.items()
        ),
    )
    op.create_index(op.f("ix_debits_program_id_created_at_id"), "debits", ["program_id", "created_at", "id"])
    op.create_index(op.f("ix_debits_user_id_created_at_id"), "debits", ["user_id", "created_at", "id"])
    op.create_index(
        "ix_debits_on_hold", "debits", ["expires_at", "id"], postgresql_where=sa.text("status = 'held'")
    )
    op.execute("GRANT SELECT, INSERT ON debits TO onramp_app")
    op.execute(
        "GRANT UPDATE (status, posted_minor, released_minor, reversed_minor, release_reference, updated_at,"
        " description, metadata_json) ON debits TO onramp_app"
    )
    op.add_column(
        "ledger_transfers",
        sa.Column("debit_id", sa.Text, sa.ForeignKey("debits.id", name="fk_ledger_transfers_debit_id")),
    )
    op.create_index(
        op.f("ix_ledger_transfers_debit_id"),
        "ledger_transfers",
        ["debit_id"],
        postgresql_where=sa.text("debit_id IS NOT NULL"),
    )
    _check("ledger_transfers", "kind", f"kind IN ({_words((*KINDS, *NEW_KINDS, 'count'))})")
    _check(
        "ledger_transfers",
        "provider_order_id",
        f"(kind IN ('make_good', 'write_off', {_words(OF_DEBITS)}, 'count')) = (provider_order_id IS NULL)",
    )
    op.create_check_constraint(
        op.f("ck_ledger_transfers_debit_id"),
        "ledger_transfers",
        f"(kind IN ({_words(OF_DEBITS)})) = (debit_id IS NOT NULL)",
    )
    for table in ("ledger_transfers", "top_up_steps"):
        _check(table, "source", f"source IN ({_words((*SOURCES, 'program'))})")
    _listed((*LISTED, *NEW_LISTED))
    _run(
        _replaced(
            _finish_transfer(), (FITS_COUNT, FITS_DEBITS + FITS_COUNT), (HELD_NAMES, HELD_NAMES_DEBIT)
        )
    )


def downgrade() -> None:
    if op.get_bind().execute(sa.text("SELECT EXISTS (SELECT FROM debits)")).scalar():
        raise RuntimeError("There are debits, which the release before cannot keep: restore the backup instead.")
    # Timeline lines and transfers never change, so existing rows are left unvalidated.
    _run(_finish_transfer())
    _listed(LISTED)
    for table in ("ledger_transfers", "top_up_steps"):
        _check(table, "source", f"source IN ({_words(SOURCES)})", unless_kept=True)
    op.drop_constraint(op.f("ck_ledger_transfers_debit_id"), "ledger_transfers")
    _check(
        "ledger_transfers",
        "provider_order_id",
        "(kind IN ('make_good', 'write_off', 'debit', 'count')) = (provider_order_id IS NULL)",
        unless_kept=True,
    )
    _check("ledger_transfers", "kind", f"kind IN ({_words((*KINDS, 'count'))})", unless_kept=True)
    op.drop_index(op.f("ix_ledger_transfers_debit_id"), table_name="ledger_transfers")
    op.drop_column("ledger_transfers", "debit_id")
    op.drop_table("debits")
