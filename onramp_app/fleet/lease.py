"""Leases: the right of one process of the fleet to do some work alone, for as long as it renews the lease.

A lease expires by the database's clock. So, unlike a lock, which the database keeps for as long as the
connection seems alive, it also ends if its holder is suspended, cut off or dead without the database
noticing.
"""

import asyncio
import secrets
from collections.abc import Callable
from time import monotonic

from onramp_app.db.direct import Connection
from onramp_app.db.outages import outages

# A single statement in autocommit: a process suspended between two statements would keep the row locked.
_TAKE = """
INSERT INTO leases AS l (name, holder, until, worked_at)
VALUES (%(name)s, %(holder)s, clock_timestamp() + %(seconds)s * interval '1 second',
        clock_timestamp() - %(worked)s * interval '1 second')
    ON CONFLICT (name) DO UPDATE
   SET holder = excluded.holder, until = excluded.until, worked_at = excluded.worked_at
 WHERE l.holder = excluded.holder OR l.until < clock_timestamp()
RETURNING holder
"""
_LEAVE = "UPDATE leases SET until = clock_timestamp() WHERE name = %s AND holder = %s"


class LeaseLost(Exception):
    """The lease expired before it was renewed: another process may be doing the work by now."""


class Lease:
    """One process's hold on work that only one process may do at a time. Belongs to one event loop.

    Args:
        name: the name of the work.
        seconds: how long the lease lasts unless it is renewed.
        holder: the holder's name; processes with the same name share the lease. By default a unique one.
        clock: returns this process's time in seconds, which never goes back.
    """

    def __init__(
        self, name: str, *, seconds: float, holder: str = "", clock: Callable[[], float] = monotonic
    ) -> None:
        self._name = name
        self._clock = clock
        self._seconds = seconds
        self._holder = holder or secrets.token_hex(8)
        self._until = float("-inf")
        self._taken = asyncio.Event()

    @property
    def is_held(self) -> bool:
        """Whether this process holds the lease, by its own clock, on which the lease expires first."""
        return self._clock() < self._until

    async def take(self, connection: Connection, *, worked_seconds_ago: float | None = None) -> bool:
        """Take the lease if it is free, or renew it. Returns whether it is held.

        Args:
            connection: an autocommit connection.
            worked_seconds_ago: how long ago the holder last did the work, published for health checks.

        Raises:
            DatabaseUnavailable: it is unknown whether the lease was taken; a lease held before expires.
        """
        asked_at = self._clock()
        values = {
            "name": self._name,
            "holder": self._holder,
            "seconds": self._seconds,
            "worked": worked_seconds_ago,
        }
        with outages():
            row = await (await connection.execute(_TAKE, values)).fetchone()
        self._until = float("-inf") if row is None else asked_at + self._seconds
        if self.is_held:
            self._taken.set()
        return self.is_held

    async def held(self) -> None:
        """Wait until the lease is held."""
        while not self.is_held:
            self._taken.clear()
            await self._taken.wait()

    def check(self) -> None:
        """Raise `LeaseLost` unless the lease is held."""
        if not self.is_held:
            raise LeaseLost(self._name)

    async def leave(self, connection: Connection) -> None:
        """Release the lease, so that the next process can take it at once. Raises `DatabaseUnavailable`."""
        self._until = float("-inf")
        with outages():
            await connection.execute(_LEAVE, (self._name, self._holder))
