"""Finds out whether connections are real sessions, or a pooler shares server connections among them.

Without a session an advisory lock protects nothing and LISTEN receives nothing, and neither raises an error.
"""

import asyncio
from collections.abc import Sequence

from pydantic import SecretStr

from onramp_app.config import ConfigurationError, Settings
from onramp_app.db.direct import Connection, arguments, open_connection
from onramp_app.db.outages import AWAY, outages, unavailable

_ROUNDS = 5
_SECONDS = 10


async def refuse_poolers(settings: Settings) -> None:
    """Refuse to start where a pooler shares the connections that must be real sessions.

    Raises:
        ConfigurationError: a pooler shares them; the sentence names the variable to set.
        DatabaseUnavailable: the database does not answer.
    """
    cures = {
        "database_url": "set DATABASE_DIRECT_URL to the address of the database itself",
        "database_direct_url": "set it to the address of the database itself",
        "database_owner_url": "set it to the address of the database itself",
    }
    for name in _used_for_sessions(settings):
        url: SecretStr = getattr(settings, name)
        if await is_shared(url.get_secret_value()):
            raise ConfigurationError(
                f"{name.upper()} leads to a pooler that gives each transaction another connection, and locks,"
                f" notifications and migrations need one of their own; {cures[name]}."
            )


def _used_for_sessions(settings: Settings) -> Sequence[str]:
    names = ["database_direct_url" if settings.database_direct_url else "database_url"]
    if settings.database_owner_url is not None:
        names.append("database_owner_url")
    return [name for name in names if getattr(settings, name) is not None]


async def is_shared(url: str) -> bool:
    """Return whether the connections to an address share server connections through a pooler.

    Without a pooler, two connections that are open at once never use the same server process, and each keeps
    its own. Behind a pooler with one server connection, two that are used in turn get the same one; in a
    larger pool they swap, or one gets the server connection that the other has just left.

    Raises:
        DatabaseUnavailable: the database does not answer.
    """
    try:
        async with asyncio.timeout(_SECONDS):
            with outages():
                async with await _open(url) as first, await _open(url) as second:
                    seen = [(await _server(first), await _server(second)) for _ in range(_ROUNDS)]
    except TimeoutError:
        raise unavailable(AWAY) from None
    return len(set(seen)) > 1 or seen[0][0] == seen[0][1]


async def _open(url: str) -> Connection:
    return await open_connection(conninfo=url, **arguments("check"))


async def _server(connection: Connection) -> object:
    cursor = await connection.execute("SELECT pg_backend_pid()", prepare=False)
    return await cursor.fetchone()
