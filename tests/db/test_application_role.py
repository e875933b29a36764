"""An attacker who can run any statement as the application's role can change nothing in the books.

The lists name everything that is open to that role, each with the reason. A new function, privilege or object
that is open fails the test until it is closed or has its reason here.
"""
# ruff: noqa: E501 - a statement is easier to read in one piece

import secrets
from collections.abc import Iterator
from contextlib import nullcontext, suppress

import psycopg
import pytest

from onramp_app.db.migrate import migrate
from tests import rows
from tests.people import login_as

# Privileges beyond those of every login in any PostgreSQL.
OPEN = {
    "function lock_user_balances(text[],text[])": "locks rows and makes zero ones; users that exist only",
    "function ledger_transfer_content(text)": "reads what the role may read; verify-ledger computes with it",
    "function audit_row_content(text)": "as above",
    "function operators_named_from()": "a number that verify-ledger needs",
}
# The tables of the books have exactly these privileges. The other tables are the application's working data.
BOOKS = {
    "assets": "INSERT SELECT",
    "audit_log": "INSERT SELECT",
    "chain_claims": "INSERT SELECT",
    "ledger_accounts": "INSERT SELECT",
    "ledger_chain": "SELECT",
    "ledger_entries": "INSERT SELECT",
    "ledger_seals": "INSERT SELECT",
    "ledger_transfers": "INSERT SELECT",
    "top_up_steps": "INSERT SELECT",
    "user_balances": "SELECT",
    "verification_steps": "INSERT SELECT",
    "alembic_version": "SELECT",
}
_OPEN = """
SELECT 'function ' || oid::regprocedure::text FROM pg_proc
 WHERE pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
   AND has_function_privilege('onramp_app', oid, 'EXECUTE')
UNION ALL
SELECT 'granted function ' || p.oid::regprocedure::text FROM pg_proc p, aclexplode(p.proacl) a
 WHERE p.pronamespace = 'pg_catalog'::regnamespace AND a.grantee = 'onramp_app'::regrole
UNION ALL
SELECT "right" || ' on the database' FROM unnest(ARRAY['TEMPORARY', 'CREATE']) AS r ("right")
 WHERE has_database_privilege('onramp_app', current_database(), "right")
UNION ALL
SELECT 'CREATE in schema ' || nspname FROM pg_namespace WHERE has_schema_privilege('onramp_app', oid, 'CREATE')
UNION ALL
SELECT "right" || ' on ' || oid::regclass::text FROM pg_class, unnest(ARRAY['TRIGGER', 'TRUNCATE', 'REFERENCES']) AS r ("right")
 WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND has_table_privilege('onramp_app', oid, "right")
UNION ALL
SELECT "right" || ' on sequence ' || oid::regclass::text FROM pg_class, unnest(ARRAY['UPDATE', 'USAGE']) AS r ("right")
 WHERE relkind = 'S' AND has_sequence_privilege('onramp_app', oid, "right")
UNION ALL
SELECT 'default privilege for ' || a.grantee::regrole::text || ' on new ' || d.defaclobjtype::text || ': ' || a.privilege_type
  FROM pg_default_acl d, aclexplode(d.defaclacl) a
 WHERE a.grantee IN (0, 'onramp_app'::regrole) AND d.defaclobjtype <> 'T'
UNION ALL
SELECT 'new functions' WHERE NOT EXISTS (SELECT FROM pg_default_acl WHERE defaclobjtype = 'f' AND defaclnamespace = 0)
UNION ALL
SELECT 'member of ' || roleid::regrole::text FROM pg_auth_members WHERE member = 'onramp_app'::regrole
UNION ALL
SELECT 'owns ' || classid::regclass || ' ' || objid FROM pg_shdepend
 WHERE refobjid = 'onramp_app'::regrole AND deptype = 'o'
UNION ALL
SELECT 'large object ' || oid FROM pg_largeobject_metadata
UNION ALL
SELECT 'setting ' || parname FROM pg_parameter_acl, aclexplode(paracl) a
 WHERE a.grantee IN (0, 'onramp_app'::regrole)
UNION ALL
SELECT 'language ' || lanname FROM pg_language
 WHERE NOT lanpltrusted AND has_language_privilege('onramp_app', oid, 'USAGE')
   AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = 'onramp_app') AND lanname NOT IN ('c', 'internal')
UNION ALL
SELECT 'foreign server ' || srvname FROM pg_foreign_server WHERE has_server_privilege('onramp_app', oid, 'USAGE')
UNION ALL
SELECT 'attribute ' || name FROM pg_roles,
       LATERAL (VALUES ('superuser', rolsuper), ('createrole', rolcreaterole), ('createdb', rolcreatedb),
                       ('replication', rolreplication), ('bypassrls', rolbypassrls)) AS v (name, has)
 WHERE rolname = 'onramp_app' AND has
"""
_RIGHTS = """
SELECT c.relname, string_agg(DISTINCT r.name, ' ' ORDER BY r.name)
  FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS r (name)
 WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (%s)
   AND CASE r.name WHEN 'DELETE' THEN has_table_privilege('onramp_app', c.oid, r.name)
            ELSE has_any_column_privilege('onramp_app', c.oid, r.name) END
 GROUP BY c.relname
"""
_DEFINERS = """
SELECT oid::regprocedure::text FROM pg_proc
 WHERE pronamespace = 'public'::regnamespace AND prosecdef AND prorettype = 'trigger'::regtype ORDER BY 1
"""

# What an attacker would try. Each statement is refused for lack of a privilege.
REFUSED = (
    "CREATE TEMP TABLE t (transfer_id text, account_id bigint, amount_minor numeric)",
    "CREATE TEMP VIEW v AS SELECT 1",
    "CREATE TEMP SEQUENCE s",
    "SELECT 1 INTO TEMP t",
    "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE VIEW v AS SELECT 1",
    "CREATE TYPE t AS (a int)",
    "CREATE DOMAIN d AS int",
    "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
    "CREATE AGGREGATE a (int) (SFUNC = int4pl, STYPE = int)",
    "CREATE SCHEMA s",
    "CREATE EXTENSION hstore",
    "CREATE PUBLICATION p",
    "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION refuse_change()",
    "CREATE TRIGGER t AFTER INSERT ON users FOR EACH STATEMENT EXECUTE FUNCTION move_balances()",
    "CREATE RULE r AS ON INSERT TO ledger_entries DO INSTEAD NOTHING",
    "CREATE POLICY p ON ledger_entries USING (false)",
    "CREATE INDEX ON ledger_entries ((1 / amount_minor))",
    "CREATE CAST (text AS bytea) WITHOUT FUNCTION",
    "ALTER TABLE ledger_entries DISABLE TRIGGER ALL",
    "ALTER TABLE ledger_entries OWNER TO onramp_app",
    "ALTER TABLE ledger_entries ADD COLUMN x int",
    "ALTER FUNCTION move_balances() OWNER TO onramp_app",
    "ALTER FUNCTION move_balances() SECURITY INVOKER",
    "ALTER FUNCTION move_balances() SET search_path = pg_temp",
    "ALTER SCHEMA public OWNER TO onramp_app",
    "ALTER DEFAULT PRIVILEGES FOR ROLE CURRENT_USER GRANT EXECUTE ON FUNCTIONS TO PUBLIC; CREATE TABLE x ()",
    "ALTER SEQUENCE ledger_accounts_id_seq RESTART WITH 1",
    "ALTER SYSTEM SET fsync = off",
    "ALTER ROLE onramp_app SUPERUSER",
    "ALTER DATABASE {database} SET search_path = ''",
    "DROP FUNCTION finish_transfer()",
    "DROP TRIGGER finish ON ledger_transfers",
    "DROP OWNED BY {owner}",
    "REASSIGN OWNED BY {owner} TO onramp_app",
    "SET ROLE {owner}",
    "SET SESSION AUTHORIZATION {owner}",
    "SET ROLE pg_read_server_files",
    "SET session_replication_role = replica",
    "SET session_preload_libraries = 'x'",
    "SET allow_system_table_mods = on",
    "SELECT set_config('session_replication_role', 'replica', false)",
    "SELECT setval('ledger_accounts_id_seq', 1)",
    "SELECT nextval('ledger_accounts_id_seq')",
    "SELECT append_to_chain('audit', 'x', 'y')",
    "SELECT move_balances()",
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT pg_read_binary_file('global/pg_control')",
    "SELECT pg_ls_dir('.')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/tmp/x')",
    "SELECT pg_reload_conf()",
    "SELECT rolpassword FROM pg_authid",
    "COPY users TO PROGRAM 'cat'",
    "COPY users TO '/tmp/users'",
    "COPY ledger_chain FROM STDIN",
    "COPY user_balances FROM STDIN",
    "LOAD '/tmp/x.so'",
    "INSERT INTO ledger_chain VALUES (1, 'audit', 'x', sha256('x'), sha256('y'))",
    "INSERT INTO user_balances VALUES ('x', 'USDT', 1, 0, 0, 1)",
    "UPDATE user_balances SET available_minor = 10",
    "SELECT 1 FROM user_balances FOR UPDATE",
    "SELECT 1 FROM user_balances FOR KEY SHARE",
    "SELECT 1 FROM ledger_chain FOR UPDATE",
    "LOCK TABLE user_balances IN ROW EXCLUSIVE MODE",
    "LOCK TABLE ledger_chain IN ROW EXCLUSIVE MODE",
    "UPDATE audit_log SET actor = 'x'",
    "DELETE FROM ledger_entries",
    "TRUNCATE audit_log",
    "MERGE INTO assets a USING assets b ON a.code = b.code WHEN MATCHED THEN UPDATE SET scale = 1",
    "INSERT INTO assets VALUES ('USDT', 6, now()) ON CONFLICT (code) DO UPDATE SET scale = 1",
    "UPDATE pg_proc SET prosecdef = false",
    "DELETE FROM pg_trigger",
    "UPDATE alembic_version SET version_num = '0001'",
    "COMMENT ON TABLE ledger_entries IS 'x'",
)
# What PostgreSQL allows every login and nobody can revoke. None of it moves money.
POSSIBLE = {
    "SELECT pg_advisory_lock(7205338181114022)": "stops commits while it lasts, changes nothing",
    "SELECT lo_from_bytea(0, 'x')": "keeps bytes of its own in the database",
    "ALTER ROLE onramp_app SET search_path = 'x'": "its own default; our functions set theirs",
    "ALTER ROLE onramp_app PASSWORD 'other'": "locks the application out, opens nothing",
    "LOCK TABLE top_ups IN ROW EXCLUSIVE MODE": "as each of its updates does",
    "DO $$ BEGIN PERFORM 1; END $$": "runs with the same rights",
}


def _open(owner: psycopg.Connection) -> set[str]:
    return {opened for (opened,) in owner.execute(_OPEN)}


@pytest.fixture(scope="module")
def database(postgres_server: str) -> Iterator[str]:
    """A database that was migrated directly: a copied one lacks the privileges on the database itself."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        migrate(f"{postgres_server}/{name}")
        yield f"{postgres_server}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def owner(database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def attacker(database: str, owner: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """A connection logged in as the application's role, with no other role to reset to."""
    with login_as(owner, "onramp_app", database) as url, psycopg.connect(url, autocommit=True) as connection:
        yield connection


def test_all_that_is_open_to_the_application_is_known(owner: psycopg.Connection) -> None:
    assert _open(owner) == set(OPEN)
    assert dict(owner.execute(_RIGHTS, (list(BOOKS),)).fetchall()) == BOOKS


@pytest.mark.parametrize(
    ("opening", "opened"),
    [
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; GRANT EXECUTE ON FUNCTION f() TO PUBLIC",
         "function f()"),
        ("GRANT EXECUTE ON FUNCTION move_balances() TO onramp_app", "function move_balances()"),
        ("GRANT TEMPORARY ON DATABASE {database} TO PUBLIC", "TEMPORARY on the database"),
        ("GRANT CREATE ON SCHEMA public TO PUBLIC", "CREATE in schema public"),
        ("GRANT TRIGGER ON ledger_entries TO onramp_app", "TRIGGER on ledger_entries"),
        ("GRANT UPDATE ON SEQUENCE ledger_accounts_id_seq TO PUBLIC", "UPDATE on sequence ledger_accounts_id_seq"),
        ("ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC", "new functions"),
        ("ALTER DEFAULT PRIVILEGES GRANT UPDATE ON TABLES TO onramp_app", "default privilege for onramp_app on new r: UPDATE"),
        ("GRANT pg_read_server_files TO onramp_app", "member of pg_read_server_files"),
        ("GRANT EXECUTE ON FUNCTION pg_read_file(text) TO onramp_app", "granted function pg_read_file(text)"),
        ("GRANT SET ON PARAMETER session_replication_role TO onramp_app", "setting session_replication_role"),
        ("SELECT lo_create(4711)", "large object 4711"),
        ("ALTER ROLE onramp_app CREATEROLE", "attribute createrole"),
    ],
)  # fmt: skip
def test_control_what_is_opened_is_named(database: str, opening: str, opened: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(opening.format(database=database.rpartition("/")[2]).encode())
        assert _open(connection) - set(OPEN) == {opened}
        connection.rollback()


def test_control_a_right_on_the_books_is_seen(database: str) -> None:
    with psycopg.connect(database) as connection:
        connection.execute("GRANT UPDATE (scale) ON assets TO onramp_app")
        found = dict(connection.execute(_RIGHTS, (list(BOOKS),)).fetchall())
        assert found != BOOKS
        connection.rollback()


def test_a_new_function_is_closed(owner: psycopg.Connection) -> None:
    with owner.transaction(force_rollback=True):
        owner.execute("CREATE FUNCTION later() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        assert _open(owner) == set(OPEN)


def test_each_attempt_of_the_application_is_refused(
    attacker: psycopg.Connection, owner: psycopg.Connection, subtests: pytest.Subtests
) -> None:
    names = {"database": owner.info.dbname, "owner": owner.info.user}
    for statement in REFUSED:
        # LOCK TABLE only works inside a transaction.
        within = attacker.transaction if statement.startswith("LOCK") else nullcontext
        with subtests.test(statement), pytest.raises(psycopg.errors.InsufficientPrivilege), within():
            attacker.execute(statement.format(**names).encode())


def test_control_the_owner_may_do_most_of_it(database: str) -> None:
    names = {"database": database.rpartition("/")[2], "owner": "pg_monitor"}
    done = 0
    with psycopg.connect(database) as connection:
        for statement in REFUSED:
            if "STDIN" in statement:  # The server would wait for rows.
                continue
            with suppress(psycopg.Error), connection.transaction(force_rollback=True):
                connection.execute(statement.format(**names).encode())
                done += 1
    assert done > 35


def test_what_is_left_to_the_application_moves_no_money(
    attacker: psycopg.Connection, subtests: pytest.Subtests
) -> None:
    for statement in POSSIBLE:
        with subtests.test(statement), attacker.transaction(force_rollback=True):
            attacker.execute(statement.encode())


def test_no_function_with_the_owners_rights_works_on_another_table(
    database: str, subtests: pytest.Subtests
) -> None:
    with psycopg.connect(database) as connection:
        functions = [name for (name,) in connection.execute(_DEFINERS)]
        assert len(functions) >= 4
        for function in functions:
            table = {"move_balances()": "ledger_entries"}.get(function, "webhook_refusals")
            with subtests.test(function), connection.transaction(force_rollback=True):
                # Even if somebody could create the table and attach the function to it.
                connection.execute(f"CREATE TEMP TABLE mine (LIKE {table} INCLUDING GENERATED)".encode())
                connection.execute(
                    "CREATE TRIGGER t AFTER INSERT ON mine REFERENCING NEW TABLE AS new_entries"
                    f" FOR EACH STATEMENT EXECUTE FUNCTION {function}".encode()
                )
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match=" works on "):
                    connection.execute(f"INSERT INTO mine SELECT * FROM {table}".encode())


def test_a_temporary_table_moves_no_balance(
    database: str, owner: psycopg.Connection, attacker: psycopg.Connection
) -> None:
    """A past attack, worth a million: three defenses each stop it, even with the ones before removed."""
    user_id = rows.user(owner)
    owner.execute("INSERT INTO assets VALUES ('USDT', 18, now()) ON CONFLICT DO NOTHING")
    owner.execute(
        "INSERT INTO ledger_accounts (kind, asset, user_id) VALUES ('available', 'USDT', %s)", (user_id,)
    )
    table = "CREATE TEMP TABLE forged (transfer_id text, account_id bigint, amount_minor numeric)"
    trigger = (
        "CREATE TRIGGER t AFTER INSERT ON forged REFERENCING NEW TABLE AS new_entries"
        " FOR EACH STATEMENT EXECUTE FUNCTION move_balances()"
    )
    insert = "INSERT INTO forged SELECT 'x', id, -1000000 FROM ledger_accounts"
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="temporary tables"):
        attacker.execute(table)
    owner.execute(f"GRANT TEMPORARY ON DATABASE {owner.info.dbname} TO PUBLIC")
    attacker.execute(table)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="function move_balances"):
        attacker.execute(trigger)
    owner.execute("GRANT EXECUTE ON FUNCTION move_balances() TO PUBLIC")
    attacker.execute(trigger)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="works on ledger_entries only"):
        attacker.execute(insert)
    assert owner.execute("SELECT count(*) FROM user_balances").fetchone() == (0,)


def test_invented_users_get_no_balances(owner: psycopg.Connection, attacker: psycopg.Connection) -> None:
    owner.execute("INSERT INTO assets VALUES ('USDT', 18, now()) ON CONFLICT DO NOTHING")
    invented = [secrets.token_hex(16) for _ in range(1000)]
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        attacker.execute("SELECT lock_user_balances(%s, %s)", (invented, ["USDT"] * 1000))
    assert owner.execute("SELECT count(*) FROM user_balances").fetchone() == (0,)
