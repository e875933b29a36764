"""Store in columns what each line of a top-up's timeline means, which was parsed from its sentence before.

Old lines are filled by the table rewrite that changing a column's type causes: an UPDATE is refused on this
table, and the trigger that refuses it stays in force. A line that no release has written stops the migration,
since its meaning is unknown.

The previous release keeps running while a new one starts, and writes sentences only: `name_step` fills in the
columns for it. The next migration of this table may drop it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

ACTS = (
    "created",
    "read",
    "linked",
    "canceled",
    "expired",
    "given_up",
    "released",
    "returned",
    "closed",
    "reversed",
    "reversal_undone",
    "attributed",
)
CLASSES = (
    "opened",
    "claimed",
    "paid",
    "buying",
    "bought",
    "sending",
    "delivered",
    "timed_out",
    "abandoned",
    "name_mismatch",
    "amount_mismatch",
    "unknown",
)
REASONS = (
    "abandoned",
    "timed_out",
    "name_mismatch",
    "amount_mismatch",
    "wrong_address",
    "wrong_asset",
    "over_limit",
    "over_delivery",
    "account_frozen",
    "kyc_rejected",
    "amount_unreadable",
    "unknown_status",
    "returned",
)

# The sentence of a read has its class, perhaps why it was not simply credited and a remark, and whether a
# further top-up was made for it: "delivered: over_limit; rounded, since 1.01 was printed, a top-up of its own
# was ...".
STATUS_CLASS = f"""
CASE WHEN {{row}}source IN ('webhook_read', 'poll')
     THEN substring({{row}}detail FROM '^({"|".join(CLASSES)})(?:[:,]|$)') END
"""
HOLD = f"""
CASE WHEN {{row}}source NOT IN ('webhook_read', 'poll') THEN NULL
     WHEN {{row}}detail LIKE 'delivered: everything is held until released (ONRAMP\\_SETTLEMENT=review)%'
     THEN 'over_limit'
     ELSE substring({{row}}detail FROM '^delivered: ({"|".join(REASONS)})(?:[:;,]|$)') END
"""
ACT = f"""
CASE WHEN {{row}}source IN ('webhook_read', 'poll') THEN
          CASE WHEN {STATUS_CLASS} IS NULL THEN NULL
               WHEN {{row}}detail LIKE '%, a top-up of its own was made of it' THEN 'linked' ELSE 'read' END
     WHEN {{row}}source = 'user' AND {{row}}detail = '' AND {{row}}status IN ('created', 'canceled')
     THEN {{row}}status
     WHEN {{row}}source = 'clock' THEN
          CASE {{row}}detail WHEN 'expire' THEN 'expired' WHEN 'give_up_unknown' THEN 'given_up' END
     WHEN {{row}}source = 'operator' THEN
          CASE WHEN {{row}}detail IN ('released', 'returned', 'closed', 'reversed', 'attributed') THEN {{row}}detail
               WHEN {{row}}detail = 'reversal undone' THEN 'reversal_undone' END
     END
"""


def _rule(name: str, condition: str) -> None:
    op.create_check_constraint(op.f(f"ck_top_up_steps_{name}"), "top_up_steps", condition)


def _one_of(column: str, words: tuple[str, ...]) -> None:
    listed = ", ".join(f"'{word}'" for word in words)
    _rule(column, f"{column} IN ({listed})")


def upgrade() -> None:
    for column in ("act", "status_class", "hold"):
        op.add_column("top_up_steps", sa.Column(column, sa.Text))
    op.execute(
        "ALTER TABLE top_up_steps"
        f" ALTER act TYPE text USING {ACT.format(row='')},"
        f" ALTER status_class TYPE text USING {STATUS_CLASS.format(row='')},"
        f" ALTER hold TYPE text USING {HOLD.format(row='')}"
    )
    _refuse_unknown()
    op.alter_column("top_up_steps", "act", nullable=False)
    _one_of("act", ACTS)
    _one_of("status_class", CLASSES)
    _one_of("hold", REASONS)
    _rule("status_class_of_a_read", "(status_class IS NOT NULL) = (act IN ('read', 'linked'))")
    _rule("hold_of_a_delivery", "hold IS NULL OR status_class = 'delivered'")
    op.execute(
        "CREATE FUNCTION name_step() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n"
        f"    NEW.act := {ACT.format(row='NEW.')};\n"
        f"    NEW.status_class := {STATUS_CLASS.format(row='NEW.')};\n"
        f"    NEW.hold := {HOLD.format(row='NEW.')};\n"
        "    RETURN NEW;\nEND $$"
    )
    op.execute(
        "CREATE TRIGGER name_step BEFORE INSERT ON top_up_steps"
        " FOR EACH ROW WHEN (NEW.act IS NULL) EXECUTE FUNCTION name_step()"
    )


def _refuse_unknown() -> None:
    rows = op.get_bind().execute(
        sa.text("SELECT id, source, status, detail FROM top_up_steps WHERE act IS NULL ORDER BY id LIMIT 5")
    )
    if told := "; ".join(f"{row.id} ({row.source}, {row.status}, {row.detail!r})" for row in rows):
        raise ValueError(f"Rows of top_up_steps that no release of this application has written: {told}")


def downgrade() -> None:
    op.execute("DROP TRIGGER name_step ON top_up_steps")
    op.execute("DROP FUNCTION name_step()")
    for column in ("hold", "status_class", "act"):
        op.drop_column("top_up_steps", column)
