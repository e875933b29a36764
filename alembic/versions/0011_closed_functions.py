"""Only named roles may execute functions; only the owner may create temporary tables or objects in `public`.

A trigger function that runs with the owner's rights works on its own table only, even if somebody attaches it
to another one.
"""

import re
from pathlib import Path

from alembic import op

from onramp_app.db.rights import CLOSE_DATABASE, CLOSE_LATER_FUNCTIONS

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

RULES = Path(__file__).with_name("0002_money_rules.sql").read_text()
# Each runs with the owner's rights (SECURITY DEFINER), and only for this table.
GUARDED = {
    "move_balances": "ledger_entries",
    "finish_transfer": "ledger_transfers",
    "finish_audit_row": "audit_log",
    "trim_webhook_refusals": "webhook_refusals",
}
GUARD = """
BEGIN
    IF TG_RELID <> 'public.{table}'::regclass THEN
        RAISE EXCEPTION '{function} works on {table} only' USING ERRCODE = 'insufficient_privilege';
    END IF;
"""

# PUBLIC may EXECUTE functions unless that is revoked. Triggers fire without it, so nobody needs it for them.
CLOSE_FUNCTIONS = """
DO $$
DECLARE
    ours regprocedure;
BEGIN
    FOR ours IN
        SELECT oid FROM pg_proc
         WHERE pronamespace = 'public'::regnamespace AND pg_has_role(current_user, proowner, 'USAGE')
           AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
    LOOP
        EXECUTE format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', ours);
    END LOOP;
END $$
"""
OPENED_BEFORE = (
    "refuse_change()", "count_version()", "limit_webhook_bodies()", "trim_webhook_refusals()",
    "move_balances()", "ledger_transfer_content(text)", "audit_row_content(text)",
    "finish_transfer()", "finish_audit_row()",
)  # fmt: skip

OPEN_DATABASE = """
DO $$
BEGIN
    IF pg_has_role(current_user, (SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE')
    THEN
        EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database());
    END IF;
END $$
"""


def _definition(function: str) -> str:
    found = re.search(rf"CREATE (FUNCTION {function}\(\).*?\nEND \$\$);", RULES, re.DOTALL)
    if found is None:
        raise AssertionError(f"{function} is not among the rules")
    return f"CREATE OR REPLACE {found[1]}"


def _run(statement: str) -> None:
    op.get_bind().exec_driver_sql(statement.replace("%", "%%"))  # The driver takes % for a placeholder.


def upgrade() -> None:
    for function, table in GUARDED.items():
        guard = GUARD.format(function=function, table=table)
        _run(_definition(function).replace("\nBEGIN\n", guard, 1))
    _run(CLOSE_FUNCTIONS)
    op.execute(CLOSE_LATER_FUNCTIONS)
    # `verify-ledger` runs as the application and calls these; they read only what the application may read.
    op.execute("GRANT EXECUTE ON FUNCTION ledger_transfer_content(text), audit_row_content(text) TO onramp_app")
    _run(CLOSE_DATABASE)


def downgrade() -> None:
    _run(OPEN_DATABASE)
    op.execute("REVOKE EXECUTE ON FUNCTION ledger_transfer_content(text), audit_row_content(text) FROM onramp_app")
    op.execute("ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {', '.join(OPENED_BEFORE)} TO PUBLIC")
    for function in GUARDED:
        _run(_definition(function))
