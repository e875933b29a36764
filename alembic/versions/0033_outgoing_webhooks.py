"""Webhooks to programs: endpoints, events, their deliveries, and the attempts of each delivery.

The previous release writes no events, so what it does while it runs beside this one is not sent. Constraints
on tables that have rows apply only to new rows at first; 0035 validates the others, without a lock that
blocks anybody.
"""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None
oldest_release = "0022"

KINDS = (
    "'confirm_email', 'confirm_new_email', 'email_changed', 'email_change_undone', 'reset_password',"
    " 'password_changed', 'new_device', 'refresh_token_reused', 'top_up_settled', 'top_up_in_review',"
    " 'top_up_released', 'top_up_failed', 'top_up_reversed', 'factors_changed', 'factors_reset_asked',"
    " 'account_closed', 'claim_account'"
)
TYPES = (
    "'top_up.settled', 'top_up.in_review', 'top_up.failed', 'top_up.reversed', 'debit.created',"
    " 'debit.reversed', 'balance.low', 'kyc.changed'"
)
TABLES = ("webhook_endpoints", "outgoing_events", "outgoing_deliveries", "outgoing_attempts")
WAITS = sa.text("state = 'waiting'")


def _checks(table: str, conditions: dict[str, str]) -> list[sa.CheckConstraint]:
    return [
        sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{name}"))
        for name, condition in conditions.items()
    ]


def _allow_kinds(kinds: str) -> None:
    op.drop_constraint(op.f("ck_outbox_mails_kind"), "outbox_mails")
    op.create_check_constraint(
        op.f("ck_outbox_mails_kind"), "outbox_mails", f"kind IN ({kinds})", postgresql_not_valid=True
    )


def upgrade() -> None:
    time = sa.DateTime(timezone=True)
    op.create_table(
        "webhook_endpoints",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("program_id", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("event_types", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary, nullable=False),
        sa.Column("sealed_previous", sa.LargeBinary),
        sa.Column("previous_until", time),
        sa.Column("made_at", time, nullable=False),
        sa.Column("updated_at", time, nullable=False),
        sa.Column("failing_since", time),
        sa.Column("disabled_at", time),
        sa.Column("disabled_because", sa.Text),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_endpoints")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_webhook_endpoints_program_id")),
        *_checks(
            "webhook_endpoints",
            {
                "url_length": "char_length(url) BETWEEN 8 AND 1000",
                "description_length": "char_length(description) BETWEEN 1 AND 140",
                "event_types": f"event_types <@ ARRAY[{TYPES}]::text[]",
                "sealed_secret_octets": "octet_length(sealed_secret) BETWEEN 40 AND 200",
                "sealed_previous_octets": "octet_length(sealed_previous) BETWEEN 40 AND 200",
                "previous_is_whole": "(sealed_previous IS NULL) = (previous_until IS NULL)",
                "disabled_because": "disabled_because IN ('program', 'failing', 'gone')",
                "disabled_is_whole": "(disabled_at IS NULL) = (disabled_because IS NULL)",
            },
        ),
    )
    op.create_index(
        op.f("ix_webhook_endpoints_program_id_made_at"), "webhook_endpoints", ["program_id", "made_at"]
    )
    op.create_table(
        "outgoing_events",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("program_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("object", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("created_at", time, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outgoing_events")),
        sa.UniqueConstraint("sequence", name=op.f("uq_outgoing_events_sequence")),
        sa.ForeignKeyConstraint(["program_id"], ["programs.id"], name=op.f("fk_outgoing_events_program_id")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_outgoing_events_user_id"), ondelete="CASCADE"
        ),
        *_checks(
            "outgoing_events",
            {
                "type": f"type IN ({TYPES})",
                "object_length": "char_length(object) BETWEEN 1 AND 200",
                "data": "json_typeof(data::json) = 'object' AND char_length(data) <= 8000",
            },
        ),
    )
    op.create_index(op.f("ix_outgoing_events_user_id_sequence"), "outgoing_events", ["user_id", "sequence"])
    op.create_index(op.f("ix_outgoing_events_created_at"), "outgoing_events", ["created_at"])
    op.create_table(
        "outgoing_deliveries",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("endpoint_id", sa.Text, nullable=False),
        sa.Column("object", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("made_at", time, nullable=False),
        sa.Column("due_at", time, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("first_tried_at", time),
        sa.Column("ended_at", time),
        sa.Column("problem", sa.Text),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outgoing_deliveries")),
        sa.UniqueConstraint(
            "event_id", "endpoint_id", name=op.f("uq_outgoing_deliveries_event_id_endpoint_id")
        ),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["outgoing_events.id"],
            name=op.f("fk_outgoing_deliveries_event_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["webhook_endpoints.id"],
            name=op.f("fk_outgoing_deliveries_endpoint_id"),
            ondelete="CASCADE",
        ),
        *_checks(
            "outgoing_deliveries",
            {
                "state": "state IN ('waiting', 'delivered', 'failed')",
                "attempts": "attempts >= 0",
                "end_is_whole": "(state = 'waiting') = (ended_at IS NULL)",
                "problem_length": "char_length(problem) BETWEEN 1 AND 200",
            },
        ),
    )
    for name, columns, condition in (
        ("due", ["endpoint_id", "due_at"], WAITS),
        ("order", ["endpoint_id", "object", "sequence"], WAITS),
        ("failed", ["ended_at"], sa.text("state = 'failed'")),
        ("endpoint_id_made_at_id", ["endpoint_id", "made_at", "id"], None),
    ):
        op.create_index(
            f"ix_outgoing_deliveries_{name}", "outgoing_deliveries", columns, postgresql_where=condition
        )
    op.create_table(
        "outgoing_attempts",
        sa.Column("delivery_id", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("at", time, nullable=False),
        sa.Column("took_ms", sa.Integer, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("answer", sa.LargeBinary),
        sa.Column("problem", sa.Text),
        sa.PrimaryKeyConstraint("delivery_id", "number", name=op.f("pk_outgoing_attempts")),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["outgoing_deliveries.id"],
            name=op.f("fk_outgoing_attempts_delivery_id"),
            ondelete="CASCADE",
        ),
        *_checks(
            "outgoing_attempts",
            {
                "number": "number BETWEEN 1 AND 1000000",
                "status": "status BETWEEN 100 AND 999",
                "took_ms": "took_ms >= 0",
                "answer_octets": "octet_length(answer) BETWEEN 0 AND 4096",
                "problem_length": "char_length(problem) BETWEEN 1 AND 200",
            },
        ),
    )
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(TABLES)} TO onramp_app")
    op.add_column("program_users", sa.Column("low_asset", sa.Text))
    op.add_column("program_users", sa.Column("low_minor", sa.Numeric(38, 0)))
    op.create_foreign_key(
        op.f("fk_program_users_low_asset"),
        "program_users",
        "assets",
        ["low_asset"],
        ["code"],
        postgresql_not_valid=True,
    )
    for name, condition in (
        ("low_is_whole", "(low_asset IS NULL) = (low_minor IS NULL)"),
        ("low_minor", "low_minor > 0"),
    ):
        op.create_check_constraint(
            op.f(f"ck_program_users_{name}"), "program_users", condition, postgresql_not_valid=True
        )
    _allow_kinds(f"{KINDS}, 'endpoint_disabled'")


def downgrade() -> None:
    op.execute("DELETE FROM outbox_mails WHERE kind = 'endpoint_disabled'")
    _allow_kinds(KINDS)
    op.drop_column("program_users", "low_minor")
    op.drop_column("program_users", "low_asset")
    for table in reversed(TABLES):
        op.drop_table(table)
