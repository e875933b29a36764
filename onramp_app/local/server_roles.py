"""The roles of the embedded PostgreSQL: an owner without special powers, and the superuser that creates it.

A superuser can read files and run programs as the server's user (COPY … FROM PROGRAM), so migrations and the
application log in as the owner.
"""

import psycopg
from psycopg import sql

SUPERUSER = "postgres"
OWNER = "onramp_owner"
DATABASE = "onramp"
_HANDOVER = "onramp_handover"

# Before there was a separate owner, the cluster's first superuser had the owner's name and owned everything.
_GIVE_ALL_TO_OWNER = """
DO $$
DECLARE
    change text;
BEGIN
    FOR change IN
        SELECT format('ALTER TABLE %s OWNER TO onramp_owner', oid::regclass) FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relowner = 10 AND relkind IN ('r', 'p', 'v', 'm')
        UNION ALL
        SELECT format('ALTER SEQUENCE %s OWNER TO onramp_owner', oid::regclass) FROM pg_class c
         WHERE relnamespace = 'public'::regnamespace AND relowner = 10 AND relkind = 'S'
           AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = c.oid AND deptype IN ('a', 'i'))
        UNION ALL
        SELECT format('ALTER ROUTINE %s OWNER TO onramp_owner', oid::regprocedure) FROM pg_proc
         WHERE pronamespace = 'public'::regnamespace AND proowner = 10
        UNION ALL
        SELECT 'ALTER DEFAULT PRIVILEGES FOR ROLE onramp_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC'
          FROM pg_default_acl WHERE defaclrole = 10 AND defaclnamespace = 0 AND defaclobjtype = 'f'
        UNION ALL
        SELECT 'GRANT onramp_app TO onramp_owner WITH ADMIN OPTION' FROM pg_roles
         WHERE rolname = 'onramp_app' AND NOT pg_has_role('onramp_owner', oid, 'MEMBER')
    LOOP
        EXECUTE change;
    END LOOP;
END $$
"""


def take_over(url: str) -> None:
    """Rename the superuser of an older cluster, where it still has the owner's name.

    Args:
        url: the address with which that superuser logs in.
    """
    password = psycopg.conninfo.conninfo_to_dict(url)["password"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(_HANDOVER)))
        # A role cannot rename itself.
        connection.execute(
            sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}").format(sql.Identifier(_HANDOVER), password)
        )
    with psycopg.connect(url, user=_HANDOVER, autocommit=True) as connection:
        connection.execute(
            sql.SQL("ALTER ROLE {} RENAME TO {}").format(sql.Identifier(OWNER), sql.Identifier(SUPERUSER))
        )


def prepare(superuser_url: str, *, owner_password: str) -> None:
    """Create the owner and its database, or bring those of an older cluster to the same state.

    Args:
        superuser_url: the superuser's address of the database `postgres`.
        owner_password: the owner's password from now on.
    """
    owner, database = sql.Identifier(OWNER), sql.Identifier(DATABASE)
    with psycopg.connect(superuser_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(_HANDOVER)))
        if not _exists(connection, "SELECT FROM pg_roles WHERE rolname = %s", OWNER):
            connection.execute(sql.SQL("CREATE ROLE {}").format(owner))
        connection.execute(
            sql.SQL("ALTER ROLE {} LOGIN NOSUPERUSER CREATEROLE PASSWORD {}").format(owner, owner_password)
        )
        if not _exists(connection, "SELECT FROM pg_database WHERE datname = %s", DATABASE):
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, owner))
            return
        if not _exists(connection, "SELECT FROM pg_database WHERE datname = %s AND datdba = 10", DATABASE):
            return
    with psycopg.connect(superuser_url, dbname=DATABASE) as connection:
        connection.execute(_GIVE_ALL_TO_OWNER)
        # Last, and in the same transaction: it marks that everything has been handed over.
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, owner))


def _exists(connection: psycopg.Connection, query: str, name: str) -> bool:
    return connection.execute(query.encode(), [name]).fetchone() is not None
