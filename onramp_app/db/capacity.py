"""How many connections the server grants to this application's login, and how many of those are free."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from onramp_app.db.engine import execute

# Role and database limits do not apply to superusers, and some connections are reserved for them. Processes
# of the server itself have no user.
_CAPACITY = text("""
SELECT least(of_role, of_database, of_server), least(of_role - by_role, of_database - by_database,
             of_server - by_all)
  FROM (SELECT CASE WHEN r.rolconnlimit >= 0 AND NOT r.rolsuper THEN r.rolconnlimit END AS of_role,
               CASE WHEN d.datconnlimit >= 0 AND NOT r.rolsuper THEN d.datconnlimit END AS of_database,
               current_setting('max_connections')::int
                 - CASE WHEN r.rolsuper THEN 0
                        ELSE current_setting('superuser_reserved_connections')::int
                             + coalesce(current_setting('reserved_connections', true)::int, 0)
                   END AS of_server
          FROM pg_roles r, pg_database d
         WHERE r.rolname = session_user AND d.datname = current_database()) granted,
       (SELECT count(*) FILTER (WHERE usename = session_user)::int AS by_role,
               count(*) FILTER (WHERE datname = current_database())::int AS by_database,
               count(*)::int AS by_all
          FROM pg_stat_activity WHERE usename IS NOT NULL) used
""")


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the server grants: `limit` connections in all, of which `free` are free now."""

    limit: int
    free: int


async def capacity(db: AsyncSession) -> Capacity:
    """Ask the server for the limit and for the number of free connections."""
    limit, free = (await execute(db, _CAPACITY)).one()
    return Capacity(limit, free)
