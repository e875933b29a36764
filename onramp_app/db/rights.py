"""What a database needs besides its tables: the application's role, and the right to connect.

Migrations set this up, and so does a restore, because none of it is in a dump of the database.
"""

from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from onramp_app.config import ConfigurationError

_INSUFFICIENT_PRIVILEGE = "42501"

# Roles belong to the cluster: another database's migration may create the same one at this moment.
_CREATE_ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'onramp_app') THEN
        CREATE ROLE onramp_app NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$
"""

# Since PostgreSQL 16 the creator of a role administers it without being able to become it.
_BECOME_ROLE = """
DO $$
DECLARE
    can_become boolean := pg_has_role(current_user, 'onramp_app',
        CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END);
BEGIN
    IF NOT can_become AND current_setting('server_version_num')::int >= 160000 THEN
        -- As text, because PostgreSQL 15 parses this branch too, although it never takes it.
        EXECUTE 'GRANT onramp_app TO CURRENT_USER WITH SET TRUE, INHERIT FALSE';
    ELSIF NOT can_become THEN
        GRANT onramp_app TO CURRENT_USER;
    END IF;
EXCEPTION WHEN unique_violation THEN NULL;
END $$
"""

# PUBLIC is every role of the cluster, so a login of a neighbouring database could connect. Roles that work as
# the application or own the database keep their access. Only the owner may do this; for others it is skipped.
ADMIT_ONLY_OURS = """
DO $$
DECLARE
    ours text;
BEGIN
    IF NOT pg_has_role(
        current_user, (SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE'
    ) THEN
        RETURN;
    END IF;
    FOR ours IN
        SELECT 'onramp_app' UNION SELECT current_user UNION SELECT session_user
        UNION SELECT pg_get_userbyid(member) FROM pg_auth_members WHERE roleid = 'onramp_app'::regrole
    LOOP
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), ours);
    END LOOP;
    EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database());
END $$
"""

# Only the owner of the database or the schema may do its part; for others it is skipped, and `check` says so.
CLOSE_DATABASE = """
DO $$
BEGIN
    IF pg_has_role(current_user, (SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE')
    THEN
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC, onramp_app', current_database());
    END IF;
    IF pg_has_role(current_user, (SELECT nspowner FROM pg_namespace WHERE nspname = 'public'), 'USAGE') THEN
        REVOKE CREATE ON SCHEMA public FROM PUBLIC, onramp_app;
    END IF;
END $$
"""

# Closes functions that migrations create later. Only the form without IN SCHEMA can revoke default
# privileges.
CLOSE_LATER_FUNCTIONS = "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC"


def make_role(connection: Connection) -> None:
    """Make sure that the application's role exists and that the connection's user can become it.

    Raises:
        ConfigurationError: the user lacks the privilege; the sentence says what an administrator has to run.
    """
    user = connection.scalar(text("SELECT current_user"))
    try:
        connection.exec_driver_sql(_CREATE_ROLE)
        connection.exec_driver_sql(_BECOME_ROLE)
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != _INSUFFICIENT_PRIVILEGE:
            raise
        raise ConfigurationError(
            f"The database user {user} may not create the role onramp_app: as an administrator run "
            f'CREATE ROLE onramp_app NOLOGIN; GRANT onramp_app TO "{user}"; and try again.'
        ) from None


def close_database(connection: Connection) -> None:
    """Let only the application's roles and the owner connect, and only the owner create objects."""
    for statement in (ADMIT_ONLY_OURS, CLOSE_DATABASE, CLOSE_LATER_FUNCTIONS):
        # The driver takes % for a placeholder.
        connection.exec_driver_sql(statement.replace("%", "%%"))
