"""Every transfer by an operator needs an audit line by an actual operator, and entries must fit its kind.

A line refers to its transfer, so it cannot be older, and the transfer is not committed without it: both
belong to the same transaction. Earlier transfers have lines that name only references;
`operators_named_from()` returns the link of the chain from which the rule holds.
"""

import re
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

RULES = Path(__file__).with_name("0002_money_rules.sql").read_text()

AUDIT_ROW_CONTENT = """
CREATE OR REPLACE FUNCTION audit_row_content(audit_row text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN transfer_id IS NULL
        THEN json_build_array('audit', id, (extract(epoch FROM at) * 1000000)::bigint, actor, action, subject,
                              address, detail)
        ELSE json_build_array('audit', id, (extract(epoch FROM at) * 1000000)::bigint, actor, action, subject,
                              address, detail, transfer_id) END::text
      FROM audit_log WHERE id = audit_row
$$
"""
FINISH_TRANSFER = """
CREATE OR REPLACE FUNCTION finish_transfer() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    entries bigint;
    foreign_users bigint;
    held bigint;
    misplaced bigint;
    unbalanced bigint;
BEGIN
    IF TG_RELID <> 'public.ledger_transfers'::regclass THEN
        RAISE EXCEPTION 'finish_transfer works on ledger_transfers only' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT coalesce(sum(p.entries), 0), coalesce(sum(p.foreign_users), 0), coalesce(sum(p.held), 0),
           coalesce(sum(p.misplaced), 0), count(*) FILTER (WHERE p.total <> 0)
      INTO entries, foreign_users, held, misplaced, unbalanced
      FROM (SELECT count(*) AS entries, sum(e.amount_minor) AS total,
                   count(*) FILTER (WHERE a.user_id <> NEW.user_id OR (a.user_id IS NOT NULL AND NEW.user_id IS NULL))
                       AS foreign_users,
                   count(*) FILTER (WHERE a.kind = 'held') AS held,
                   count(*) FILTER (WHERE (a.kind || CASE WHEN e.amount_minor > 0 THEN '+' ELSE '-' END
                       = ANY (CASE NEW.kind
                           WHEN 'receive' THEN ARRAY['treasury+', 'available-', 'held-', 'suspense-']
                           WHEN 'recover' THEN ARRAY['available+', 'owed-']
                           WHEN 'attribute' THEN ARRAY['suspense+', 'available-']
                           WHEN 'release' THEN ARRAY['held+', 'available-']
                           WHEN 'return' THEN ARRAY['held+', 'payable-']
                           WHEN 'make_good' THEN ARRAY['adjustments+', 'available-']
                           WHEN 'reverse' THEN ARRAY['available+', 'owed+', 'payable-']
                           WHEN 'undo_reverse' THEN ARRAY['payable+', 'available-', 'owed-']
                           WHEN 'remit' THEN ARRAY['payable+', 'treasury-']
                           WHEN 'setoff' THEN ARRAY['payable+', 'adjustments-']
                           WHEN 'write_off' THEN ARRAY['adjustments+', 'owed-']
                           WHEN 'debit' THEN ARRAY['available+', 'income-']
                           WHEN 'count' THEN ARRAY['adjustments+', 'treasury-', 'treasury+', 'adjustments-']
                       END)) IS NOT TRUE) AS misplaced
              FROM ledger_entries e JOIN ledger_accounts a ON a.id = e.account_id
             WHERE e.transfer_id = NEW.id GROUP BY a.asset) p;
    IF entries < 2 OR unbalanced > 0 THEN
        RAISE EXCEPTION 'transfer % does not balance', NEW.reference
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_ledger_transfers_balance';
    ELSIF foreign_users > 0 THEN
        RAISE EXCEPTION 'transfer % moves money of another user', NEW.reference
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_ledger_transfers_one_user';
    ELSIF misplaced > 0 THEN
        RAISE EXCEPTION 'transfer % moves what a % does not move', NEW.reference, NEW.kind
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_ledger_transfers_fits_kind';
    ELSIF held > 0 AND NEW.top_up_id IS NULL THEN
        RAISE EXCEPTION 'transfer % holds money without a top-up', NEW.reference
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_ledger_transfers_held_names_top_up';
    END IF;
    IF (NEW.kind IN ('attribute', 'release', 'return', 'make_good', 'reverse', 'undo_reverse', 'remit', 'setoff',
                     'write_off', 'count')
        OR (NEW.source = 'operator' AND NEW.kind <> 'recover'))
       AND NOT EXISTS (SELECT FROM audit_log l JOIN users u ON u.id = l.actor
                        WHERE l.transfer_id = NEW.id AND l.actor = NEW.actor AND u.role IN ('operator', 'admin')) THEN
        RAISE EXCEPTION 'transfer % has no line in the audit log by an operator', NEW.reference
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ck_ledger_transfers_names_operator';
    END IF;
    PERFORM append_to_chain('transfer', NEW.id, ledger_transfer_content(NEW.id));
    RETURN NULL;
END $$
"""
NAMED_FROM = """
DO $$
BEGIN
    EXECUTE format('CREATE FUNCTION operators_named_from() RETURNS bigint LANGUAGE sql IMMUTABLE AS %L',
        'SELECT ' || (SELECT coalesce(max(seq), 0) + 1 FROM ledger_chain) || '::bigint');
END $$
"""
# Audit lines for roles that were granted before grants were recorded.
RECORD_ROLES = """
INSERT INTO audit_log (id, at, actor, action, subject, address, detail)
SELECT replace(gen_random_uuid()::text, '-', ''), now(), 'system', 'account.role_granted', u.id, '',
       '{"after": "' || u.role || '", "found": "by a migration"}'
  FROM users u
 WHERE u.role <> coalesce((
           SELECT coalesce(substring(l.detail FROM '"after": "([a-z]+)"'), substring(l.detail FROM '"role": "([a-z]+)"'))
             FROM audit_log l JOIN ledger_chain c ON c.kind = 'audit' AND c.subject_id = l.id
            WHERE l.subject = u.id AND l.action IN ('account.created', 'account.role_granted')
            ORDER BY c.seq DESC LIMIT 1), 'user')
"""
GUARD = """
BEGIN
    IF TG_RELID <> 'public.ledger_transfers'::regclass THEN
        RAISE EXCEPTION 'finish_transfer works on ledger_transfers only' USING ERRCODE = 'insufficient_privilege';
    END IF;
"""


def _before(function: str) -> str:
    found = re.search(rf"CREATE (FUNCTION {function}\(.*?\$\$ ?.*?\$\$);", RULES, re.DOTALL)
    if found is None:
        raise AssertionError(f"{function} is not among the rules")
    return f"CREATE OR REPLACE {found[1]}"


def _run(statement: str) -> None:
    op.get_bind().exec_driver_sql(statement.replace("%", "%%"))  # The driver takes % for a placeholder.


def upgrade() -> None:
    op.add_column(
        "audit_log",
        sa.Column("transfer_id", sa.Text, sa.ForeignKey("ledger_transfers.id", name="fk_audit_log_transfer_id")),
    )
    op.create_index(
        op.f("ix_audit_log_transfer_id"),
        "audit_log",
        ["transfer_id"],
        postgresql_where=sa.text("transfer_id IS NOT NULL"),
    )
    # The foreign key has locked the transfers, so none is booked under the old rule after this count.
    _run(NAMED_FROM)
    op.execute("GRANT EXECUTE ON FUNCTION operators_named_from() TO onramp_app")
    _run(AUDIT_ROW_CONTENT)
    _run(FINISH_TRANSFER)
    _run(RECORD_ROLES)
    # Later migrations in the same transaction may alter these tables, so no deferred trigger may be pending.
    op.execute("SET CONSTRAINTS ALL IMMEDIATE")
    op.execute("SET CONSTRAINTS ALL DEFERRED")


def downgrade() -> None:
    _run(_before("finish_transfer").replace("\nBEGIN\n", GUARD, 1))
    _run(_before("audit_row_content"))
    op.execute("DROP FUNCTION operators_named_from()")
    op.drop_index(op.f("ix_audit_log_transfer_id"), table_name="audit_log")
    op.drop_column("audit_log", "transfer_id")
